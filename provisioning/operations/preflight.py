"""Steps that most kinds begin with: is this BMC ready, is it that machine, is its clock right."""

from datetime import UTC, datetime

from provisioning.bmc.errors import BmcRefused, BmcUnsupported
from provisioning.bmc.types import SystemState
from provisioning.operations.context import Context
from provisioning.operations.kinds import MINUTE, Step
from provisioning.operations.outcomes import BmcSeen, Done, Evidence, Fail, OpenFinding, Outcome, Retry, Wait

# More than this and TLS, packages and logs go wrong on the host (journeys.md 7).
CLOCK_LIMIT_S = 60
CLOCK_TRIES = 2


async def machine(ctx: Context) -> tuple[SystemState, Fail | None]:
    """The system of a BMC that is ready; a failure beside it when another machine than the plan's says so. One read."""
    await ctx.bmc.ready()
    state = await ctx.bmc.system()
    if state.tag and state.tag != ctx.host.serial:
        words = f"the BMC says tag {state.tag}, the plan says {ctx.host.serial}"
        return state, Fail(words, "identity_mismatch")
    return state, None


async def check(ctx: Context) -> Outcome:
    """Ready, the expected machine, a known power state, not critical. Reads only; a second run reads again."""
    state, other = await machine(ctx)
    if other:
        return other
    if state.power is None:
        return Retry("the BMC does not say whether the host is on", "bmc_refused")
    if state.health == "critical":
        return Fail(f"the BMC says that the host's health is critical (power {state.power})", "bmc_health")
    return Done(f"BMC ready, tag {state.tag or 'not shown'}, power {state.power}, health {state.health}")


async def set_clock(ctx: Context) -> Outcome:
    """The BMC's clock within a minute of ours. Setting it twice does no harm: a second run sets it again if need be."""
    clock = await ctx.bmc.clock()
    offset = clock.offset_s
    if abs(offset) <= CLOCK_LIMIT_S:
        return _clock_is_right(ctx, offset)
    words = f"the BMC's clock is {abs(offset):.0f} s {'ahead' if offset > 0 else 'behind'}"
    if len(ctx.sent_now) >= CLOCK_TRIES:
        return Fail(f"{words} and stays so after it was set {CLOCK_TRIES} times", "clock")
    permit = await ctx.intend("set the BMC's clock")
    try:
        await ctx.bmc.set_clock(permit, datetime.now(UTC))
    except (BmcRefused, BmcUnsupported) as error:
        seen = Evidence("clock", words, {"offset_s": round(offset), "refusal": error.words})
        return Fail(f"{words} and it refuses to be set: {error.words}", "clock", (seen,))
    return Wait(5, f"{words}; set, reading it back", result={"clock_was_s": round(offset)})


def _clock_is_right(ctx: Context, offset: float) -> Done:
    seen = BmcSeen({"clock_offset_s": round(offset, 1)})
    was = ctx.result.get("clock_was_s")
    if was is None and not ctx.sent:
        return Done(f"clock is right ({offset:+.0f} s)", effects=(seen,))
    # Who set it may have died before it could say how far off it was.
    words = f"the BMC's clock was {'' if was is None else f'{was:+d} s '}off and was corrected"
    finding = OpenFinding("health", "clock_corrected", "info", words, closed=True)
    return Done(words, effects=(seen, finding))


CHECK = Step("check", check, 20 * MINUTE, "bmc_unreachable")
CLOCK = Step("clock", set_clock, 20 * MINUTE, "clock")
