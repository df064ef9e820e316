"""update, check only: every component is at the baseline. Flashing comes with the firmware campaigns."""

from provisioning.operations import judge, preflight
from provisioning.operations.context import Context
from provisioning.operations.kinds import HOUR, Kind, Step
from provisioning.operations.outcomes import Done, Evidence, Fail, Outcome


async def compare(ctx: Context) -> Outcome:
    """Read versions and BIOS settings and compare. Reads only."""
    rows = await ctx.bmc.firmware()
    bios = await ctx.bmc.bios() if ctx.profile.get("bios") else {}
    found = [d for d in judge.firmware(ctx.profile, rows, bios) if d.check not in ctx.host.waived]
    words = "; ".join(d.words for d in found) or f"{len(ctx.profile.get('baseline', {}))} components at the baseline"
    versions = {f"{r.component} {r.fqdd}".strip(): r.version for r in rows}
    evidence = Evidence("firmware", words, {"versions": versions, "deviations": [d.check for d in found]})
    if found:
        return Fail(words, found[0].cause, (evidence,))
    return Done(words, effects=(evidence,))


KIND = Kind(
    name="update",
    steps=(preflight.CHECK, Step("compare", compare, HOUR, "bmc_unreachable")),
    from_states=frozenset(
        {
            "inspected",
            "baselined",
            "burned_in",
            "installed",
            "validated",
            "quarantined",
            "repair_hands",
            "repair_vendor",
        }
    ),
    deadline_s=6 * HOUR,
    becomes="baselined",
)
