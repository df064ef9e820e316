"""The guard is the intent: one row, committed before anything is sent, and only while nothing stands against it."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from django.db import connection, transaction

from fleet import holds, lifecycle
from fleet.models import Device
from provisioning.bmc.errors import BmcRefused, BmcUnreachable
from provisioning.engine import ask, claim
from provisioning.engine.claim import Want
from provisioning.models import Intent, Operation
from provisioning.operations.outcomes import Done, Fail, Retry
from tests.provisioning.engine.test_turn import asked, now_is
from tests.provisioning.engine.turns import Script, again
from tests.support import make
from tests.support.waiting import eventually, somebody_waits

WORKER = "machine:1:1"


def want(operation: Operation, **changes) -> Want:
    usual = {"step": 0, "attempt": 1, "what": "reset: On", "power": True, "beacon": False, "critical": False}
    return Want(op=operation.pk, **{"fence": operation.fence, **usual, **changes})


def claimed(n: int = 1) -> list[Operation]:
    made = [make.operation("power", host) for host in make.hosts(n, "installed")]
    claim.claim(room=100, worker=WORKER)
    return list(Operation.objects.filter(pk__in=[o.pk for o in made]).order_by("pk"))


def device(operation: Operation, **columns) -> None:
    Device.objects.filter(pk=operation.device_id).update(**columns)


def row(operation: Operation, **columns) -> None:
    Operation.objects.filter(pk=operation.pk).update(**columns)


def soon() -> datetime:
    """Before a call of 20 s would have timed out."""
    return datetime.now(UTC) + timedelta(seconds=19)


def full_hour(operation: Operation) -> None:
    device(operation, power_at=[datetime.now(UTC) - timedelta(minutes=n) for n in range(6)])


def hold(operation: Operation) -> None:
    holds.place(device_id=operation.device_id, kind="hands", reason="fan swap", actor=make.actor())


def fail(operation: Operation) -> None:
    lifecycle.move("operation", [operation.pk], to="failed", actor=make.actor("S"), reason="over")


# What may stand against a side effect -> (how it comes about, the refusal)
AGAINST: dict[str, tuple[Callable[[Operation], None], str]] = {
    "a hold": (hold, "hold"),
    "a newer claim": (lambda o: row(o, fence=o.fence + 1), "fence"),
    "a claim that is over": (lambda o: row(o, claimed_until=None), "fence"),
    "a claim that ends before the call could": (lambda o: row(o, claimed_until=soon()), "fence"),
    "an operation that has ended": (fail, "fence"),
    "a critical section": (lambda o: device(o, no_power_by=o.pk + 1), "critical"),
    "six power actions": (full_hour, "power_cap"),
    "a cancel": (lambda o: row(o, cancel_by_id=make.actor().pk), "cancelled"),
    "observe only": (lambda o: device(o, observe_only=True), "observe_only"),
}


@pytest.mark.parametrize("name", AGAINST)
def test_what_stands_against_it_refuses_it_in_words(db, name):
    happens, refusal = AGAINST[name]
    (operation,) = claimed()
    happens(operation)
    assert claim.intend([want(operation)]) == [(refusal, None)]
    assert refusal in claim.REFUSALS and not Intent.objects.exists()


@pytest.mark.parametrize("name", AGAINST)
def test_what_comes_while_the_intent_waits_refuses_it_too(real_db, name):
    """Two connections: the change is made but not committed, the intent waits for it, and then sees it."""
    happens, refusal = AGAINST[name]
    (operation,) = claimed()
    answers = []

    def intend() -> None:
        try:
            answers.append(claim.intend([want(operation)]))
        finally:
            connection.close()

    asker = threading.Thread(target=intend)
    with transaction.atomic():
        happens(operation)
        asker.start()
        eventually(somebody_waits, within_s=20)
        assert answers == []
    asker.join(30)
    assert answers == [[(refusal, None)]]
    assert not Intent.objects.exists()


def test_a_hold_that_is_lifted_while_the_intent_waits_lets_it_through(real_db):
    (operation,) = claimed()
    placed = holds.place(device_id=operation.device_id, kind="debug", reason="looking", actor=make.actor())
    answers = []

    def intend() -> None:
        answers.append(claim.intend([want(operation)]))
        connection.close()

    asker = threading.Thread(target=intend)
    with transaction.atomic():
        holds.lift(device_id=operation.device_id, hold_id=placed.pk, actor=make.actor())
        asker.start()
        eventually(somebody_waits, within_s=20)
    asker.join(30)
    assert answers == [[("", Intent.objects.get().pk)]]


def test_a_permit_is_given_after_the_commit_alone(real_db):
    (operation,) = claimed()
    ((_, intent),) = claim.intend([want(operation)])
    with psycopg.connect(real_db.env["DATABASE_URL"]) as other:
        found = other.execute("SELECT what, power, fence, settled_at FROM provisioning_intent WHERE id = %s", [intent])
        assert found.fetchone() == ("reset: On", True, operation.fence, None)
        powers = other.execute("SELECT cardinality(power_at) FROM fleet_device WHERE id = %s", [operation.device_id])
        assert powers.fetchone() == (1,)


@pytest.mark.usefixtures("db")
class TestPermits:
    def test_answers_come_in_the_order_asked_whatever_the_order_of_hosts(self):
        one, held, other = claimed(3)
        hold(held)
        answers = claim.intend([want(other), want(held), want(one)])
        assert [refusal for refusal, _ in answers] == ["", "hold", ""]
        assert [Intent.objects.get(pk=pk).operation_id for _, pk in answers if pk] == [other.pk, one.pk]

    def test_an_operation_that_does_not_exist_gets_none(self):
        (operation,) = claimed()
        ghost = Want(4711, 1, 0, 1, "x", False, False, False)
        assert claim.intend([ghost, want(operation)])[0] == ("fence", None)

    def test_the_beacon_shines_through_a_hold(self):
        """Holds stop all writes to the hardware but the beacon's."""
        (operation,) = claimed()
        hold(operation)
        assert claim.intend([want(operation, power=False, beacon=True)])[0][0] == ""

    def test_power_actions_are_counted_per_host_and_hour(self):
        """Lesson M21: a power loop."""
        (operation,) = claimed()
        answers = [claim.intend([want(operation)])[0][0] for _ in range(8)]
        assert answers == [""] * 6 + ["power_cap"] * 2
        assert claim.intend([want(operation, power=False)])[0][0] == "", "other writes are not counted"
        operation.device.refresh_from_db()
        assert len(operation.device.power_at) == 6

    def test_another_hosts_power_is_its_own(self):
        one, other = claimed(2)
        full_hour(one)
        assert [r for r, _ in claim.intend([want(one), want(other)])] == ["power_cap", ""]

    def test_what_is_older_than_an_hour_is_forgotten(self):
        (operation,) = claimed()
        long_ago = [datetime.now(UTC) - timedelta(minutes=61)] * 6
        device(operation, power_at=long_ago)
        assert claim.intend([want(operation)])[0][0] == ""
        operation.device.refresh_from_db()
        assert len(operation.device.power_at) == 1, "and the row does not grow"

    def test_the_hour_is_scaled(self, settings_of):
        settings_of(TIME_SCALE=60)
        (operation,) = claimed()
        device(operation, power_at=[datetime.now(UTC) - timedelta(seconds=61)] * 6)
        assert claim.intend([want(operation)])[0][0] == ""

    def test_a_critical_section_begins_with_its_intent_and_is_its_owners(self):
        (operation,) = claimed()
        assert claim.intend([want(operation, power=False, critical=True)])[0][0] == ""
        operation.device.refresh_from_db()
        assert operation.device.no_power_by == operation.pk
        assert claim.intend([want(operation)])[0][0] == "", "its own power action"
        device(operation, no_power_by=operation.pk + 1)
        assert claim.intend([want(operation, power=False)])[0][0] == "", "what is no power action"


async def press(ctx):
    await ctx.intend("reset: On", power=True)
    return Done("pressed")


async def press_and_retry(ctx):
    await ctx.intend("reset: On", power=True)
    return Retry("no effect")


async def press_and_fail(ctx):
    await ctx.intend("reset: On", power=True)
    return Fail("no effect", "power_no_effect")


class TestWhatAStepSees:
    def test_its_intent_is_settled_with_its_outcome(self, bench, kind):
        kind(Script(act=[press]))
        operation = asked()
        bench.turn()
        intent = Intent.objects.get(operation=operation)
        assert now_is(operation).state == "succeeded" and intent.settled_at is not None
        assert (intent.what, intent.step, intent.attempt, intent.device_id) == ("reset: On", 1, 1, operation.device_id)

    def test_a_held_host_waits_and_goes_on_when_the_hold_is_lifted(self, bench, kind):
        kind(Script(act=[press, press]))
        operation = asked()
        placed = holds.place(device_id=operation.device_id, kind="hands", reason="fan swap", actor=make.actor())
        bench.turn()
        assert now_is(operation).state == "active"
        assert operation.waits_for == "a hold stands on this host: nothing is written to it"
        assert not Intent.objects.exists()
        holds.lift(device_id=operation.device_id, hold_id=placed.pk, actor=make.actor())
        again(operation)
        bench.turn()
        assert now_is(operation).state == "succeeded"

    @pytest.mark.parametrize(
        ("columns", "cause"),
        [({"observe_only": True}, "observe_only"), ({"power_at": [datetime.now(UTC)] * 6}, "power_cap")],
    )
    def test_what_a_wait_does_not_mend_fails(self, bench, kind, columns, cause):
        kind(Script(act=[press]))
        operation = asked()
        device(operation, **columns)
        bench.turn()
        assert (now_is(operation).state, operation.cause, operation.words) == ("failed", cause, claim.REFUSALS[cause])

    def test_a_worker_that_lost_its_claim_sends_and_writes_nothing(self, bench, kind):
        """The claim was taken over while the step ran: no permit, no outcome, no step row."""

        async def overtaken(ctx):
            row(operation, fence=operation.fence + 999)
            await ctx.intend("reset: On", power=True)
            return Done("pressed")

        kind(Script(look=[overtaken]))
        operation = asked()
        bench.turn()
        assert now_is(operation).state == "active" and operation.step_name == "look"
        assert not Intent.objects.exists() and not operation.steps.exists()

    def test_what_was_sent_before_is_seen_by_who_takes_over(self, bench, kind):
        """Sent or not: its sender died between the intent and the outcome."""
        script = kind(Script(act=[press]))
        operation = asked()
        bench.claim()
        operation.refresh_from_db()
        claim.intend([want(operation, step=1)])
        row(operation, step=1, step_name="act", claimed_until=datetime(2020, 1, 1, tzinfo=UTC))
        bench.turn()
        context = script.contexts[0]
        assert [(i.what, i.attempt, i.settled) for i in context.sent] == [("reset: On", 1, False)]
        assert context.in_doubt == context.sent_now == context.sent

    def test_a_look_that_failed_leaves_it_in_doubt_and_spends_no_attempt(self, bench, kind):
        """Settled by a BMC that was away, the reset of a dead worker was looked for no longer and sent once more."""
        refused = BmcRefused("host", "login", "bad_credentials", "user root is refused")
        script = kind(Script(act=[BmcUnreachable("host", "read", "no_answer", "away"), refused, Done("it is on")]))
        operation = asked()
        bench.claim()
        operation.refresh_from_db()
        claim.intend([want(operation, step=1)])
        row(operation, step=1, step_name="act", claimed_until=datetime(2020, 1, 1, tzinfo=UTC))
        for _ in range(3):
            bench.turn()
            again(operation)
        assert [len(c.in_doubt) for c in script.contexts if c.step_name == "act"] == [1, 1, 1]
        assert [c.attempt for c in script.contexts if c.step_name == "act"] == [1, 1, 1]
        assert now_is(operation).state == "succeeded"
        assert not operation.intents.filter(settled_at=None).exists()

    def test_a_retry_by_a_person_begins_with_nothing_sent(self, bench, kind):
        """Attempts count from 1 again; what earlier ones of that number had sent is no reason to send nothing."""
        script = kind(Script(act=[press_and_fail, Done("seen")]))
        operation = asked()
        bench.turn()
        assert now_is(operation).state == "failed" and operation.attempt == 1
        ask.retry(operation_id=operation.pk, actor=make.actor(), reason="board replaced")
        again(operation)
        bench.turn()
        assert [c.sent for c in script.contexts if c.step_name == "act"] == [(), ()]
        assert now_is(operation).state == "succeeded"

    def test_a_second_visit_to_a_step_begins_with_nothing_sent(self, bench, kind):
        script = kind(Script(act=[press, press], settle=[Retry("no effect", back_to="act", counts=False)]))
        operation = asked()
        bench.turn()
        assert now_is(operation).step_name == "act"
        again(operation)
        bench.turn()
        assert [c.sent for c in script.contexts if c.step_name == "act"] == [(), ()]
        assert now_is(operation).state == "succeeded" and operation.intents.count() == 2

    def test_a_second_attempt_sees_what_the_first_one_sent(self, bench, kind):
        script = kind(Script(act=[press_and_retry, press_and_retry, Done("seen")]))
        operation = asked()
        for _ in range(3):
            bench.turn()
            again(operation)
        seen = [([i.attempt for i in c.sent], len(c.sent_now)) for c in script.contexts if c.step_name == "act"]
        assert seen == [([], 0), ([1], 0), ([1, 2], 0)]
