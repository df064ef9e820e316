"""What no turn will repair, each by name, and however many there are."""

from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
from django.db import connection, transaction

from fleet import holds, lifecycle
from fleet.errors import WrongState
from fleet.models import Device, Hold, IdempotencyKey
from provisioning.engine import claim, reconcile, release
from provisioning.models import BootWindow, Operation
from tests.provisioning.engine.test_campaign import due, end, start
from tests.provisioning.engine.test_claims import set_row
from tests.provisioning.engine.turns import LONG_AGO
from tests.support import make
from tests.support.waiting import eventually, somebody_waits

HOSTS = 300


def run(name: str) -> int:
    """How many of this were repaired; a second run finds nothing more."""
    done = reconcile.run()
    assert reconcile.run()[name] == 0
    return done[name]


def device_of(operation: Operation) -> Device:
    return Device.objects.get(pk=operation.device_id)


def test_nothing_to_do_is_nothing_done(db):
    make.operation()
    make.operation(state="active", wake_at=LONG_AGO)
    assert not any(reconcile.run().values())


@pytest.mark.usefixtures("db")
class TestWaitsWithoutAWake:
    name = "waits without a wake"

    def test_is_looked_at_again(self):
        operation = make.operation(state="active", wake_at=None)
        assert run(self.name) == 1
        assert [row["id"] for row in claim.claim(room=10, worker="m:1:1")] == [operation.pk]

    def test_also_when_its_claim_is_long_dead(self):
        make.operation(state="active", wake_at=None, claimed_until=LONG_AGO)
        assert run(self.name) == 1

    def test_not_while_somebody_has_it(self):
        make.operation(state="active", wake_at=None, claimed_until=datetime.now(UTC) + timedelta(seconds=40))
        assert run(self.name) == 0

    def test_not_what_is_held_back_or_over(self):
        make.operation(wake_at=None)
        make.operation(state="failed", wake_at=None)
        assert run(self.name) == 0

    def test_all_of_them_each_time(self):
        """Lesson M2: after a killed conductor only the first eight were failed, the rest never."""
        for host in make.hosts(HOSTS, "installed"):
            make.operation("power", host)
        Operation.objects.update(wake_at=LONG_AGO)
        claim.claim(room=HOSTS, worker="dead:1:1")
        Operation.objects.update(wake_at=None, claimed_until=LONG_AGO)
        assert run(self.name) == HOSTS


def test_a_claim_long_dead_needs_no_repair_it_is_due(db):
    """Lesson M1: whoever looks next takes it over, without knowing of the worker."""
    operation = make.operation(state="active", wake_at=LONG_AGO, claimed_until=LONG_AGO, claimed_by="dead:1:1")
    assert [row["id"] for row in claim.claim(room=10, worker="m:1:1")] == [operation.pk]


@pytest.mark.usefixtures("db")
class TestChainsNotReleased:
    name = "chains not released"

    def chain(self, state: str) -> Operation:
        start(1)
        first = due()[0]
        lifecycle.move("operation", [first.pk], to="active", actor=make.actor("S"), reason="claimed")
        lifecycle.move("operation", [first.pk], to=state, actor=make.actor("S"), reason="ended")
        return Operation.objects.get(after=first)

    def test_the_next_begins(self):
        second = self.chain("succeeded")
        assert run(self.name) == 1
        set_row(second)
        assert second.after_id is None and second.wake_at is not None

    @pytest.mark.parametrize("state", ["failed", "lost"])
    def test_not_behind_what_did_not_succeed(self, state):
        self.chain(state)
        assert run(self.name) == 0


@pytest.mark.usefixtures("db")
class TestHostsWithAnEndedOperation:
    name = "hosts with an ended operation"

    @pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
    def test_are_freed_with_their_critical_section(self, state):
        operation = make.operation(state=state)
        stale = {"active_operation": operation.pk, "active_kind": "power", "active_step": "act"}
        Device.objects.filter(pk=operation.device_id).update(no_power_by=operation.pk, **stale)
        assert run(self.name) == 1
        device = device_of(operation)
        assert (device.active_operation, device.active_kind, device.active_step) == (None, "", "")
        assert device.no_power_by is None

    def test_another_ones_critical_section_stands(self):
        operation = make.operation(state="failed")
        Device.objects.filter(pk=operation.device_id).update(
            active_operation=operation.pk, no_power_by=operation.pk + 1
        )
        assert run(self.name) == 1
        assert device_of(operation).no_power_by == operation.pk + 1

    @pytest.mark.parametrize("state", ["active", "lost"])
    def test_not_of_one_that_has_not_ended(self, state):
        operation = make.operation(state=state)
        Device.objects.filter(pk=operation.device_id).update(active_operation=operation.pk)
        assert run(self.name) == 0


@pytest.mark.usefixtures("db")
class TestBootWindowsOfEndedOperations:
    name = "boot windows of ended operations"

    @pytest.mark.parametrize(
        ("state", "closed"), [("failed", True), ("cancelled", True), ("active", False), ("lost", False)]
    )
    def test_are_closed(self, state, closed):
        operation = make.operation(state=state)
        BootWindow.objects.create(
            operation=operation, device=operation.device, mode="install", delivery="pxe", opened_at=LONG_AGO
        )
        assert run(self.name) == int(closed)
        assert (BootWindow.objects.get().closed_at is not None) == closed


@pytest.mark.usefixtures("db")
class TestHoldsPastTheirEnd:
    name = "holds past their end"

    def placed(self, device: Device, minutes: float | None) -> Hold:
        until = None if minutes is None else datetime.now(UTC) + timedelta(hours=1)
        hold = holds.place(device_id=device.pk, kind="debug", reason="looking", actor=make.actor(), until=until)
        if minutes is not None:
            Hold.objects.filter(pk=hold.pk).update(until=datetime.now(UTC) + timedelta(minutes=minutes))
        return hold

    def test_end_by_themselves_and_the_count_follows(self):
        host, other = make.hosts(2, "installed")
        over, again, later, standing = (self.placed(host, minutes) for minutes in (-1, -5, 5, None))
        self.placed(other, -1)
        assert Device.objects.get(pk=host.pk).held == 4
        assert run(self.name) == 2, "hosts"
        ended = {h.pk: h.ended_at is not None for h in Hold.objects.filter(device=host)}
        assert ended == {over.pk: True, again.pk: True, later.pk: False, standing.pk: False}
        assert Device.objects.get(pk=host.pk).held == 2 and Device.objects.get(pk=other.pk).held == 0


@pytest.mark.usefixtures("db")
class TestCampaigns:
    def test_hosts_are_released_and_campaigns_end(self):
        made = start(3, at_once=1)
        end(due()[0], "failed")
        done = reconcile.run()
        assert done["hosts released by campaigns"] == 1 and done["campaigns done"] == 0
        for _ in range(2):
            end(due()[0], "failed")
            done = reconcile.run()
        assert done["campaigns done"] == 1
        made.refresh_from_db()
        assert made.state == "done"
        assert release.finish() == 0


@pytest.mark.parametrize("what", ["a hold that is over", "an operation that has ended"])
def test_hosts_are_locked_in_order_so_that_nobody_meets_it_half_way(real_db, what):
    """A batch of outcomes locks hosts in the order of their ids; one that locked the first must get the second."""
    hosts = make.hosts(20, "installed")
    for host in reversed(hosts):
        if what == "a hold that is over":
            hold = holds.place(device_id=host.pk, kind="debug", reason="looking", actor=make.actor())
            Hold.objects.filter(pk=hold.pk).update(until=LONG_AGO)
        else:
            ended = make.operation("power", host, state="failed")
            Device.objects.filter(pk=host.pk).update(active_operation=ended.pk)
    repairing = Thread(target=lambda: (reconcile.run(), connection.close()))
    with transaction.atomic():
        list(Device.objects.select_for_update().filter(pk=hosts[0].pk))
        repairing.start()
        eventually(somebody_waits, within_s=20)
        # Whoever waits for the first host has locked no other one.
        assert len(Device.objects.select_for_update(nowait=True).filter(pk__in=[h.pk for h in hosts])) == 20
    repairing.join(30)
    assert not Device.objects.filter(held__gt=0).exists()
    assert not Device.objects.filter(active_operation__isnull=False).exists()


@pytest.mark.parametrize("fault", [WrongState("somebody was faster"), ValueError("a bug")], ids=repr)
def test_one_that_raises_silences_no_other(db, monkeypatch, caplog, fault):
    def raises() -> int:
        raise fault

    monkeypatch.setattr(reconcile, "REPAIRS", {"what fails": raises, **reconcile.REPAIRS})
    make.operation(state="active", wake_at=None)
    done = reconcile.run()
    assert done["waits without a wake"] == 1 and done["what fails"] == 0
    assert "could not do: what fails" in caplog.text


def test_answers_are_kept_for_seven_days(db):
    actor = make.actor()
    for days in (6, 8):
        key = IdempotencyKey.objects.create(actor=actor, key=f"key-of-{days}-days", request_sha256="x")
        IdempotencyKey.objects.filter(pk=key.pk).update(at=datetime.now(UTC) - timedelta(days=days))
    reconcile.run()
    assert list(IdempotencyKey.objects.values_list("key", flat=True)) == ["key-of-6-days"]
