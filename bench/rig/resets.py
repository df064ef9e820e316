"""Resets by the simulator's journal against what Muster has on record: none without its intent, none doubled."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

_EVENTS = ("reset_applied", "reset_moot")


@dataclass(frozen=True)
class Resets:
    """asked: resets that reached a BMC. Each other number must be 0.

    without_intent: sent without one. intents_reused: intents of more than one reset. beyond_intents: more resets on a
    host than intents for it. doubled: more than one on a host and no retry on record for it.
    """

    asked: int
    without_intent: int
    intents_reused: int
    beyond_intents: int
    doubled: int

    @property
    def wrong(self) -> int:
        """How much of this must not be."""
        return self.without_intent + self.intents_reused + self.beyond_intents + self.doubled

    def as_dict(self) -> dict[str, int]:
        """For the figures."""
        return asdict(self)


def judge(journal: Iterable[Mapping[str, Any]], *, intents: Mapping[str, int], retries: Mapping[str, int]) -> Resets:
    """journal: its lines since the operations began. intents, retries: power intents and retried resets, by host."""
    by_host: Counter[str] = Counter()
    by_intent: Counter[str] = Counter()
    without = 0
    for entry in journal:
        if entry["event"] not in _EVENTS:
            continue
        by_host[str(entry["host"])] += 1
        if entry.get("intent"):
            by_intent[str(entry["intent"])] += 1
        else:
            without += 1
    return Resets(
        asked=by_host.total(),
        without_intent=without,
        intents_reused=sum(n - 1 for n in by_intent.values()),
        beyond_intents=sum(max(n - intents.get(host, 0), 0) for host, n in by_host.items()),
        doubled=sum(max(n - 1 - retries.get(host, 0), 0) for host, n in by_host.items()),
    )
