"""drain: the host leaves service as its scheduler says, and is then free for planned work."""

from provisioning.operations.context import Context
from provisioning.operations.kinds import HOUR, MINUTE, Kind, Step
from provisioning.operations.outcomes import Done, Evidence, LeaveService, Outcome, Wait

LOOK_S = 10 * MINUTE


async def leave(ctx: Context) -> Outcome:
    """Out of service, so that the scheduler starts nothing new there. A host that has left already stays as it is."""
    if ctx.host.state == "in_service":
        return Wait(0, "taking it out of service", effects=(LeaveService(),))
    return Done(f"the host is {ctx.host.state}")


async def empty(ctx: Context) -> Outcome:
    """Nothing runs there any more: at once where nobody schedules, else when the scheduler has said so.

    It reads GET /hosts?state=draining and answers by POST /transitions to validated, which wakes this step.
    """
    if ctx.host.state == "validated":
        return Done("empty, as the scheduler says")
    if ctx.host.scheduler == "none":
        words = "empty: this site has no scheduler"
        return Done(words, effects=(Evidence("drain", words, {"scheduler": "none"}),))
    return Wait(LOOK_S, "waiting for the scheduler to say that nothing runs there", poked=True)


KIND = Kind(
    name="drain",
    steps=(
        Step("leave", leave, 20 * MINUTE),
        # A host that drains for longer than its state's limit has a finding of its own, that asks the operator.
        Step("empty", empty, 24 * HOUR, "drain_limit"),
    ),
    from_states=frozenset({"in_service", "draining", "validated"}),
    deadline_s=25 * HOUR,
    becomes="validated",
    fails_to="",
)
