"""Rails: HCA n of every host of a pod belongs on the leaf of rail n. Found by majority, so no naming scheme is needed.

A pod with several leafs a rail has several groups of hosts; each group has its own set of leafs.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

from fleet.plan.problems import DESIGN, Problem
from fleet.plan.rows import Device

Signature = tuple[str | None, ...]  # the leaf of each HCA of a host; None: no (good) cable


class Rails:
    """The rails of the cables between hosts and leafs.

    joins: (cable, lower device, upper device) of the fabric. leafs: how many leafs each pod has.
    """

    def __init__(self, joins: list[Any], leafs: Counter[str]) -> None:
        self._at: dict[tuple[str, int], Any] = {}
        self._hosts: dict[str, Device] = {}
        self._hcas: dict[str, set[int]] = defaultdict(set)
        self._leafs = leafs
        for cable, low, high in joins:
            if low.role == "host":
                port = cable.a_port if cable.a_device == low.name else cable.b_port
                hca = int(port.removeprefix("mlx5_"))
                self._at[low.name, hca] = (cable, high)
                self._hosts[low.name] = low
                self._hcas[low.name].add(hca)
        self._usual = self._usual_hcas()
        self.count = len(set().union(*self._usual.values())) if self._usual else 0

    def hcas(self, host: str) -> set[int]:
        """The HCAs of a host that have a cable."""
        return self._hcas.get(host, set())

    def usual(self, host: Device) -> frozenset[int]:
        """The HCAs that most hosts of this profile use."""
        return self._usual.get(host.profile, frozenset())

    def problems(self) -> Iterator[Problem]:
        """Cables on the wrong rail, HCAs that no other host uses, hosts with two HCAs on one leaf of many."""
        pods: dict[str, list[Device]] = defaultdict(list)
        for host in self._hosts.values():
            pods[host.pod].append(host)
            for hca in sorted(self.hcas(host.name) - self.usual(host)):
                words = f"mlx5_{hca} of {host.name}, which other hosts of its profile do not use"
                expected = "one of " + ", ".join(f"mlx5_{n}" for n in sorted(self.usual(host)))
                yield self._problem(host.name, hca, words, expected, "unusual_hca")
        for pod, hosts in pods.items():
            yield from self._pod(pod, hosts)

    def _usual_hcas(self) -> dict[str, frozenset[int]]:
        sets: dict[str, Counter[frozenset[int]]] = defaultdict(Counter)
        for name, host in self._hosts.items():
            sets[host.profile][frozenset(self._hcas[name])] += 1
        return {p: max(c, key=lambda s: (c[s], len(s), sorted(s, reverse=True))) for p, c in sets.items()}

    def _signature(self, host: Device) -> Signature:
        return tuple(
            self._at[host.name, n][1].name if (host.name, n) in self._at else None for n in sorted(self.usual(host))
        )

    def _pod(self, pod: str, hosts: list[Device]) -> Iterator[Problem]:
        signatures = {host.name: self._signature(host) for host in hosts}
        groups = _groups(Counter(signatures.values()))
        for host in hosts:
            found = signatures[host.name]
            right = max(groups, key=lambda g: sum(x == y for x, y in zip(found, g, strict=False)))
            for hca, is_on, belongs in zip(sorted(self.usual(host)), found, right, strict=False):
                if is_on and belongs and is_on != belongs:
                    words = f"mlx5_{hca} of {host.name} is on {is_on}, off its rail in pod {pod or '(none)'}"
                    yield self._problem(host.name, hca, words, f"{belongs}, as with its neighbours", "wrong_rail")
        yield from self._shared(groups, {signatures[host.name]: host for host in reversed(hosts)}, self._leafs[pod])

    def _shared(self, groups: list[Signature], hosts: dict[Signature, Device], leafs: int) -> Iterator[Problem]:
        """All hosts of a group may share one mistake: two HCAs on one leaf although there are leafs enough."""
        for found in groups:
            double = next((n for n, leaf in enumerate(found) if leaf and leaf in found[:n]), None)
            if double is not None and leafs >= len(found):
                hca = sorted(self.usual(hosts[found]))[double]
                words = f"mlx5_{hca} of {hosts[found].name} shares {found[double]} with another HCA of this host"
                yield self._problem(hosts[found].name, hca, words, "a leaf for each rail", "shared_leaf")

    def _problem(self, host: str, hca: int, words: str, expected: str, code: str) -> Problem:
        cable, leaf = self._at[host, hca]
        column = "a_device" if cable.a_device == leaf.name else "b_device"
        return Problem("cables.csv", cable.line, column, leaf.name, words, expected, code, DESIGN)


def _groups(signatures: Counter[Signature]) -> list[Signature]:
    """The signatures that stand: complete ones first, by number of hosts, none with a leaf of one before it."""
    ordered = sorted(signatures, key=lambda s: (None in s, -signatures[s], [leaf or "" for leaf in s]))
    taken: set[str | None] = set()
    standing = []
    for signature in ordered:
        leafs = {leaf for leaf in signature if leaf}
        if not leafs & taken:
            taken |= leafs
            standing.append(signature)
    return standing
