"""Arithmetic of benchmarks: differences of meter readings, limits, and the line that a benchmark prints."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

PRODUCT = ("web", "worker", "beat", "postgres", "valkey")  # the simulator's CPU is shown and never counted


@dataclass(frozen=True)
class Limit:
    """One figure and what it may be. more_is_better: the limit is a least. A limit of 0 holds at 0 and nowhere else."""

    name: str
    figure: float
    limit: float
    more_is_better: bool = False

    @property
    def ratio(self) -> float:
        """Figure divided by limit, limit by figure where more is better: at most 1 when it holds."""
        over, under = (self.limit, self.figure) if self.more_is_better else (self.figure, self.limit)
        if under:
            return over / under
        return math.inf if over else 0.0

    @property
    def holds(self) -> bool:
        """Whether it is kept."""
        return self.ratio <= 1


def spent(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """CPU seconds of each program between two readings. A program that was not there before began at 0."""
    return {name: round(after[name] - before.get(name, 0.0), 2) for name in after}


def product_cpu_s(cpu_s: Mapping[str, float]) -> float:
    """CPU seconds of everything that is ours, the database included."""
    return sum(cpu_s.get(name, 0.0) for name in PRODUCT)


def line(
    bench: str, *, limits: Sequence[Limit], right: Mapping[str, bool], figures: Mapping[str, Any]
) -> dict[str, Any]:
    """The last line of a benchmark. right: conditions without a figure, each must be true.

    ratio: of the limit that is nearest, or furthest beyond; null when it is a breach of a limit of 0.
    """
    worst = max(limits, key=lambda one: one.ratio)
    broken = [one.name for one in limits if not one.holds] + [name for name, holds in right.items() if not holds]
    return {
        "bench": bench,
        "ratio": round(worst.ratio, 3) if math.isfinite(worst.ratio) else None,
        "nearest": worst.name,
        "peer": "limits of the issue",
        "limit": 1.0,
        "better": "lower",
        "holds": not broken,
        "broken": broken,
        "unit": "figure / its limit",
        "limits": {one.name: {"figure": round(one.figure, 4), "limit": one.limit} for one in limits},
        "figures": dict(figures),
    }
