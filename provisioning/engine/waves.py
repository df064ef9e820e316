"""Who goes first, how many, and who next: sizes of waves, the canary, what limits leave room for, windows. Pure."""

from collections import Counter, deque
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

REST = "rest"
# A wave as it is asked for: so many hosts, a share as "10%", or the rest.
Size = int | str

# What a host is under, of which only so many may be under way at once: ("rack", 12), ("leaf", 7), ("feed", 3).
Domain = tuple[str, int]


@dataclass(frozen=True)
class Candidate:
    """A host with what makes it a variant: hardware holds profile, BIOS, BMC and HCA firmware, '' for unknown."""

    id: int
    name: str
    hardware: tuple[str, ...]
    row: str = ""
    rack: str = ""


@dataclass(frozen=True)
class Waiting:
    """A host that its campaign holds back. serves: it is in service, and would be taken out of it."""

    operation: int
    device: int
    domains: tuple[Domain, ...] = ()
    serves: bool = False


def share(asked: int | str, of: int, *, up: bool = True) -> int:
    """A number, or a share of `of` as in "10%", rounded up or down."""
    if isinstance(asked, int):
        return asked
    percent = int(asked.removesuffix("%"))
    return (of * percent + (99 if up else 0)) // 100


def sizes(asked: Sequence[Size], hosts: int) -> list[int]:
    """How many hosts each wave has, every one at least one; what no wave takes is one more wave."""
    found, left = [], hosts
    for size in (*asked, REST):
        n = min(left, left if size == REST else share(size, hosts))
        if n:
            found.append(n)
            left -= n
    return found


def deal(hosts: Iterable[Candidate], wanted: Sequence[int]) -> list[list[Candidate]]:
    """The hosts of each wave: the first covers as many variants as it can, the others are spread over the racks."""
    left = sorted(hosts, key=lambda h: (h.name, h.id))
    if len(wanted) > 1:
        first = canary(left, wanted[0])
        chosen = {h.id for h in first}
        left = [*first, *_spread(h for h in left if h.id not in chosen)]
    dealt, at = [], 0
    for n in wanted:
        dealt.append(left[at : at + n])
        at += n
    return dealt


def canary(hosts: Iterable[Candidate], size: int) -> list[Candidate]:
    """The hosts that go first: greedily whoever brings most that is not covered yet.

    A version that no host before has counts most, then a combination of them, then a row; of equals the most frequent,
    then by name. So all combinations are covered as soon as the size allows, before that as many versions as can be.
    """
    alike: dict[tuple[tuple[str, ...], str], deque[Candidate]] = {}
    for host in sorted(hosts, key=lambda h: (h.name, h.id)):
        alike.setdefault((host.hardware, host.row), deque()).append(host)
    frequent, rows = _counts(alike)
    seen: set[object] = set()
    chosen: list[Candidate] = []
    while alike and len(chosen) < size:
        key = min(alike, key=lambda k: (*_brings(k, seen), -frequent[k[0]], -rows[k[1]], alike[k][0].name))
        chosen.append(alike[key].popleft())
        seen |= {key[0], ("row", key[1]), *enumerate(key[0])}
        if not alike[key]:
            del alike[key]
    return chosen


def _counts(alike: Mapping[tuple[tuple[str, ...], str], Collection[Candidate]]) -> tuple[Counter[Any], Counter[str]]:
    frequent: Counter[Any] = Counter()
    rows: Counter[str] = Counter()
    for (hardware, row), hosts in alike.items():
        frequent[hardware] += len(hosts)
        rows[row] += len(hosts)
    return frequent, rows


def _brings(kind: tuple[tuple[str, ...], str], seen: set[object]) -> tuple[int, bool, bool]:
    """What hosts of this kind would add, the most first."""
    hardware, row = kind
    versions = sum(pair not in seen for pair in enumerate(hardware))
    return -versions, hardware in seen, ("row", row) in seen


def _spread(hosts: Iterable[Candidate]) -> list[Candidate]:
    """One of each rack, then another one of each: a limit per rack holds up a wave as little as can be."""
    place: Counter[str] = Counter()
    ranked = []
    for host in hosts:
        ranked.append((place[host.rack], host.name, host))
        place[host.rack] += 1
    return [host for _, _, host in sorted(ranked, key=lambda r: r[:2])]


def pick(
    waiting: Iterable[Waiting],
    *,
    room: int | None,
    limits: Mapping[str, int],
    busy: Counter[Domain],
    spare: int | None,
) -> list[Waiting]:
    """Whoever may begin now, in this order. busy is counted up by who is picked.

    room: how many more; limits: by kind of domain, how many under way; spare: how many may leave service. None: any.
    """
    picked: list[Waiting] = []
    for one in waiting:
        if room is not None and len(picked) >= room:
            break
        if one.serves and spare is not None and spare <= 0:
            continue
        if any(busy[d] >= limits[d[0]] for d in one.domains if d[0] in limits):
            continue
        picked.append(one)
        busy.update(one.domains)
        if one.serves and spare is not None:
            spare -= 1
    return picked


HARDWARE = ("profile", "BIOS", "BMC firmware", "HCA firmware")


def sets_apart(failed: Sequence[tuple[str, ...]], fine: Sequence[tuple[str, ...]]) -> list[tuple[str, str]]:
    """What all hosts that failed have and none that did well has: [("BIOS", "2.1.4")]. Nothing while none did well."""
    if not failed or not fine:
        return []
    shared = [(n, value) for n, value in enumerate(failed[0]) if value and all(f[n] == value for f in failed)]
    return [(HARDWARE[n], value) for n, value in shared if all(f[n] != value for f in fine)]


def domains(**ids: Sequence[int] | int | None) -> tuple[Domain, ...]:
    """All that one host is under: domains(rack=12, leaf=[7, 8])."""
    found: list[Domain] = []
    for kind, value in ids.items():
        if value is not None:
            found += [(kind, n) for n in ([value] if isinstance(value, int) else sorted(set(value)))]
    return tuple(found)


@dataclass(frozen=True)
class Window:
    """When hosts may begin: from one time of the site's day to another (over midnight too), and never after until."""

    zone: str = "UTC"
    opens: time | None = None
    closes: time | None = None
    until: datetime | None = None

    def is_over(self, now: datetime) -> bool:
        """Whether it never opens again."""
        return self.until is not None and now >= self.until

    def next_open(self, now: datetime) -> datetime | None:
        """When it is open next: now itself while it is; None when that is never."""
        at = now if self._is_open(now) else self._opening(now)
        return None if self.until is not None and at >= self.until else at

    def _is_open(self, now: datetime) -> bool:
        if self.opens is None or self.closes is None:
            return True
        local = now.astimezone(ZoneInfo(self.zone)).time()
        if self.opens <= self.closes:
            return self.opens <= local < self.closes
        return local >= self.opens or local < self.closes

    def _opening(self, now: datetime) -> datetime:
        zone = ZoneInfo(self.zone)
        today = now.astimezone(zone).date()
        days = (today, today + timedelta(days=1))
        return next(at for day in days if (at := datetime.combine(day, self.opens or time(), zone)) > now)


def common_cause(causes: Mapping[str, int]) -> str:
    """The cause that two or more failures share which are half of them at least; '' when there is none."""
    cause = max(sorted(causes), key=lambda c: causes[c], default="")
    return cause if cause and causes[cause] >= 2 and 2 * causes[cause] >= sum(causes.values()) else ""
