"""The look that a failed operation takes before anything is reset: state, event log, console, in words."""

import asyncio

from provisioning.bmc.errors import BmcError
from provisioning.operations.context import Context
from provisioning.operations.outcomes import Evidence

LOOK_S = 30
ENTRIES = 20
LINES = 40


async def last_look(ctx: Context) -> tuple[Evidence, ...]:
    """What the BMC shows now. Three reads; what cannot be read is said so, and never fails the failure itself."""
    try:
        async with asyncio.timeout(LOOK_S):
            return (await _look(ctx),)
    except (BmcError, TimeoutError) as error:
        return (Evidence("last_look", f"the BMC could not be read: {error}"),)


async def _look(ctx: Context) -> Evidence:
    state = await ctx.bmc.system()
    log: tuple[object, ...] = ()
    console: tuple[str, ...] = ()
    try:
        log = await ctx.bmc.sel(limit=ENTRIES)
        console = await ctx.bmc.console_tail()
    except BmcError as error:
        ctx.log(f"event log or console: {error.words}")
    words = f"power {state.power}, {state.boot_progress or 'boot progress unknown'}, health {state.health}"
    last = console[-1] if console else "none"
    data = {
        "power": state.power,
        "boot_progress": state.boot_progress,
        "last_reset_at": state.last_reset_at,
        "health": state.health,
        "event_log": [str(getattr(entry, "message", "")) for entry in log],
        "console": list(console[-LINES:]),
    }
    return Evidence("last_look", f"{words}; last console line: {last}", data)
