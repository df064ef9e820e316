"""The page of a host: cause, timeline, parts, cables, commands, and what it was at a moment."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.utils import timezone

from fleet.models import Bmc, Cable, CableEnd, Part, PartMove, Port
from fleet.templatetags.charts import timeline
from provisioning.models import Intent
from provisioning.reads.commands import command, lines
from tests.support import make, people


def page(name="host-a", query=""):
    answer = people.signed_in("operator").get(f"/hosts/{name}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_cause_stands_in_words_with_what_comes_next(db):
    make.host("quarantined", name="host-a", cause="part_missing")
    text = page()
    assert "A part that the profile asks for is not seen" in text
    assert "reseat it; swap it when it stays away." in text


def test_parts_by_kind_with_those_that_the_last_look_did_not_see(db):
    host = make.host("inspected", name="host-a")
    now = timezone.now()
    part = Part.objects.create(kind="gpu", serial="G1", slot="1", device=host, seen_at=now)
    Part.objects.create(kind="gpu", serial="G2", slot="2", device=host, seen_at=now - timedelta(days=2))
    PartMove.objects.create(part=part, to_device=host, to_slot="1", actor=make.actor(), reason="swapped")
    text = page()
    assert "2 gpu, 1 not seen at the last look" in text
    assert text.count("not seen since") == 1
    assert 'href="/parts/G1/"' in text and "swapped" in text


def test_cables_show_both_ends(db):
    host, leaf = make.host("cabled", name="host-a"), make.switch()
    cable = Cable.objects.get(pk=make.subject("cable", "suspect"))
    for end, device, name in (("a", host, "mlx5_3"), ("b", leaf, "34")):
        CableEnd.objects.create(cable=cable, end=end, port=Port.objects.create(device=device, name=name))
    text = page()
    assert 'id="port-mlx5_3"' in text and "1/17/2" in text and "suspect" in text
    assert f'href="/switches/{leaf.name}/#port-34"' in text


def test_what_was_sent_can_be_copied_and_holds_no_secret(db):
    host = make.host("discovered", name="host-a")
    Bmc.objects.create(device=host, address="127.64.0.9")
    operation = make.operation("install", host, state="active")
    common = {"operation": operation, "device": host, "step": 0, "attempt": 1, "fence": 1, "at": timezone.now()}
    Intent.objects.create(**common, what="reset: ForceRestart", power=True)
    Intent.objects.create(**common, what="set the BMC&#x27;s clock")
    with connection.cursor() as cursor:
        said = (
            "INSERT INTO provisioning_logline (at, operation_id, source, line) VALUES (now(), %s, 'step', 'it boots')"
        )
        cursor.execute(said, [operation.pk])
    text = page()
    assert "BMC=https://127.64.0.9" in text
    assert "ForceRestart" in text and "no single call" in text
    assert "it boots" in text
    assert "calvin" not in text


@pytest.mark.parametrize(
    ("what", "piece"),
    [
        ("reset: On", '"ResetType":"On"'),
        ("set boot override: UefiHttp, once", '"BootSourceOverrideTarget":"UefiHttp"'),
        ("start the validation tests", ""),
        ("reset: $(rm -rf /)", ""),
        ("reset: On; rm -rf /", ""),
    ],
)
def test_an_intent_as_a_command(what, piece):
    assert (piece in command(what)) if piece else command(what) == ""


def test_without_a_bmc_there_is_no_script():
    assert lines("", []) == ""


def test_as_it_was_stands_at_the_top(db):
    make.host("quarantined", name="host-a")
    text = page(query="?at=2020-01-01")
    assert "was not on record then" in text
    assert text.index('id="then" open') < text.index('id="live"')
    assert text.count('id="then"') == 1


def moves(*rows):
    now = timezone.now()
    return [{"to_state": state, "at": now - timedelta(hours=hours)} for state, hours in rows]


def test_the_timeline_shows_what_was_when():
    drawn = timeline("host", moves(("quarantined", 2), ("in_service", 40), ("validated", 400)))
    assert re.findall(r'<rect class="(\w+)"', drawn) == ["ok", "ok", "bad"]
    assert "<title>quarantined since" in drawn and "for 2 h" in drawn
    assert 'role="img"' in drawn and "; in service 1 d 14 h; quarantined 2 h" in drawn
    assert "style=" not in drawn


def test_a_timeline_of_nothing():
    assert "nothing on record" in timeline("host", [])
    assert timeline("host", moves(("expected", 9000))).count("<rect") == 1
