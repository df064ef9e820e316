"""What a campaign may be told: waves, budget, floor, limits, windows; what it means where nothing is said."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, time
from typing import Any

from fleet.errors import BadValue
from provisioning.engine.waves import REST, Size, share, sizes

MOST = 100_000
MOST_WAVES = 20
MOST_BAKE_S = 7 * 86400
DOMAINS = ("rack", "leaf", "feed")
PERCENT = re.compile(r"([1-9]\d?|100)%")

# Of what takes hosts out of service or touches their firmware: few first, then growing.
CAREFUL: tuple[Size, ...] = (2, 5, "10%", "25%", REST)
CAREFUL_BAKE_S = 30 * 60
CAREFUL_BUDGET = 3
CAREFUL_FLOOR = "90%"
FIRMWARE = frozenset({"update"})


@dataclass(frozen=True)
class Rules:
    """As they are asked for; None: what is usual for the kind. A share ("10%") is of its hosts, floor's of the site's.

    floor 0 and a budget as large as the campaign are no limit. at_once and a limit that is not there: all of them.
    """

    waves: Sequence[Size] | None = None
    at_once: int | None = None
    bake_s: int | None = None
    budget: Size | None = None
    floor: Size | None = None
    limits: Mapping[str, int] = field(default_factory=dict)
    opens: time | None = None
    closes: time | None = None
    until: datetime | None = None
    halt_on_common_cause: bool | None = None

    def __post_init__(self) -> None:
        """Raises BadValue (422) that names every field that holds what it cannot hold."""
        wrong = [e for f in fields(self) if f.name in CHECKS for e in CHECKS[f.name](getattr(self, f.name))]
        if (self.opens is None) != (self.closes is None) or (self.opens is not None and self.opens == self.closes):
            wrong.append(("window", str(self.opens), "two times of the day, from one to another"))
        if wrong:
            errors = [
                {"field": name, "value": value, "title": f"{name} cannot be that", "expected": expected}
                for name, value, expected in wrong
            ]
            name, value, expected = wrong[0]
            raise BadValue(f"{name} cannot be that", field=name, value=value, expected=expected, errors=errors)

    def columns(self, *, kind: str, hosts: int, leaving: int, serving: int) -> dict[str, Any]:
        """The columns of a campaign on so many hosts, of which leaving are taken out of the serving ones of the site.

        Raises BadValue (422) for a floor under which nothing could ever begin.
        """
        careful = leaving > 0 or kind in FIRMWARE
        waves = list(self.waves or (CAREFUL if careful else (REST,)))
        planned = sizes(waves, hosts)
        budget = self.budget if self.budget is not None else CAREFUL_BUDGET if careful else None
        floor = self.floor if self.floor is not None else CAREFUL_FLOOR
        least = share(floor, serving, up=self.floor is not None) if leaving or self.floor is not None else None
        if least and leaving and least >= serving:
            title, expected = "with this floor no host could ever begin", f"less than the {serving} in service"
            raise BadValue(title, field="floor", value=self.floor, expected=expected)
        bake_s = self.bake_s if self.bake_s is not None else CAREFUL_BAKE_S
        common = self.halt_on_common_cause
        return {
            "waves": waves,
            "sizes": planned,
            "at_once": self.at_once,
            "bake_s": bake_s if len(planned) > 1 else 0,
            "budget": None if budget is None else max(1, share(budget, hosts)),
            "floor": least or None,
            "limits": dict(self.limits),
            "opens": self.opens,
            "closes": self.closes,
            "until": self.until,
            "on_common_cause": careful or len(planned) > 1 if common is None else common,
        }


Wrong = tuple[str, Any, str]


def _number(name: str, low: int, high: int, *, shares: bool = False) -> Callable[[Any], list[Wrong]]:
    expected = f"{low} to {high}" + (', or a share as "10%"' if shares else "")

    def check(value: Any) -> list[Wrong]:
        right = value is None or (type(value) is int and low <= value <= high) or (shares and is_share(value))
        return [] if right else [(name, value, expected)]

    return check


def is_share(value: Any) -> bool:
    """Whether this is a share, as "10%"."""
    return isinstance(value, str) and PERCENT.fullmatch(value) is not None


def _waves(value: Any) -> list[Wrong]:
    if value is None:
        return []
    if not isinstance(value, list | tuple) or not 1 <= len(value) <= MOST_WAVES:
        return [("waves", value, f'1 to {MOST_WAVES} sizes, as [2, 5, "10%", "rest"]')]
    expected = f'1 to {MOST}, a share as "10%", or "rest" for the last'
    return [
        (f"waves.{n}", size, expected)
        for n, size in enumerate(value)
        if not ((type(size) is int and 1 <= size <= MOST) or is_share(size) or (size == REST and n == len(value) - 1))
    ]


def _limits(value: Mapping[str, Any]) -> list[Wrong]:
    unknown = [(f"limits.{name}", value[name], ", ".join(DOMAINS)) for name in sorted(set(value) - set(DOMAINS))]
    known = sorted(set(value) & set(DOMAINS))
    return unknown + [e for name in known for e in _number(f"limits.{name}", 1, MOST)(value[name])]


CHECKS: dict[str, Callable[[Any], list[Wrong]]] = {
    "waves": _waves,
    "at_once": _number("at_once", 1, MOST),
    "bake_s": _number("bake_s", 0, MOST_BAKE_S),
    "budget": _number("budget", 1, MOST, shares=True),
    "floor": _number("floor", 0, MOST, shares=True),
    "limits": _limits,
}
