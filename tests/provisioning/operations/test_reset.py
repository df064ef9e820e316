"""The one way to a power action: at most one reset an attempt, and nothing sent on a guess."""

from dataclasses import replace

import pytest
from django.test import override_settings

from provisioning.operations import power, reset
from provisioning.operations.outcomes import Done, Fail, Lost, Retry, Wait
from tests.provisioning.operations.contexts import STATE, Answers, context

OFF = replace(STATE, power="Off")
RESET_SHOWN = replace(STATE, last_reset_at="t1")
UNKNOWN = replace(STATE, power=None)
BLIND = replace(STATE, last_reset_at=None)
BEFORE = {"before_reset": {"last_reset_at": "t0", "power": "On"}}


def sent(ago_s: float = 1, *, settled: bool = True, attempt: int = 1) -> tuple:
    return (("reset: ForceRestart", ago_s, attempt, settled),)


async def test_a_host_that_is_on_is_restarted_with_a_permit():
    bmc = Answers()
    ctx = context(bmc)
    outcome = await reset.act(ctx, "restart")
    assert isinstance(outcome, Wait) and bmc.sent == [("reset", "ForceRestart")]
    assert ctx.intended == [("reset: ForceRestart", True)]


async def test_a_host_that_is_off_is_switched_on_never_cycled():
    """Lesson M20: "power on" was a power cycle."""
    bmc = Answers(OFF)
    await reset.act(context(bmc), "restart")
    assert bmc.sent == [("reset", "On")]


@pytest.mark.parametrize("state", [UNKNOWN, replace(STATE, power="PoweringOn")], ids=["unknown", "in between"])
async def test_nothing_is_sent_on_a_guess(state):
    """Lesson M20: unknown was taken as off, and healthy hosts were rebooted."""
    bmc = Answers(state)
    ctx = context(bmc)
    assert isinstance(await reset.act(ctx, "restart"), Retry)
    assert bmc.sent == ctx.intended == []


@pytest.mark.parametrize(("want", "state"), [("on", STATE), ("off", OFF), ("shutdown", OFF)])
async def test_what_is_so_already_needs_nothing(want, state):
    bmc = Answers(state)
    assert isinstance(await reset.act(context(bmc), want), Done) and bmc.sent == []


async def test_a_reset_that_shows_is_done():
    bmc = Answers(RESET_SHOWN)
    assert isinstance(await reset.act(context(bmc, result=BEFORE, sent=sent()), "restart"), Done)
    assert bmc.sent == []


@pytest.mark.parametrize("settled", [True, False], ids=["answered", "in doubt"])
async def test_a_reset_that_does_not_show_yet_is_waited_for(settled):
    bmc = Answers(STATE)
    outcome = await reset.act(context(bmc, result=BEFORE, sent=sent(5, settled=settled)), "restart")
    assert isinstance(outcome, Wait) and outcome.in_doubt == (not settled) and bmc.sent == []


async def test_a_reset_that_never_shows_is_a_retry_on_record():
    bmc = Answers(STATE)
    outcome = await reset.act(context(bmc, result=BEFORE, sent=sent(61)), "restart")
    assert isinstance(outcome, Retry) and outcome.counts and outcome.cause == "power_no_effect" and bmc.sent == []


async def test_the_next_attempt_sends_once_more():
    bmc = Answers(STATE)
    outcome = await reset.act(context(bmc, result=BEFORE, attempt=2, sent=sent(90)), "restart")
    assert isinstance(outcome, Wait) and bmc.sent == [("reset", "ForceRestart")]


async def test_a_call_that_may_still_be_on_its_way_is_waited_for_in_real_time():
    """Its sender died; what it sent can land for 20 s, however fast time runs."""
    with override_settings(TIME_SCALE=600):
        doubtful = context(Answers(STATE), result=BEFORE, sent=sent(24, settled=False))
        assert isinstance(await reset.act(doubtful, "restart"), Wait)
        over = context(Answers(STATE), result=BEFORE, sent=sent(26, settled=False))
        assert isinstance(await reset.act(over, "restart"), Retry)


async def test_where_the_bmc_shows_no_resets_a_doubtful_one_is_lost():
    """A person looks; nothing is repeated."""
    bmc = Answers(BLIND)
    outcome = await reset.act(context(bmc, result=BEFORE, sent=sent(26, settled=False)), "restart")
    assert isinstance(outcome, Lost) and "does not show resets" in outcome.why and bmc.sent == []


async def test_where_the_bmc_shows_no_resets_an_accepted_one_is_believed():
    outcome = await reset.act(context(Answers(BLIND), result=BEFORE, sent=sent(61)), "restart")
    assert isinstance(outcome, Done)


async def test_where_the_bmc_shows_no_resets_a_host_that_came_on_has_been_reset():
    was_off = {"before_reset": {"last_reset_at": None, "power": "Off"}}
    outcome = await reset.act(context(Answers(BLIND), result=was_off, sent=sent(3, settled=False)), "restart")
    assert isinstance(outcome, Done)


@pytest.mark.parametrize("settled", [True, False], ids=["answered", "in doubt"])
@pytest.mark.parametrize("want", ["off", "restart"])
async def test_a_bmc_that_cannot_tell_the_power_now_is_asked_again(want, settled):
    """Lesson M20: unknown is neither off nor done."""
    bmc = Answers(UNKNOWN)
    outcome = await reset.act(context(bmc, result=BEFORE, sent=sent(600, settled=settled)), want)
    assert isinstance(outcome, Wait) and outcome.in_doubt == (not settled) and bmc.sent == []


async def test_a_shutdown_gets_its_ten_minutes():
    waiting = context(Answers(STATE), result=BEFORE, sent=(("reset: GracefulShutdown", 599, 1, True),))
    assert isinstance(await reset.act(waiting, "shutdown"), Wait)
    over = context(Answers(STATE), result=BEFORE, sent=(("reset: GracefulShutdown", 601, 1, True),))
    assert isinstance(await reset.act(over, "shutdown"), Retry)


async def test_the_mark_is_taken_before_anything_is_sent():
    outcome = await power.mark(context(Answers(STATE)))
    assert outcome.result == {"before_reset": {"last_reset_at": "t0", "power": "On"}}


async def test_another_machine_is_never_switched():
    outcome = await power.mark(context(Answers(replace(STATE, tag="OTHER"))))
    assert isinstance(outcome, Fail) and outcome.cause == "identity_mismatch"


@pytest.mark.parametrize(
    ("action", "sends"),
    [
        ("off", "ForceOff"),
        ("shutdown", "GracefulShutdown"),
        ("restart_gracefully", "GracefulRestart"),
        ("power_cycle", "PowerCycle"),
    ],
)
async def test_each_action_sends_its_own_reset(action, sends):
    bmc = Answers(STATE)
    await power.act(context(bmc, params={"action": action}))
    assert bmc.sent == [("reset", sends)]
