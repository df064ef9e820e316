"""The plan's fabric as an ibsim netlist, and a netlist compared with the plan, cable by cable.

Format: the block form of ibnetdiscover, which ibsim reads. A host is one channel adapter per HCA, named
`<host> mlx5_N`; a switch is `MF0;<switch>:MQM9700/U1`. Each switch has, on its port 65, the aggregation node that such
switches show: not a cable.
"""

import gzip
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fleet.plan.problems import PlanRefused, Problem
from fleet.plan.profiles import FABRIC_PORTS
from fleet.plan.rows import END_ROLES, TIERS, Cable, Plan, canonical, natural

AGGREGATION_NODE = "Mellanox Technologies Aggregation Node"
_VENDOR, _HCA_DEVICE, _SWITCH_DEVICE, _AGGREGATION_DEVICE = "0x2c9", "0x1021", "0xd2f2", "0xcf09"
_RATE_OF_GIGABITS = {"100G": "4xEDR", "200G": "4xHDR", "400G": "4xNDR", "800G": "4xXDR"}
_DEFAULT_RATE = "4xNDR"
_NODE = re.compile(r'^(Switch|Ca)\s+\d+\s+"([SH]-[0-9a-f]+)"\s*#\s*"([^"]*)"')
_LINK = re.compile(r'^\[(\d+)\](?:\([0-9a-f]+\))?\s+"([SH]-[0-9a-f]+)"\[(\d+)\]')
_SWITCH_NAME = re.compile(r"(?:MF0;)?([^:;]+)(?::[^/]+/U\d+)?")
Port = tuple[str, str]
Ends = tuple[Port, Port]


@dataclass(slots=True)
class _Node:
    """links: port number -> (other node's key, other port number, rate)."""

    key: Port
    kind: str
    guid: int
    name: str
    links: dict[int, tuple[Port, int, str]] = field(default_factory=dict)

    @property
    def node_id(self) -> str:
        return f"{self.kind}-{self.guid:016x}"


@dataclass(slots=True)
class Comparison:
    """A plan's cables against a netlist's. guid_differs: ports whose GUID is another one in the netlist."""

    planned: int
    same: int
    missing: list[Ends]
    extra: list[Ends]
    guid_differs: list[Port]

    @property
    def holds(self) -> bool:
        """Every cable of each is a cable of the other."""
        return not self.missing and not self.extra

    def as_json(self, limit: int = 100) -> dict[str, Any]:
        """Counts, and at most `limit` of the cables that differ."""
        return {
            "planned": self.planned,
            "same": self.same,
            "missing": len(self.missing),
            "extra": len(self.extra),
            "guids_differ": len(self.guid_differs),
            "missing_cables": [[list(port) for port in ends] for ends in self.missing[:limit]],
            "extra_cables": [[list(port) for port in ends] for ends in self.extra[:limit]],
        }


def write(plan: Plan, *, aggregation_nodes: bool = True) -> str:
    """The netlist of a plan without errors. A device without a GUID gets one made from its name."""
    nodes = _nodes(plan)
    for cable in plan.infiniband():
        (a, a_port), (b, b_port) = (_place(end, nodes) for end in cable.ends)
        for one, port, other, other_port in ((a, a_port, b, b_port), (b, b_port, a, a_port)):
            nodes[one].links[port] = (other, other_port, _rate(cable))
    text: list[str] = []
    for node in nodes.values():
        own = _aggregation(node) if aggregation_nodes and node.kind == "S" else None
        text += _block(node, nodes, own)
        if own:
            text += _block(own, {node.key: node, own.key: own}, None)
    return "\n".join(text) + "\n"


def read(path: Path) -> tuple[set[Ends], dict[Port, int]]:
    """The cables of a netlist or of ibnetdiscover's block form (plain or .gz), and each port's node GUID.

    A port is (device, 'mlx5_N') or (switch, number); a GUID stands under (device, 'mlx5_N') or (switch, '').
    Raises PlanRefused when the file is not there or has no node.
    """
    try:
        raw = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError) as error:
        raise _unreadable(path, str(error)) from error
    names: dict[str, tuple[str, str]] = {}
    links: list[tuple[str, str, str, str]] = []
    node = ""
    for line in raw.decode(errors="replace").splitlines():
        if match := _NODE.match(line):
            node = match[2]
            names[node] = _spoken(match[1], match[3])
        elif node and (match := _LINK.match(line)):
            links.append((node, match[1], match[2], match[3]))
    if not names:
        raise _unreadable(path, "no node in it")
    guids = {name: int(node_id[2:], 16) for node_id, name in names.items() if name[0] != AGGREGATION_NODE}
    return {_ends(names, link) for link in links if _is_cable(names, link)}, guids


def compare(plan: Plan, path: Path) -> Comparison:
    """The plan's InfiniBand cables against those of a netlist, by the ports that they join."""
    real, guids = read(path)
    planned = {_sorted_ends(*cable.ends) for cable in plan.infiniband()}
    differs = [(g.device, g.port) for g in plan.guids if int(g.node_guid, 16) != guids.get((g.device, g.port))]
    return Comparison(
        planned=len(planned),
        same=len(planned & real),
        missing=sorted(planned - real),
        extra=sorted(real - planned),
        guid_differs=differs,
    )


def _nodes(plan: Plan) -> dict[Port, _Node]:
    """All nodes in the order of the file: HCAs of hosts, then the switches of each pod, then cores."""
    guids = {(g.device, g.port): int(g.node_guid, 16) for g in plan.guids}
    nodes: dict[Port, _Node] = {}
    plan = canonical(plan)
    hcas: dict[str, set[str]] = {d.name: set() for d in plan.devices if d.role in END_ROLES}
    for cable in plan.infiniband():
        for name, port in cable.ends:
            if name in hcas:
                hcas[name].add(port)
    for device in plan.devices:
        for port in sorted(hcas.get(device.name, ()), key=natural):
            key = (device.name, port)
            nodes[key] = _Node(key, "H", guids.get(key) or _made_up(*key), f"{device.name} {port}")
    switches = [d for d in plan.devices if d.role in TIERS]
    for device in sorted(switches, key=lambda d: (not d.pod, natural(d.pod), TIERS.index(d.role), natural(d.name))):
        key = (device.name, "")
        nodes[key] = _Node(key, "S", guids.get(key) or _made_up(*key), f"MF0;{device.name}:MQM9700/U1")
    return nodes


def _place(end: Port, nodes: dict[Port, _Node]) -> tuple[Port, int]:
    """The node and port number of a plan's port: an HCA is a node of its own with port 1."""
    return (end, 1) if end in nodes else ((end[0], ""), int(end[1]))


def _aggregation(switch: _Node) -> _Node:
    """The aggregation node of a switch, joined to its port 65."""
    number = FABRIC_PORTS + 1
    key = (switch.key[0], "aggregation")
    switch.links[number] = (key, 1, _DEFAULT_RATE)
    return _Node(key, "H", switch.guid + 8, AGGREGATION_NODE, {1: (switch.key, number, _DEFAULT_RATE)})


def _block(node: _Node, nodes: dict[Port, _Node], aggregation: _Node | None) -> Iterator[str]:
    is_aggregation = node.name == AGGREGATION_NODE
    device = _SWITCH_DEVICE if node.kind == "S" else _AGGREGATION_DEVICE if is_aggregation else _HCA_DEVICE
    system = node.guid - 8 if is_aggregation else node.guid
    yield f"vendid={_VENDOR}\ndevid={device}\nsysimgguid=0x{system:x}"
    if node.kind == "S":
        ports = FABRIC_PORTS + (aggregation is not None)
        yield f"switchguid=0x{node.guid:x}({node.guid:x})"
        yield f'Switch\t{ports} "{node.node_id}"\t\t# "{node.name}" enhanced port 0 lid 0 lmc 0'
    else:
        yield f'caguid=0x{node.guid:x}\nCa\t1 "{node.node_id}"\t\t# "{node.name}"'
    for port, (key, other_port, rate) in sorted(node.links.items()):
        other = aggregation if aggregation and key == aggregation.key else nodes[key]
        if node.kind == "S":
            of_hca = f"({other.guid + other_port:x})" if other.kind == "H" else ""
            yield f'[{port}]\t"{other.node_id}"[{other_port}]{of_hca}\t\t# "{other.name}" lid 0 {rate}'
        else:
            mine = f"[{port}]({node.guid + port:x})"
            yield f'{mine} \t"{other.node_id}"[{other_port}]\t\t# lid 0 lmc 0 "{other.name}" lid 0 {rate}'
    yield ""


def _rate(cable: Cable) -> str:
    rate = _RATE_OF_GIGABITS.get(cable.rate, cable.rate)
    if not rate or rate.endswith(("G", "M")):
        return _DEFAULT_RATE
    return rate if "x" in rate else f"4x{rate}"


def _made_up(device: str, port: str) -> int:
    """A GUID for a node whose own is not known, multiples of 16 so that port and aggregation GUIDs stay free."""
    return 0x02_00_00_00_00_00_00_00 | int.from_bytes(hashlib.sha256(f"{device} {port}".encode()).digest()[:6]) << 4


def _spoken(kind: str, name: str) -> tuple[str, str]:
    """(device, HCA) of a node description; the HCA of a switch is ''."""
    if kind == "Switch":
        match = _SWITCH_NAME.fullmatch(name)
        return (match[1] if match else name), ""
    device, _, hca = name.partition(" ") if name != AGGREGATION_NODE else (name, "", "")
    return device, hca


def _is_cable(names: dict[str, tuple[str, str]], link: tuple[str, str, str, str]) -> bool:
    return all(names.get(node, (AGGREGATION_NODE, ""))[0] != AGGREGATION_NODE for node in (link[0], link[2]))


def _ends(names: dict[str, tuple[str, str]], link: tuple[str, str, str, str]) -> Ends:
    ports = []
    for node, number in (link[:2], link[2:]):
        device, hca = names[node]
        ports.append((device, hca or number))
    return _sorted_ends(ports[0], ports[1])


def _sorted_ends(a: Port, b: Port) -> Ends:
    return (a, b) if a <= b else (b, a)


def _unreadable(path: Path, why: str) -> PlanRefused:
    problem = Problem(str(path), 0, "", str(path), why, "an ibsim netlist or ibnetdiscover output", "no_netlist")
    return PlanRefused([problem], title="No netlist")
