"""The one way to a power action: look, intend, send, and look until its effect is seen."""

from provisioning.bmc.power import Marker, Want, decide
from provisioning.operations import pace
from provisioning.operations.context import Context
from provisioning.operations.kinds import MINUTE
from provisioning.operations.outcomes import Done, Lost, Outcome, Retry, Wait

# A reset shows after 1 to 11 s in the field; a call that was in flight when its sender died may still land for 20 s.
LAG_S = 60
LAG_REAL_S = 5
IN_DOUBT_REAL_S = 25
SHUTDOWN_S = 10 * MINUTE


async def act(ctx: Context, want: Want) -> Outcome:
    """Make `want` come true with at most one reset an attempt.

    ctx.result["before_reset"]: what an earlier step saw, the mark by which a reset is known. A second run looks for the
    effect and sends nothing if it came; if it did not come in time, the next attempt is a retry on record; if the BMC
    cannot tell and a reset may have been sent, the operation is lost: a person looks.
    """
    before = ctx.result.get("before_reset") or {}
    state = await ctx.bmc.system()
    if not ctx.sent_now:
        decision = decide(state, want)
        if decision.do == "done":
            return Done(decision.words)
        if decision.do != "send" or decision.reset is None:
            return Retry(decision.words, "bmc_refused", counts=decision.do == "unknown")
        permit = await ctx.intend(f"reset: {decision.reset}", power=True)
        await ctx.bmc.reset(permit, decision.reset)
        return Wait(15, f"{decision.reset} sent, waiting for it to show")
    decision = decide(state, want, Marker(before.get("last_reset_at")))
    if decision.do == "done":
        return Done(decision.words)
    if state.power is None:  # it cannot tell now, which says nothing of the reset; the step's deadline ends this
        return Wait(15, decision.words, in_doubt=bool(ctx.in_doubt))
    came_on = state.power == "On" and before.get("power") == "Off"
    return _not_yet(ctx, want, decision.do, decision.words, came_on=came_on)


def _not_yet(ctx: Context, want: Want, do: str, words: str, *, came_on: bool) -> Outcome:
    if do == "unknown" and came_on:
        return Done("host is on")
    waited = (ctx.now - ctx.sent_now[-1].at).total_seconds()
    lag_s = SHUTDOWN_S if want == "shutdown" else LAG_S
    limit = IN_DOUBT_REAL_S if ctx.in_doubt else max(pace.seconds(lag_s), LAG_REAL_S)
    if waited <= limit:
        return Wait(15, words, in_doubt=bool(ctx.in_doubt))
    if do == "unknown":
        if ctx.in_doubt:
            return Lost(f"a reset may have been sent, and this BMC does not show resets: {words}")
        return Done("accepted; this BMC does not show resets, what follows will tell")
    return Retry(f"{waited:.0f} s after the reset was sent: {words}", "power_no_effect")
