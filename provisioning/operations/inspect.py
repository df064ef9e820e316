"""inspect: the parts that the BMC lists are those of the profile, or somebody waived the difference by name."""

from provisioning.operations import judge, preflight
from provisioning.operations.context import Context
from provisioning.operations.kinds import MINUTE, Kind, Step
from provisioning.operations.outcomes import Done, Evidence, Fail, Outcome, PartsSeen


async def check(ctx: Context) -> Outcome:
    """Ready and the expected machine; bad health is no reason to stop here, the parts will say why. Reads only."""
    state, other = await preflight.machine(ctx)
    return other or Done(f"BMC ready, power {state.power}, health {state.health}")


async def parts(ctx: Context) -> Outcome:
    """Read the inventory, keep it, and judge it by the profile. Reads only."""
    inventory = await ctx.bmc.inventory()
    seen = judge.parts_of(inventory)
    counts: dict[str, int] = {}
    for part in seen:
        counts[part.kind] = counts.get(part.kind, 0) + part.present
    all_found = judge.parts(ctx.profile, seen, unread=inventory.unread)
    found = [d for d in all_found if d.check not in ctx.host.waived]
    words = "; ".join(d.words for d in found) or ", ".join(f"{n} {kind}" for kind, n in sorted(counts.items()))
    rows = tuple((p.kind, p.slot, p.serial, p.model, p.firmware, p.size) for p in seen if p.serial and p.present)
    evidence = Evidence(
        "inventory",
        words,
        {
            "counts": counts,
            "unread": list(inventory.unread),
            "deviations": [{"check": d.check, "words": d.words} for d in all_found],
            "waived": sorted(ctx.host.waived),
        },
    )
    if found:
        return Fail(words, found[0].cause, (evidence, PartsSeen(rows)))
    return Done(words, effects=(evidence, PartsSeen(rows)))


KIND = Kind(
    name="inspect",
    steps=(
        Step("check", check, 20 * MINUTE, "bmc_unreachable"),
        preflight.CLOCK,
        Step("parts", parts, 45 * MINUTE, "bmc_unreachable"),
    ),
    from_states=frozenset(
        {"discovered", "inspected", "baselined", "burned_in", "installed", "validated", "quarantined"}
    ),
    deadline_s=45 * MINUTE,
    becomes="inspected",
)
