"""Operations by the API: ask for them, look at them, cancel, retry, skip, say what was found."""

from datetime import datetime, timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from fleet import secrets
from provisioning.models import BootWindow, Intent, LogLine, Operation, Step
from tests.support import make, people


def states(*operations):
    return [Operation.objects.get(pk=getattr(o, "pk", o)).state for o in operations]


def test_one_host_by_name_or_id_gives_the_operation(db):
    by_name, by_id = make.hosts(2)
    program = people.program()
    for host, called in ((by_name, by_name.name), (by_id, by_id.pk)):
        answer = program.post("/operations", {"kind": "identify", "host": called, "reason": "look at it"})
        assert answer.status_code == 202
        made = answer.json()
        assert (made["kind"], made["host"], made["state"]) == ("identify", host.name, "queued")
        assert program.get(f"/operations/{made['id']}").json()["reason"] == "look at it"


def test_a_text_is_a_name_and_no_id(db):
    """Were it both, one word would name two hosts."""
    one = make.host()
    other = make.host(name=str(one.pk))
    program = people.program()
    answer = program.post("/operations", {"kind": "identify", "host": other.name, "reason": "look at it"})
    assert (answer.status_code, answer.json()["host_id"]) == (202, other.pk)
    answer = program.post("/operations", {"kind": "identify", "host": str(other.pk), "reason": "look at it"})
    assert answer.status_code == 404
    assert [o["host"] for o in program.get("/operations", host=other.pk).json()["items"]] == [other.name]


@pytest.mark.parametrize("way", ["hosts", "ids", "select"])
def test_many_hosts_at_once(db, way):
    hosts = make.hosts(3)
    names, ids = [h.name for h in hosts], [h.pk for h in hosts]
    body = {"hosts": {"hosts": names}, "ids": {"hosts": ids}, "select": {"select": {"state": "cabled"}}}[way]
    answer = people.program().post("/operations", {"kind": "identify", "reason": "look at them", **body})
    assert answer.status_code == 202
    assert sorted(o["host"] for o in answer.json()["operations"]) == sorted(names)


def test_a_host_named_twice_is_one_operation(db):
    host = make.host()
    body = {"kind": "identify", "reason": "look at it", "hosts": [host.name, host.pk, host.name]}
    assert len(people.program().post("/operations", body).json()["operations"]) == 1


def test_all_or_nothing_and_every_refusal_is_listed(db):
    good, early, busy = make.host("installed"), make.host("racked"), make.host("installed")
    make.operation("validate", busy, state="active")
    names = [good.name, early.name, busy.name]
    before = Operation.objects.count()
    answer = people.program().post("/operations", {"kind": "validate", "hosts": names, "reason": "try it"})
    assert answer.status_code == 409
    assert sorted(e["value"] for e in answer.json()["errors"]) == sorted([early.name, busy.name])
    assert Operation.objects.count() == before


def test_hosts_that_do_not_exist_are_all_named(db):
    host = make.host()
    body = {"kind": "identify", "hosts": [host.name, "host-x", 10**12], "reason": "try it"}
    answer = people.program().post("/operations", body)
    assert answer.status_code == 404
    assert [e["value"] for e in answer.json()["errors"]] == ["host-x", 10**12]


def test_a_switch_is_no_host(db):
    switch = make.switch()
    answer = people.program().post("/operations", {"kind": "identify", "host": switch.name, "reason": "try it"})
    assert answer.status_code == 404


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [2, 1, 0]),
        ({"kind": "identify"}, [0]),
        ({"state": "failed"}, [2]),
        ({"state": "queued", "kind": "power"}, [1]),
        ({"cause": "no_phone_home"}, [2]),
        ({"host": "host-b"}, [1]),
        ({"host": "host-zz"}, []),
        ({"campaign": 1}, []),
    ],
)
def test_filters(db, query, found):
    made = [
        make.operation("identify", make.host("cabled", name="host-a")),
        make.operation("power", make.host("installed", name="host-b")),
        make.operation("install", make.host("burned_in", name="host-c"), state="failed", cause="no_phone_home"),
    ]
    items = people.program("viewer").get("/operations", **query).json()["items"]
    assert [o["id"] for o in items] == [made[n].pk for n in found]


def test_filter_by_a_hosts_id(db):
    operation = make.operation()
    items = people.program("viewer").get("/operations", host=operation.device_id).json()["items"]
    assert [o["id"] for o in items] == [operation.pk]


def test_one_operation_shows_all_that_is_on_record(db):
    now = timezone.now()
    times = {"step_deadline_at": now + timedelta(minutes=20), "deadline_at": now + timedelta(hours=1)}
    operation = make.operation("install", make.host("burned_in"), state="active", **times)
    common = {"operation": operation, "attempt": 1, "fence": 1}
    Step.objects.create(**common, n=0, name="image", started_at=now, ended_at=now, outcome="done", words="image found")
    Intent.objects.create(**common, step=6, device=operation.device, what="reset: ForceRestart", power=True, at=now)
    LogLine.objects.bulk_create(
        LogLine(at=now, operation_id=operation.pk, source="host", line=f"line {n}") for n in range(510)
    )
    secret = secrets.digest("never shown")
    BootWindow.objects.create(
        operation=operation,
        device=operation.device,
        mode="install",
        delivery="uefi_http",
        opened_at=now,
        stage="kernel",
        stage_at=now,
        boot_sha256=secret,
        session_sha256=secret,
    )
    answer = people.program("viewer").get(f"/operations/{operation.pk}")
    body = answer.json()
    assert [s["words"] for s in body["steps"]] == ["image found"]
    assert {name: datetime.fromisoformat(body[name]) for name in times} == times
    assert [(i["what"], i["power"]) for i in body["intents"]] == [("reset: ForceRestart", True)]
    assert (body["boot"]["mode"], body["boot"]["stage"]) == ("install", "kernel")
    assert [line["line"] for line in body["log"]] == [f"line {n}" for n in range(10, 510)]
    assert [t["to_state"] for t in body["transitions"]] == ["queued", "active"]
    assert secret not in answer.content.decode()


def test_cancel(db):
    queued, active, done = make.operation(), make.operation(state="active"), make.operation(state="succeeded")
    program = people.program()
    answer = program.post(f"/operations/{queued.pk}/cancel", {"reason": "not needed"})
    assert (answer.status_code, answer.json()["state"]) == (202, "cancelled")
    answer = program.post(f"/operations/{active.pk}/cancel", {"reason": "not needed"})
    assert (answer.status_code, answer.json()["state"]) == (202, "active")
    assert Operation.objects.get(pk=active.pk).cancel_reason == "not needed"
    assert program.post(f"/operations/{done.pk}/cancel", {"reason": "not needed"}).status_code == 409


def test_retry(db):
    failed, active = make.operation(state="failed", ended_at=Now()), make.operation(state="active")
    program = people.program()
    assert program.post(f"/operations/{failed.pk}/retry", {"reason": "cable is in"}).json()["state"] == "queued"
    assert program.post(f"/operations/{active.pk}/retry", {"reason": "cable is in"}).status_code == 409


def test_a_retry_waits_for_another_operation_of_the_host(db):
    failed = make.operation(state="failed", ended_at=Now())
    make.operation("power", failed.device)
    answer = people.program().post(f"/operations/{failed.pk}/retry", {"reason": "cable is in"})
    assert (answer.status_code, answer.json()["code"]) == (409, "busy")
    assert states(failed) == ["failed"]


def test_skip_is_for_admins(db):
    failed = make.operation("install", make.host("burned_in"), state="failed", ended_at=Now(), step_name="image")
    body = {"reason": "known to be right"}
    assert people.program("operator").post(f"/operations/{failed.pk}/skip", body).status_code == 403
    answer = people.program("admin").post(f"/operations/{failed.pk}/skip", body)
    assert (answer.status_code, answer.json()["state"], answer.json()["step"]) == (202, "queued", 1)
    assert Step.objects.get(operation=failed).outcome == "skipped"


@pytest.mark.parametrize(("outcome", "state"), [("go_on", "active"), ("failed", "failed")])
def test_somebody_looked_at_a_lost_operation(db, outcome, state):
    lost = make.operation(state="lost", ended_at=Now())
    program = people.program()
    body = {"reason": "it is on", "outcome": outcome}
    assert program.post(f"/operations/{lost.pk}/found", body).json()["state"] == state
    assert program.post(f"/operations/{lost.pk}/found", body).status_code == 409
    assert program.post(f"/operations/{lost.pk}/found", {**body, "outcome": "maybe"}).status_code == 422


class TestDryRun:
    """The same review as for campaigns and moves, and nothing else."""

    def test_what_it_would_touch_and_who_cannot(self, db):
        good, bad = make.host("installed"), make.host("cabled")
        body = {"kind": "install", "hosts": [good.name, bad.name], "reason": "new image", "dry_run": True}
        answer = people.program().post("/operations", body, key="")
        assert answer.status_code == 200, answer.content
        shown = answer.json()
        assert (shown["dry_run"], shown["kind"], shown["chain"]) == (True, "install", ["install"])
        assert (shown["hosts"], shown["data_lost"]) == ([good.name], 1)
        assert [(e["field"], e["value"]) for e in shown["refused"]] == [("host", bad.name)]
        assert "number" in shown["asks"]
        assert not Operation.objects.exists()

    def test_data_of_many_hosts_waits_for_a_second_person(self, db):
        hosts = make.hosts(26, "installed")
        program = people.program()
        body = {"kind": "install", "hosts": [h.name for h in hosts], "reason": "new image"}
        waits = program.post("/operations", body, key="one-key-for-it")
        assert (waits.status_code, waits.json()["act"]) == (202, "lose_data")
        assert program.post("/operations", body, key="one-key-for-it").json() == waits.json()
        assert not Operation.objects.exists()
        assert program.post(f"/acts/{waits.json()['id']}/confirm", "").status_code == 403
        assert people.program().post(f"/acts/{waits.json()['id']}/confirm", "").status_code == 200
        made = Operation.objects.filter(kind="install")
        assert (made.count(), made.values("campaign").distinct().count()) == (26, 1)

    def test_every_refusal_comes_before_anybody_is_asked(self, db):
        hosts = make.hosts(26, "installed")
        make.operation("validate", hosts[3])
        body = {"kind": "install", "hosts": [h.name for h in hosts], "reason": "new image"}
        answer = people.program().post("/operations", body)
        assert answer.status_code == 409
        assert [e["value"] for e in answer.json()["errors"]] == [hosts[3].name]

    def test_bad_parameters_are_refused_before(self, db):
        host = make.host("installed")
        body = {"kind": "power", "host": host.name, "reason": "it hangs", "dry_run": True}
        assert people.program().post("/operations", body).json()["field"] == "params.action"
        assert people.program().post("/operations", {**body, "kind": "fly"}).json()["field"] == "kind"
