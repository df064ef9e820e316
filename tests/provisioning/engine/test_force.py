"""The forced edge: a host goes to quarantined whatever runs on it, and what runs on it can do nothing any more."""

import threading

import pytest
from django.db import connection, transaction
from django.utils import timezone

from fleet import lifecycle
from fleet.errors import WrongState
from fleet.models import Device, Finding, Transition
from provisioning.engine import ask, claim, moves, write
from provisioning.models import BootWindow, Intent, Operation, Step
from tests.provisioning.engine.test_claims import record
from tests.provisioning.engine.test_intents import want
from tests.provisioning.engine.test_moves import chain_on
from tests.support import make
from tests.support.waiting import eventually, somebody_waits

ME = "machine:1:1"


def force(*hosts, **more):
    actor = make.actor("L", "anna")
    ids = [h.pk for h in hosts]
    return moves.move(hosts=ids, to="quarantined", reason="it smells", actor=actor, force=True, **more)


def claimed(kind="install", state="burned_in"):
    """An operation that a worker has claimed, with its open boot window."""
    operation = make.operation(kind, make.host(state))
    claim.claim(room=10, worker=ME)
    operation = Operation.objects.select_related("device").get(pk=operation.pk)
    BootWindow.objects.create(
        operation=operation, device_id=operation.device_id, mode="install", delivery="pxe", opened_at=timezone.now()
    )
    return operation


def fresh(operation):
    return Operation.objects.select_related("device").get(pk=operation.pk)


def test_it_ends_what_runs_and_frees_the_host(db):
    before = claimed()
    force(before.device)
    after = fresh(before)
    assert (after.state, after.cause, after.words) == ("cancelled", "forced", "anna: it smells")
    assert after.fence > before.fence
    assert (after.claimed_until, after.claimed_by, after.wake_at) == (None, "", None)
    host = after.device
    assert (host.state, host.cause, host.active_operation, host.active_kind) == ("quarantined", "forced", None, "")
    assert not BootWindow.objects.filter(closed_at=None).exists()
    moved = Transition.objects.filter(subject_kind="host").latest("id")
    assert (moved.reason, moved.cause, moved.actor.name, moved.actor.role) == ("it smells", "forced", "anna", "L")
    assert Transition.objects.filter(subject_kind="operation").latest("id").actor.name == "anna"
    ask.operations(kind="identify", devices=[host], params={}, actor=make.actor(), reason="look at it")
    assert lifecycle.verify()["ok"]


def test_a_worker_that_does_not_know_yet_writes_and_sends_nothing(db):
    before = claimed()
    force(before.device)
    late = record(before, ended="succeeded", release=True)
    assert write.write([late]) == set()
    assert claim.intend([want(before)]) == [("fence", None)]
    claim.renew([(before.pk, before.fence)])
    assert fresh(before).claimed_until is None
    assert fresh(before).state == "cancelled" and fresh(before).device.state == "quarantined"
    assert not Step.objects.exists() and not Intent.objects.exists()


def test_a_critical_section_is_not_cut(db):
    """Nobody may change the power of a host whose firmware is being written, whoever forces it where."""
    before = claimed()
    Device.objects.filter(pk=before.device_id).update(no_power_by=before.pk)
    force(before.device)
    after = fresh(before)
    assert (after.state, after.cause) == ("lost", "outcome_unknown")
    assert after.fence > before.fence and write.write([record(before)]) == set()
    host = after.device
    assert (host.state, host.no_power_by, host.active_operation) == ("quarantined", before.pk, before.pk)
    finding = Finding.objects.get()
    assert (finding.kind, finding.severity, finding.operation_id) == ("outcome_unknown", "critical", before.pk)
    assert "anna: it smells" in finding.words and host.health == "critical"
    with pytest.raises(WrongState, match="lost"):
        moves.move(hosts=[host.pk], to="cabled", reason="go on", actor=make.actor("O"))
    ask.found(operation_id=before.pk, actor=make.actor(), reason="it is bricked", go_on=False)
    assert fresh(before).device.no_power_by is None and fresh(before).device.state == "quarantined"


@pytest.mark.parametrize("begun", [False, True])
def test_the_rest_of_the_chain_is_cancelled(db, begun):
    host = make.host("cabled")
    chain_on(host)
    if begun:
        claim.claim(room=10, worker=ME)
    force(host)
    assert set(Operation.objects.values_list("state", "cause", "after_id")) == {("cancelled", "forced", None)}
    assert claim.claim(room=10, worker=ME) == []


def test_a_lost_operation_stays_lost(db):
    operation = make.operation("install", make.host("burned_in"), state="lost")
    force(operation.device)
    assert fresh(operation).state == "lost" and fresh(operation).fence == operation.fence
    assert fresh(operation).device.state == "quarantined"


def test_a_quarantined_host_stays_and_what_runs_on_it_is_ended(db):
    before = claimed("identify", "quarantined")
    Device.objects.filter(pk=before.device_id).update(cause="part_missing")
    other = make.host("in_service")
    (moved,) = force(before.device, other)
    assert moved.subject_id == other.pk
    after = fresh(before)
    assert (after.state, after.cause) == ("cancelled", "forced") and after.fence > before.fence
    assert write.write([record(before, ended="succeeded", release=True)]) == set()
    assert (after.device.state, after.device.cause, after.device.active_operation) == (
        "quarantined",
        "part_missing",
        None,
    )
    with pytest.raises(WrongState, match="nothing is under way"):
        force(before.device)


@pytest.mark.parametrize("role", ["O", "T", "V", "C", "S"])
def test_nobody_else_ends_what_runs_on_a_quarantined_host_so(db, role):
    before = claimed("identify", "quarantined")
    with pytest.raises(WrongState):
        moves.move(hosts=[before.device_id], to="quarantined", reason="it smells", actor=make.actor(role), force=True)
    assert fresh(before).state == "active"


def test_many_hosts_some_idle(db):
    busy, idle = claimed(), make.host("in_service")
    force(busy.device, idle)
    assert set(Device.objects.values_list("state", flat=True)) == {"quarantined"}


def test_no_other_operation_is_ended_than_was_said(db):
    operation = claimed()
    with pytest.raises(WrongState, match=f"operation {operation.pk}"):
        force(operation.device, ends=[operation.pk + 1])
    assert fresh(operation).state == "active"
    force(operation.device, ends=[operation.pk])
    assert fresh(operation).state == "cancelled"


@pytest.mark.parametrize("role", ["O", "T", "V", "C"])
def test_nobody_else_forces_a_host_that_is_at_the_dock(db, role):
    host = make.host("received")
    with pytest.raises(WrongState):
        moves.move(hosts=[host.pk], to="quarantined", reason="it smells", actor=make.actor(role), force=True)


def late_write(outcome, answers):
    try:
        answers.append(write.write([outcome]))
    finally:
        connection.close()


def test_a_worker_that_writes_at_the_same_moment_comes_too_late(real_db):
    before = claimed()
    answers = []
    writer = threading.Thread(target=late_write, args=(record(before, ended="succeeded", release=True), answers))
    with transaction.atomic():
        force(before.device)
        writer.start()
        eventually(somebody_waits, within_s=20)
        assert answers == []
    writer.join(30)
    assert answers == [set()]
    assert (fresh(before).state, fresh(before).device.state) == ("cancelled", "quarantined")
    assert not Step.objects.exists()


def test_a_worker_that_wrote_first_is_heard_and_the_next_of_the_chain_ended(real_db):
    """The forced edge waits for the outcome, and sees that another operation of the chain is due now."""
    host = make.host("cabled")
    admin = make.actor("L", "anna")
    chain_on(host)
    claim.claim(room=10, worker=ME)
    first = Operation.objects.select_related("device").get(state="active")
    done = []

    def forced():
        try:
            done.append(moves.move(hosts=[host.pk], to="quarantined", reason="it smells", actor=admin, force=True))
        finally:
            connection.close()

    forcer = threading.Thread(target=forced)
    with transaction.atomic():
        kept = write.write([record(first, ended="succeeded", release=True)])
        assert kept == {(first.pk, first.fence)}
        forcer.start()
        eventually(somebody_waits, within_s=20)
    forcer.join(30)
    assert done and fresh(first).state == "succeeded"
    assert set(Operation.objects.exclude(pk=first.pk).values_list("state", flat=True)) == {"cancelled"}
    states = list(Transition.objects.filter(subject_kind="host").order_by("seq").values_list("to_state", flat=True))
    assert states[-2:] == ["discovered", "quarantined"]
