"""power: on, off, restart; the state stays whatever comes of it."""

from provisioning.bmc.power import Want
from provisioning.operations import preflight, reset
from provisioning.operations.context import Context
from provisioning.operations.kinds import HOUR, MINUTE, Kind, Step
from provisioning.operations.outcomes import Done, Outcome

ACTIONS: dict[str, Want] = {
    "on": "on",
    "off": "off",
    "shutdown": "shutdown",
    "restart": "restart",
    "restart_gracefully": "restart_gracefully",
    "power_cycle": "power_cycle",
}


async def mark(ctx: Context) -> Outcome:
    """See how it is now: the mark by which a reset is known later. Reads only."""
    state, other = await preflight.machine(ctx)
    before = {"last_reset_at": state.last_reset_at, "power": state.power}
    return other or Done(f"power is {state.power or 'unknown'}", {"before_reset": before})


async def act(ctx: Context) -> Outcome:
    """The action asked for. Looks first; see reset.act for a second run."""
    return await reset.act(ctx, ACTIONS[ctx.params["action"]])


KIND = Kind(
    name="power",
    steps=(Step("mark", mark, 20 * MINUTE, "bmc_unreachable"), Step("act", act, 30 * MINUTE, "power_no_effect")),
    from_states=frozenset(
        {
            "discovered",
            "inspected",
            "baselined",
            "burned_in",
            "installed",
            "validated",
            "draining",
            "quarantined",
            "repair_hands",
            "repair_vendor",
        }
    ),
    deadline_s=HOUR,
    fails_to="",
)
