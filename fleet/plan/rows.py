"""The rows of a plan folder as dataclasses; attribute names are the column names. No database, no Django."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

END_ROLES = ("host", "login", "storage", "fabric_manager")  # what ends a fabric: it has HCAs and no switching
TIERS = ("leaf", "spine", "core")
ROLES = ("host", *TIERS, "ethernet_switch", "management_switch", "pdu", "fabric_manager", "login", "storage")
CABLE_KINDS = ("infiniband", "ethernet", "management")
PURPOSES = ("management", "provisioning", "data", "fabric")
DHCP_MODES = ("full", "proxy", "none")


@dataclass(frozen=True, slots=True)
class Device:
    """A box. role is empty only while its text could not be read. unit: the lowest rack unit that it fills."""

    name: str
    role: str
    profile: str
    serial: str = ""
    site: str = ""
    hall: str = ""
    row: str = ""
    rack: str = ""
    unit: int | None = None
    pod: str = ""
    bmc_address: str = ""
    bmc_mac: str = ""
    line: int = field(default=0, compare=False)

    @property
    def place(self) -> tuple[str, str, str, str]:
        """The rack it stands in: a rack's name need be unique only within its row."""
        return (self.site, self.hall, self.row, self.rack)


@dataclass(frozen=True, slots=True)
class Cable:
    """A cable between two ports. rate: '4xNDR', '100G'. length_m in metres."""

    label: str
    kind: str
    a_device: str
    a_port: str
    b_device: str
    b_port: str
    rate: str = ""
    length_m: float | None = None
    medium: str = ""
    line: int = field(default=0, compare=False)

    @property
    def ends(self) -> tuple[tuple[str, str], tuple[str, str]]:
        """Both (device, port)."""
        return (self.a_device, self.a_port), (self.b_device, self.b_port)


@dataclass(frozen=True, slots=True)
class Supply:
    """One power supply of a device: the feed and circuit it hangs on. limit_w: of the whole circuit."""

    device: str
    psu: str
    feed: str
    circuit: str = ""
    limit_w: int | None = None
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Network:
    """An IP network. dns, ntp: addresses or names, separated by spaces."""

    name: str
    purpose: str
    vlan: int | None
    cidr: str
    gateway: str = ""
    dns: str = ""
    ntp: str = ""
    domain: str = ""
    dhcp: str = "none"
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Address:
    """A reservation of an address (and the MAC that asks for it) for an interface of a device."""

    device: str
    interface: str
    network: str
    address: str
    mac: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Guid:
    """The node GUID of an HCA (port mlx5_N), or of a switch (port empty), as 0x and 16 digits."""

    device: str
    port: str
    node_guid: str
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Party:
    """Who owns which kinds of finding (owns: words separated by spaces), and how to reach them."""

    name: str
    kind: str
    owns: str = ""
    contact: str = ""
    phone: str = ""
    mail: str = ""
    address: str = ""
    hours: str = ""
    contract: str = ""
    line: int = field(default=0, compare=False)


@dataclass(slots=True)
class Plan:
    """A whole plan folder; each list is one file."""

    devices: list[Device] = field(default_factory=list)
    cables: list[Cable] = field(default_factory=list)
    power: list[Supply] = field(default_factory=list)
    networks: list[Network] = field(default_factory=list)
    addresses: list[Address] = field(default_factory=list)
    guids: list[Guid] = field(default_factory=list)
    parties: list[Party] = field(default_factory=list)

    def by_name(self) -> dict[str, Device]:
        """name -> device."""
        return {d.name: d for d in self.devices}

    def infiniband(self) -> Iterator[Cable]:
        """The cables of the fabric."""
        return (c for c in self.cables if c.kind == "infiniband")

    def counts(self) -> dict[str, Any]:
        """How much it holds: devices by role, cables by kind, rows of the other files."""
        roles = dict.fromkeys(ROLES, 0)
        for device in self.devices:
            roles[device.role] = roles.get(device.role, 0) + 1
        kinds = dict.fromkeys(CABLE_KINDS, 0)
        for cable in self.cables:
            kinds[cable.kind] = kinds.get(cable.kind, 0) + 1
        rest = {name: len(getattr(self, name)) for name in ("power", "networks", "addresses", "guids", "parties")}
        return {
            "devices": {k: n for k, n in roles.items() if n},
            "cables": {k: n for k, n in kinds.items() if n},
            **rest,
        }


_DIGITS = re.compile(r"(\d+)")


@lru_cache(maxsize=16_384)
def natural(text: str) -> tuple[tuple[str, int], ...]:
    """A sort key by which host-2 comes before host-10; two different texts never have the same one."""
    parts = _DIGITS.split(text)
    pairs = [(parts[i], int(parts[i + 1]) if i + 1 < len(parts) else -1) for i in range(0, len(parts), 2)]
    return (*pairs, (text, -2))


def canonical(plan: Plan) -> Plan:
    """The same plan with every file in its one order, so that equal plans are equal bytes."""
    roles = {role: i for i, role in enumerate(ROLES)}
    kinds = {kind: i for i, kind in enumerate(CABLE_KINDS)}
    return Plan(
        devices=sorted(plan.devices, key=lambda d: (roles.get(d.role, 99), natural(d.name))),
        cables=sorted(plan.cables, key=lambda c: (kinds.get(c.kind, 99), natural(c.label))),
        power=sorted(plan.power, key=lambda p: (natural(p.device), natural(p.psu))),
        networks=sorted(plan.networks, key=lambda n: natural(n.name)),
        addresses=sorted(plan.addresses, key=lambda a: (natural(a.device), natural(a.interface))),
        guids=sorted(plan.guids, key=lambda g: (natural(g.device), natural(g.port))),
        parties=sorted(plan.parties, key=lambda p: natural(p.name)),
    )
