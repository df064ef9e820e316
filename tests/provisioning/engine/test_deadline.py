"""The deadline of a whole operation: from its first claim, judged after a look, never in a critical section."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from fleet import holds
from fleet.models import Device
from provisioning.bmc.errors import BmcUnreachable
from provisioning.engine import ask, claim
from provisioning.models import Intent, Operation
from provisioning.operations.outcomes import Done, Lost, Retry, Wait
from tests.provisioning.engine.test_turn import asked, now_is, steps_of
from tests.provisioning.engine.turns import LONG_AGO, Script, again
from tests.support import make

WAIT = Wait(60, "no phone-home yet")
HOUR = timedelta(hours=1)


def late(operation: Operation) -> Operation:
    """Due again, its own time over by five minutes; the step it stands at has plenty left."""
    now = datetime.now(UTC)
    return again(operation, deadline_at=now - timedelta(minutes=5), step_deadline_at=now + HOUR)


def begun(bench, kind, script: Script, **kind_columns) -> Operation:
    kind(script, **kind_columns)
    operation = asked()
    bench.turn()
    return late(now_is(operation))


def left(operation: Operation) -> timedelta:
    return now_is(operation).deadline_at - datetime.now(UTC)


async def press(ctx):
    await ctx.intend("reset: On", power=True)
    return Wait(15, "On sent")


def test_it_counts_from_the_first_claim_and_stays(bench, kind):
    kind(Script(look=[WAIT, Done("seen")], act=[WAIT]))
    operation = asked(asked_at=LONG_AGO)
    assert operation.deadline_at is None, "the queue costs nothing"
    bench.turn()
    assert HOUR - timedelta(minutes=1) < left(operation) <= HOUR
    first = operation.deadline_at
    again(operation)
    bench.turn()
    assert (now_is(operation).step_name, operation.deadline_at) == ("act", first), "a new step is no new operation"


def test_passing_it_fails_with_the_cause_of_the_step_and_the_last_observation(bench, kind):
    operation = begun(bench, kind, Script(look=[WAIT] * 2))
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause) == ("failed", "no_look")
    assert operation.words == "deadline of rehearsal passed in step look; last: no phone-home yet"
    assert operation.device.state == "quarantined"


def test_the_driver_knows_better_why(bench, kind):
    away = BmcUnreachable("host", "read the system", "connect_failed", "no route")
    operation = begun(bench, kind, Script(look=[WAIT, away]))
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("failed", "bmc_unreachable")


def test_it_is_judged_only_after_a_look(bench, kind):
    """The effect may have come while nobody looked."""
    operation = begun(bench, kind, Script(look=[WAIT, Done("there it is")]))
    bench.turn()
    assert now_is(operation).state == "succeeded"


def test_what_may_have_been_done_is_lost(bench, kind):
    in_doubt = Wait(60, "sent", in_doubt=True)
    operation = begun(bench, kind, Script(act=[in_doubt] * 2))
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("lost", "outcome_unknown")
    assert operation.words.endswith("what was sent last may or may not have been done")


def test_a_critical_section_is_never_cut_off(bench, kind):
    """A flash that is late goes on; the step after it hears of the deadline."""
    script = Script(act=[Wait(60, "flashing")] * 2, settle=[WAIT])
    operation = begun(bench, kind, script, steps={"act": {"no_power": True}})
    bench.turn()
    assert (now_is(operation).state, operation.step_name) == ("active", "act")
    assert operation.wake_at > datetime.now(UTC) + timedelta(seconds=30), "and is not looked at again and again"
    late(operation)
    bench.turn()
    assert (now_is(operation).state, operation.step_name, operation.cause) == ("failed", "settle", "no_settle")


def test_past_it_nothing_new_is_sent(bench, kind):
    """A reset that is sent now would be judged before it can show: the host would be lost for nothing."""
    operation = begun(bench, kind, Script(act=[WAIT, press]))
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("failed", "deadline")
    assert operation.words == "deadline of rehearsal passed in step act; last: reset: On: not begun any more"
    assert not Intent.objects.exists()


def test_a_critical_section_may_still_act(bench, kind):
    operation = begun(bench, kind, Script(act=[WAIT, press]), steps={"act": {"no_power": True}})
    bench.turn()
    assert now_is(operation).state == "active" and Intent.objects.count() == 1


def test_no_wait_outlasts_it(bench, kind):
    kind(Script(look=[Wait(10**6, "for ever")]), deadline_s=60)
    operation = asked()
    bench.turn()
    assert (now_is(operation).wake_at - operation.deadline_at).total_seconds() < 2


def test_a_take_over_moves_it_by_the_time_nobody_held_the_claim(db):
    operation = make.operation(state="active", deadline_at=datetime.now(UTC), wake_at=LONG_AGO)
    Operation.objects.filter(pk=operation.pk).update(claimed_until=operation.deadline_at - timedelta(minutes=10))
    claim.claim(room=1, worker="machine:1:1")
    moved = Operation.objects.get(pk=operation.pk)
    assert moved.deadline_at > operation.deadline_at + timedelta(minutes=9)


def test_a_hold_takes_no_time_from_it(bench, kind):
    """Neither the wait nor the look, which takes a while itself."""

    async def slowly(ctx):
        await asyncio.sleep(0.5)
        return await press(ctx)

    kind(Script(act=[slowly] * 2))
    operation = asked()
    holds.place(device_id=operation.device_id, kind="hands", reason="fan swap", actor=make.actor())
    bench.turn()
    before = now_is(operation).deadline_at, operation.step_deadline_at
    again(operation)
    bench.turn()
    moved = now_is(operation).deadline_at - before[0], operation.step_deadline_at - before[1]
    assert all(timedelta(seconds=60.5) <= by < timedelta(seconds=90) for by in moved)


@pytest.mark.parametrize("verb", ["retry", "skip"])
def test_whoever_lets_it_go_on_gives_it_its_time_anew(bench, kind, verb):
    operation = begun(bench, kind, Script(look=[WAIT] * 3, act=[WAIT]))
    bench.turn()
    assert now_is(operation).state == "failed"
    getattr(ask, verb)(operation_id=operation.pk, actor=make.actor("L"), reason="cable mended")
    assert now_is(operation).deadline_at is None
    again(operation)
    bench.turn()
    assert now_is(operation).state == "active" and left(operation) > timedelta(minutes=58)


def test_a_lost_one_that_goes_on_too(bench, kind):
    operation = begun(bench, kind, Script(act=[Lost("who knows")], settle=[WAIT]))
    late(operation)
    ask.found(operation_id=operation.pk, actor=make.actor(), reason="it is on", go_on=True)
    again(operation)
    bench.turn()
    assert (now_is(operation).state, operation.step_name) == ("active", "settle")
    assert left(operation) > timedelta(minutes=58)


def test_a_scaled_installation_fails_nothing_that_its_steps_allow(bench, kind, settings_of):
    settings_of(TIME_SCALE=60)
    kind(Script(look=[Retry("not yet", counts=False)]), deadline_s=60)
    operation = asked()
    bench.turn()
    steps_s = (30 + 20 + 10) + 3 * 30
    assert now_is(operation).state == "active", steps_of(operation)
    assert steps_s - 20 < left(operation).total_seconds() <= steps_s


@pytest.mark.parametrize("minutes", [1e20, "soon"])
def test_a_profile_whose_times_cannot_be_fails_in_words(bench, kind, minutes):
    """One that was stored before it was refused: its operations were claimed for ever."""
    kind()
    operation = asked()
    profile = make.profile(deadlines={"rehearsal": minutes})
    Device.objects.filter(pk=operation.device_id).update(profile=profile)
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("failed", "bug")
    assert operation.device.state == "quarantined"
