"""The page of an operation: how long such a one takes, its log by line number, and what a retry begins with."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from fleet.templatetags import show
from provisioning.models import BootWindow, Operation, Step
from provisioning.reads import operations as reads
from tests.support import make, people


def page(operation, query=""):
    answer = people.signed_in("operator").get(f"/operations/{operation.pk}/{query}")
    assert answer.status_code == 200, answer.content.decode()[:500]
    return answer.content.decode()


def say(operation, n):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO provisioning_logline (at, operation_id, source, line)"
            " SELECT now() - interval '1 s', %s, 'step', 'line ' || n FROM generate_series(1, %s) n ORDER BY n",
            [operation.pk, n],
        )


def test_usually_by_the_last_ones_of_this_kind_and_profile(db):
    profile = make.profile()
    now = timezone.now()
    for minutes in (11, 12, 14):
        host = make.host("burned_in", profile=profile)
        times = {"started_at": now - timedelta(minutes=minutes), "ended_at": now}
        make.operation("install", host, state="succeeded", **times)
    running = make.operation("install", make.host("burned_in", profile=profile), state="active", started_at=now)
    assert "usually 11 to 14 min" in page(running)
    other = make.operation("install", make.host("burned_in", profile=make.profile()), state="active", started_at=now)
    assert "usually" not in page(other), "another profile, and nothing to go by"


@pytest.mark.parametrize(
    ("low", "high", "words"),
    [(660, 840, "11 to 14 min"), (20, 50, "20 to 50 s"), (7200, 7300, "2 to 3 h"), (5, 5, "5 s")],
)
def test_usually_in_one_unit(low, high, words):
    assert show.usually((timedelta(seconds=low), timedelta(seconds=high))) == words


def test_the_log_by_line_number_with_its_gaps_named(db):
    operation = make.operation("identify", make.host(), state="active")
    say(operation, reads.PAGE_LINES + 30)
    text = page(operation)
    assert "lines 1 to 30 are not here" in text
    assert 'id="line-31"' in text and 'id="line-30"' not in text
    assert f'id="line-{reads.PAGE_LINES + 30}"' in text
    assert f"{reads.PAGE_LINES + 30} lines" in text
    first = page(operation, "?after=0")
    assert 'id="line-1"' in first and "30 more" in first
    onward = page(operation, f"?after={reads.PAGE_LINES}")
    assert re.findall(r'id="line-(\d+)"', onward)[0] == str(reads.PAGE_LINES + 1)


def test_only_the_lines_of_one_step(db):
    operation = make.operation("identify", make.host(), state="active", step=1)
    say(operation, 3)
    now = timezone.now()
    common = {"operation": operation, "fence": 1, "attempt": 1, "outcome": "done"}
    Step.objects.create(**common, n=0, name="contact", started_at=now - timedelta(hours=1), ended_at=now)
    Step.objects.create(**common, n=1, name="match", started_at=now, ended_at=now + timedelta(hours=1))
    assert 'id="line-3"' in page(operation, "?step=1")
    assert "No lines of this step" in page(operation, "?step=2")
    assert "No lines of this step" in page(operation, "?step=7")


def test_the_raw_log_is_whole(db):
    operation = make.operation("identify", make.host(), state="active")
    say(operation, 700)
    client = people.signed_in("viewer")
    text = client.get(f"/operations/{operation.pk}/log/").getvalue().decode()
    assert len(text.splitlines()) == 700 and text.splitlines()[0].endswith("step line 1")
    assert client.get("/operations/999999/log/").status_code == 404


@pytest.mark.parametrize("query", ["?after=-1", "?after=x", "?step=1e9"])
def test_no_such_line(db, query):
    operation = make.operation("identify", make.host())
    assert people.signed_in("viewer").get(f"/operations/{operation.pk}/{query}").status_code == 422


def test_a_retry_says_where_it_begins(db):
    contact = make.operation("identify", make.host(), state="failed", step=1, step_name="match")
    assert "Retry from the failed step" in page(contact)
    booted = make.operation("install", make.host("burned_in"), state="failed", step=7, step_name="phone_home")
    text = page(booted)
    assert "Retry from the beginning" in text and "Retry from the failed step" not in text


def test_tests_are_seen_between_two_looks(db):
    operation = make.operation("burn_in", make.host("baselined"), state="active", step=7, step_name="tests")
    now = timezone.now()
    window = BootWindow.objects.create(
        operation=operation, device=operation.device, mode="burn-in", delivery="uefi_http", opened_at=now, stage="test",
        stage_at=now, done=1, total=3,
    )  # fmt: skip
    assert ", 1 of 3" in page(operation)
    before = reads.version(operation.pk, None).have
    BootWindow.objects.filter(pk=window.pk).update(tests=[{"name": "gpu_stress", "passed": True}], done=2)
    assert reads.version(operation.pk, None).have != before
    text = page(operation)
    assert "gpu stress passed" in text and ", 2 of 3" in text


def test_it_says_when_it_looks_next(db):
    operation = make.operation("identify", make.host(), state="active", wake_at=timezone.now() + timedelta(hours=1))
    assert "looks next at" in page(operation)
    Operation.objects.filter(pk=operation.pk).update(wake_at=None)
    assert "looks next at" not in page(operation)
