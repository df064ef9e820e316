"""Is this plan possible, and is it the fabric that we want? Every finding names file, line, column and value.

Two levels: an `error` cannot be so; a `design` finding could be built, and would block, fall apart or trip a breaker.
"""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.plan import check_fabric, check_records, files
from fleet.plan.problems import ERROR, PlanRefused, Problem
from fleet.plan.rows import Plan


@dataclass(slots=True)
class Report:
    """What a check found. fabric: islands, tiers with their cables down and up, pods, rails."""

    plan: Plan
    problems: list[Problem] = field(default_factory=list)
    fabric: dict[str, Any] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def errors(self) -> list[Problem]:
        """Only what cannot be so."""
        return [p for p in self.problems if p.level == ERROR]

    def as_json(self) -> dict[str, Any]:
        """The last line of `plan check --json`."""
        return {
            "ok": not self.problems,
            **self.plan.counts(),
            **self.fabric,
            "levels": dict(Counter(p.level for p in self.problems)),
            "problems": [p.as_json() for p in self.problems],
            "wall_s": round(self.wall_s, 3),
        }

    def lines(self) -> list[str]:
        """The same in words, the findings last."""
        counts = self.plan.counts()
        told = [
            ", ".join(f"{n} {role}" for role, n in counts["devices"].items()) or "no devices",
            ", ".join(f"{n} {kind} cables" for kind, n in counts["cables"].items()) or "no cables",
        ]
        if self.fabric:
            told.append("islands {islands}, pods {pods}, rails {rails}".format(**self.fabric))
            for tier, row in self.fabric["tiers"].items():
                told.append("{0}: {switches} switches, {down} cables down, {up} up, ratio {ratio}".format(tier, **row))
        told += [f"{p.level}: {p}" for p in self.problems]
        return [*told, f"{len(self.problems)} findings" if self.problems else "nothing is wrong"]


def check(plan: Plan, unreadable: Sequence[Problem] = ()) -> Report:
    """Check a plan. unreadable: what reading it found; their lines are not judged a second time."""
    start = time.perf_counter()
    report = Report(plan, list(unreadable))
    if not any(p.code == files.NO_COLUMN for p in unreadable):
        report.problems += check_records.problems(plan)
        fabric = check_fabric.Fabric(plan, {p.line for p in unreadable if p.file == "cables.csv"})
        report.problems += fabric.problems()
        report.fabric = fabric.figures()
    report.problems.sort()
    report.wall_s = time.perf_counter() - start
    return report


def check_folder(folder: Path) -> Report:
    """Read and check a folder. Raises PlanRefused when there is none; all else stands in the report."""
    start = time.perf_counter()
    report = check(*files.read(folder))
    report.wall_s = time.perf_counter() - start
    return report


def read_sound(folder: Path) -> Plan:
    """The plan of a folder without an error (design findings are allowed). Raises PlanRefused with all of them."""
    report = check_folder(folder)
    if report.errors:
        raise PlanRefused(report.errors)
    return report.plan
