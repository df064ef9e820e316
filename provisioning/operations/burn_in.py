"""burn_in: the host boots the ramdisk, and its agent runs the profile's tests for as long as the profile says."""

import hashlib
from typing import Any

from provisioning.operations import judge, netboot, pace, preflight
from provisioning.operations.context import Context
from provisioning.operations.kinds import HOUR, MINUTE, Kind, Step
from provisioning.operations.outcomes import CloseWindow, Done, Evidence, Fail, HostSeen, Outcome, Wait


def orders(ctx: Context) -> dict[str, Any]:
    """What the ramdisk is told: which tests, how long each."""
    return {"mode": "burn-in", "serial": ctx.host.serial, "tests": ctx.profile.get("burn_in", {}).get("tests", [])}


async def compare(ctx: Context) -> Outcome:
    """What the ramdisk sees is what the profile asks for (the BMC's list was judged by inspect). Reads only."""
    window = ctx.window
    if window is None or window.inventory is None:
        if window is not None and window.failed_code:
            return Fail(window.words, window.failed_code)
        return Wait(2 * MINUTE, "waiting for the ramdisk's inventory", poked=True)
    seen = judge.in_band(window.inventory)
    kinds = set(judge.IN_BAND.values())  # all of them, whatever it lists: what is gone is not listed
    profile = {**ctx.profile, "parts": {k: n for k, n in ctx.profile.get("parts", {}).items() if k in kinds}}
    found = [d for d in judge.parts(profile, seen) if d.check not in ctx.host.waived]
    words = "; ".join(d.words for d in found) or f"{len(seen)} parts seen in band"
    evidence = Evidence("inventory_in_band", words, {"deviations": [d.check for d in found]})
    print_ = hashlib.sha256("\n".join(sorted(f"{p.kind} {p.slot} {p.serial}" for p in seen)).encode()).hexdigest()
    if found:
        return Fail(words, found[0].cause, (evidence,))
    return Done(words, {"fingerprint": print_}, (evidence,))


async def tests(ctx: Context) -> Outcome:
    """Wait for the tests to end and judge them. Reads only; the ramdisk runs them once per boot."""
    window = ctx.window
    if window is None:
        return Wait(MINUTE, "no boot window")
    planned = ctx.profile.get("burn_in", {}).get("tests", [])
    if window.failed_code:
        return Fail(window.words or window.failed_code, "burn_in", (_evidence(ctx, window.tests, window.words),))
    if window.tested is None:
        done = len(window.tests)
        left_s = sum(float(t.get("minutes", 0)) for t in planned[done:]) * MINUTE
        left = pace.seconds(left_s) / MINUTE  # as the clock of whoever reads it runs
        words = f"test {min(done + 1, len(planned))} of {len(planned)}, {left:.0f} min left"
        return Wait(max(left_s + MINUTE, MINUTE), words, progress=(done, len(planned)), poked=True)
    results = judge.rows_of(window.tested.get("results")) or judge.rows_of(window.tests)
    bad = judge.failed_tests(results, planned)
    evidence = _evidence(ctx, results, "; ".join(bad) or "all tests passed")
    if bad or window.tested.get("passed") is not True:
        return Fail("; ".join(bad) or "the ramdisk says that burn-in failed", "burn_in", (evidence,))
    seen = HostSeen({"fingerprint": ctx.result.get("fingerprint", "")})
    return Done(f"{len(results)} tests passed", effects=(evidence, seen, CloseWindow()))


def _evidence(ctx: Context, results: Any, words: str) -> Evidence:
    return Evidence("burn_in", words, {"results": results, "fingerprint": ctx.result.get("fingerprint", "")})


KIND = Kind(
    name="burn_in",
    steps=(
        preflight.CHECK,
        netboot.open_window("burn-in", orders),
        netboot.URI,
        netboot.OVERRIDE,
        netboot.RESET,
        netboot.BOOTED,
        Step("compare", compare, 20 * MINUTE, "no_inventory"),
        Step("tests", tests, HOUR, "burn_in", tests="burn_in"),
    ),
    from_states=frozenset({"baselined", "burned_in", "quarantined"}),
    deadline_s=HOUR,  # for the boot, as an install has
    becomes="burned_in",
)
