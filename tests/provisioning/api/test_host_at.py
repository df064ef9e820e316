"""GET /hosts/{id}?at=: state, holds and operation as they were at a moment, by the history."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fleet import holds, lifecycle
from fleet.models import Transition
from provisioning.models import Operation
from tests.support import make, people


def test_a_host_as_it_is(db):
    host = make.host("installed")
    holds.place(device_id=host.pk, kind="debug", reason="look at it", actor=make.actor())
    body = people.program("viewer").get(f"/hosts/{host.pk}").json()
    assert (body["name"], body["state"]) == (host.name, "installed")
    assert [h["kind"] for h in body["holds"]] == ["debug"]


def test_every_state_at_the_time_that_its_transition_shows(db):
    host = make.host("in_service")
    program = people.program("viewer")
    for t in program.get(f"/hosts/{host.pk}/transitions").json()["items"]:
        then = program.get(f"/hosts/{host.pk}", at=t["at"]).json()
        assert (then["state"], then["seq"], then["state_since"]) == (t["to_state"], t["seq"], t["at"])
        assert then["reason"] == "made for a test"


def test_a_microsecond_before_it_was_another_state(db):
    host = make.host("in_service")
    last = Transition.objects.filter(subject_kind="host", subject_id=host.pk).latest("seq")
    before = (last.at - timedelta(microseconds=1)).isoformat()
    assert people.program("viewer").get(f"/hosts/{host.pk}", at=before).json()["state"] == last.from_state


def test_holds_and_operation_of_that_moment(db):
    host = make.host("installed")
    hold = holds.place(device_id=host.pk, kind="hands", reason="swap a fan", actor=make.actor())
    operation = make.operation("power", host, state="active", step_name="mark")
    during = timezone.now()
    holds.lift(hold_id=hold.pk, device_id=host.pk, actor=make.actor())
    lifecycle.move("operation", [operation.pk], to="succeeded", actor=lifecycle.system("engine"), reason="done")
    program = people.program("viewer")
    then = program.get(f"/hosts/{host.pk}", at=during.isoformat()).json()
    assert [h["kind"] for h in then["holds"]] == ["hands"]
    assert then["operation"] == {"id": operation.pk, "kind": "power", "state": "active", "step": "mark"}
    now = program.get(f"/hosts/{host.pk}", at=timezone.now().isoformat()).json()
    assert now["holds"] == []
    assert now["operation"] is None


def test_an_operation_that_was_retried_was_active_twice(db):
    host = make.host("installed")
    operation = make.operation("power", host, state="failed")
    engine, between = lifecycle.system("engine"), timezone.now()
    lifecycle.move("operation", [operation.pk], to="queued", actor=make.actor(), reason="again")
    lifecycle.move("operation", [operation.pk], to="active", actor=engine, reason="claimed")
    Operation.objects.filter(pk=operation.pk).update(ended_at=None)
    program = people.program("viewer")
    assert program.get(f"/hosts/{host.pk}", at=between.isoformat()).json()["operation"] is None
    assert program.get(f"/hosts/{host.pk}", at=timezone.now().isoformat()).json()["operation"]["id"] == operation.pk


@pytest.mark.parametrize(
    "at",
    [
        "2999-01-01T00:00:00Z",
        "yesterday",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "1700000000",
        "2024-13-01T00:00:00Z",
        "",
    ],
)
def test_a_moment_that_cannot_be_is_422(db, at):
    answer = people.program("viewer").get(f"/hosts/{make.host().pk}", at=at)
    assert answer.status_code == 422
    assert answer.json()["field"] == "at"


def test_a_moment_before_the_host_is_404(db):
    answer = people.program("viewer").get(f"/hosts/{make.host().pk}", at="2001-01-01T00:00:00+02:00")
    assert answer.status_code == 404
    assert "not on record then" in answer.json()["title"]
