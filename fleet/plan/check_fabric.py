"""Checks of the InfiniBand fabric: ends, tiers, pods, rails, islands, even spread, blocking. Linear in the cables.

What one wrong cable explains is not told twice: a cable with a wrong end is left out of the judgement of the whole, and
a deficit of so many cables as were left out is not a finding of its own.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

from fleet.plan.problems import DESIGN, Problem
from fleet.plan.profiles import FABRIC_PORTS, HOST_HCAS, hardware
from fleet.plan.rails import Rails
from fleet.plan.rows import END_ROLES, TIERS, Cable, Device, Plan

FILE = "cables.csv"
RANK = {**dict.fromkeys(END_ROLES, 0), "leaf": 1, "spine": 2, "core": 3}
RANK_NAMES = ("hosts", "leafs", "spines", "cores")
_HCA = re.compile(rf"mlx5_[0-{HOST_HCAS - 1}]")
_NUMBER = re.compile(r"[1-9]\d{0,3}")
Join = tuple[Cable, Device, Device]  # a cable, its lower end's device, its upper end's device


class Fabric:
    """One plan's fabric. lines_known_bad: lines of cables.csv that could not be read."""

    def __init__(self, plan: Plan, lines_known_bad: Iterable[int] = ()) -> None:
        self.plan = plan
        self.devices = plan.by_name()
        self.found: list[Problem] = []
        self.bad = set(lines_known_bad)
        self.joins = list(self._good_joins())
        self.rails = Rails(self.joins, Counter(d.pod for d in plan.devices if d.role == "leaf"))
        for problem in self.rails.problems():
            self.bad.add(problem.line)
            self.found.append(problem)
        self.down: Counter[str] = Counter(upper.name for _, _, upper in self.joins)
        self.up: Counter[str] = Counter(lower.name for _, lower, _ in self.joins)
        switches = [d.name for d in plan.devices if d.role in TIERS]
        self.islands = _islands(self.joins, switches) if self.joins else []

    def problems(self) -> list[Problem]:
        """Everything that is wrong with the cables and with the fabric that they make."""
        slack = len(self.bad)
        return [
            *self.found,
            *self._missing_hcas(slack),
            *self._blocking(slack),
            *_uneven_leafs(self.joins, self.plan, slack),
            *_uneven_cores(self.joins, self.plan, slack),
            *self._apart(slack),
        ]

    def figures(self) -> dict[str, Any]:
        """Islands, pods, rails, and the tiers with their cables; ratio: down over up of the worst switch."""
        tiers = {}
        for tier in TIERS:
            names = [d.name for d in self.plan.devices if d.role == tier]
            if names:
                ratios = [self.down[n] / self.up[n] for n in names if self.up[n]]
                sums = {"down": sum(self.down[n] for n in names), "up": sum(self.up[n] for n in names)}
                tiers[tier] = {"switches": len(names), **sums, "ratio": round(max(ratios), 3) if ratios else None}
        pods = {d.pod for d in self.plan.devices if d.pod and d.role in RANK}
        return {"islands": len(self.islands), "pods": len(pods), "rails": self.rails.count, "tiers": tiers}

    def _good_joins(self) -> Iterator[Join]:
        """The InfiniBand cables without a wrong end; the others become findings."""
        used: dict[tuple[str, str], Cable] = {}
        for cable in self.plan.cables:
            double = self._double(cable, used)
            problem = self._wrong_port(cable) or double
            if cable.kind == "infiniband":
                problem = problem or self._wrong_join(cable)
            if problem:
                self.found.append(problem)
                self.bad.add(cable.line)
            elif cable.kind == "infiniband":
                a, b = self.devices.get(cable.a_device), self.devices.get(cable.b_device)
                if a and b and a.role and b.role and cable.line not in self.bad:
                    yield (cable, a, b) if RANK[a.role] < RANK[b.role] else (cable, b, a)
                else:
                    self.bad.add(cable.line)

    def _double(self, cable: Cable, used: dict[tuple[str, str], Cable]) -> Problem | None:
        if cable.a_device and cable.a_port and cable.ends[0] == cable.ends[1]:
            words = f"both ends of {cable.label} are in {cable.a_device} port {cable.a_port}"
            return Problem(FILE, cable.line, "b_port", cable.b_port, words, "two ports", "double_port")
        taken = None
        for side, (device, port) in zip("ab", cable.ends, strict=True):
            if device and port and device in self.devices:
                other = used.setdefault((device, port), cable)
                if other is not cable and not taken:
                    words = f"{device} port {port} is taken by {other.label} on line {other.line}"
                    taken = Problem(FILE, cable.line, f"{side}_port", port, words, "a free port", "double_port")
        return taken

    def _wrong_port(self, cable: Cable) -> Problem | None:
        """A port that the device cannot have."""
        for side, (name, port) in zip("ab", cable.ends, strict=True):
            device = self.devices.get(name)
            if not device or not device.role or not port:
                continue
            right = _right_ports(device, cable.kind)
            if right and not (right[0].fullmatch(port) and (not right[1] or int(port) <= right[1])):
                words = f"{name} ({device.role}) has no such port"
                return Problem(FILE, cable.line, f"{side}_port", port, words, right[2], "no_such_port")
        return None

    def _wrong_join(self, cable: Cable) -> Problem | None:
        """Two devices that an InfiniBand cable cannot or should not join."""
        a, b = self.devices.get(cable.a_device), self.devices.get(cable.b_device)
        if not (a and b and a.role and b.role):
            return None
        for column, device in (("a_device", a), ("b_device", b)):
            if device.role not in RANK:
                words, expected = f"a {device.role} has no InfiniBand ports", "a host or a leaf, spine or core"
                return Problem(FILE, cable.line, column, device.name, words, expected, "no_infiniband")
        low, high = sorted((a, b), key=lambda d: RANK[d.role])
        if RANK[high.role] - RANK[low.role] != 1:
            words = f"joins {low.name} ({low.role}) to {high.name} ({high.role})"
            expected = f"{RANK_NAMES[RANK[low.role]]} to {RANK_NAMES[min(RANK[low.role] + 1, 3)]}"
            if low.role == "core":
                expected = "cores to spines"
            return Problem(FILE, cable.line, "b_device", cable.b_device, words, expected, "wrong_tier", DESIGN)
        if low.pod and high.pod and low.pod != high.pod:
            words = f"joins pod {low.pod} ({low.name}) to pod {high.pod} ({high.name})"
            return Problem(FILE, cable.line, "b_device", cable.b_device, words, "one pod", "wrong_pod", DESIGN)
        return None

    def _missing_hcas(self, slack: int) -> Iterator[Problem]:
        """Hosts without a cable on an HCA that the other hosts of their profile use."""
        missing = []
        for host in (d for d in self.plan.devices if d.role == "host"):
            lack = self.rails.usual(host) - self.rails.hcas(host.name)
            missing += [(host, f"mlx5_{n}") for n in sorted(lack)]
        for host, port in missing if len(missing) > slack else []:
            words, expected = f"{port} has no cable", "a cable for each HCA that such hosts use"
            yield Problem("devices.csv", host.line, "name", host.name, words, expected, "no_cable", DESIGN)

    def _blocking(self, slack: int) -> Iterator[Problem]:
        cores = any(d.role == "core" for d in self.plan.devices)
        for device in self.plan.devices:
            judged = device.role == "leaf" or (device.role == "spine" and cores)
            down, up = self.down[device.name], self.up[device.name]
            if judged and down > up + slack:
                words = f"{down} cables down and {up} up: it blocks"
                expected = "as many up as down"
                yield Problem("devices.csv", device.line, "name", device.name, words, expected, "blocking", DESIGN)

    def _apart(self, slack: int) -> Iterator[Problem]:
        if len(self.islands) - 1 <= slack:
            return
        whole = len(self.islands[0])
        for island in self.islands[1:]:
            first = min(island, key=lambda name: self.devices[name].line)
            words = f"an island of {len(island)} switches, {first} among them, with no way to the other {whole}"
            at = self.devices[first].line
            yield Problem("devices.csv", at, "name", first, words, "one fabric", "island", DESIGN)


def _right_ports(device: Device, kind: str) -> tuple[re.Pattern[str], int, str] | None:
    """Pattern of the port names, the highest number, and that in words; None where any name will do."""
    if kind == "infiniband":
        if device.role in END_ROLES:
            return _HCA, 0, f"mlx5_0 to mlx5_{HOST_HCAS - 1}"
        return (_NUMBER, FABRIC_PORTS, f"1 to {FABRIC_PORTS}") if device.role in TIERS else None
    ports = hardware(device.profile).ports if device.role in ("ethernet_switch", "management_switch") else 0
    return (_NUMBER, ports, f"1 to {ports}") if ports else None


def _islands(joins: list[Join], switches: list[str]) -> list[set[str]]:
    """Sets of switches that reach each other, largest first. Hosts join nothing: an HCA does not forward."""
    parent = {name: name for name in switches}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for _, low, high in joins:
        top = root(high.name)
        if low.role not in END_ROLES:
            parent[root(low.name)] = top
    sets: dict[str, set[str]] = defaultdict(set)
    for name in list(parent):
        sets[root(name)].add(name)
    return sorted(sets.values(), key=lambda s: (-len(s), min(s)))


def _uneven_leafs(joins: list[Join], plan: Plan, slack: int) -> Iterator[Problem]:
    """Each leaf has as many cables to one spine of its pod as to another."""
    tiers: dict[tuple[str, str], list[Device]] = defaultdict(list)
    for device in plan.devices:
        if device.pod:
            tiers[device.pod, device.role].append(device)
    count = Counter((low.name, high.name) for _, low, high in joins if low.role == "leaf")
    for (pod, role), leafs in tiers.items():
        spines = tiers.get((pod, "spine"), []) if role == "leaf" else []
        for leaf in leafs if spines else []:
            yield from _uneven(leaf, {spine.name: count[leaf.name, spine.name] for spine in spines}, slack)


def _uneven_cores(joins: list[Join], plan: Plan, slack: int) -> Iterator[Problem]:
    """Each core has as many cables to one pod as to another."""
    pods = sorted({d.pod for d in plan.devices if d.role == "spine" and d.pod})
    count = Counter((high.name, low.pod) for _, low, high in joins if high.role == "core")
    for core in (d for d in plan.devices if d.role == "core"):
        yield from _uneven(core, {f"pod {pod}": count[core.name, pod] for pod in pods}, slack)


def _uneven(device: Device, to: dict[str, int], slack: int) -> Iterator[Problem]:
    if not to:
        return
    usual = Counter(to.values()).most_common(1)[0][0]
    other = [f"{n} to {name}" for name, n in to.items() if abs(n - usual) > slack]
    if other:
        words = f"{', '.join(other[:3])}{' and others' if len(other) > 3 else ''}; {usual} to each of the rest"
        yield Problem("devices.csv", device.line, "name", device.name, words, "an even spread", "uneven", DESIGN)
