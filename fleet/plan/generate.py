"""The reference layout as a plan: a three-tier, rail-optimised fat tree and the floor that it stands on.

Names, ports and GUIDs follow the sample netlists: host-001, leaf-s01-01 (pod 1), spine-s01-01, core-01; HCA n of a host
on the leaf of rail n; leafs' ports 33 to 64 to the spines, spines' ports 33 to 64 to the cores.
"""

from collections.abc import Iterator

from fleet.plan import identity
from fleet.plan.floor import Floor, Spot, length_m
from fleet.plan.layout import HALF, Layout, Wanted, nth_address, resolve
from fleet.plan.profiles import HARDWARE
from fleet.plan.rows import Address, Cable, Device, Guid, Network, Party, Plan, Supply, canonical

SITE, HALL = "site-1", "hall-1"
CIRCUIT_W = 17_250  # three-phase, 415 V, 30 A breaker at 80 %: two hosts whose other feed is gone
HOSTS_PER_CIRCUIT = 2
SWITCHES_PER_RACK = 8
CORES_PER_RACK = 24
RACKS_PER_ACCESS_SWITCH = 8
ACCESS_PORTS = 48  # for hosts; the rest of a management switch's ports go up
_TOP_UNIT = 31  # the lowest of the eight units for leafs or spines: one block, so that hot air finds no gap
_CORE_UNIT = 5
_MANAGEMENT_UNIT, _ETHERNET_UNIT = 48, 46
_FABRIC_RATE, _DAC_LIMIT_M = "4xNDR", 2.0
_ETHERNET_RATE, _ETHERNET_DAC_LIMIT_M = "100G", 3.0
Bmc = tuple[str, str]  # address, MAC
_PARTIES = (
    Party("site hands", "hands", "cabling place power ethernet", hours="24x7"),
    Party("Dell", "vendor", "host bmc psu gpu_baseboard", hours="next business day"),
    Party("NVIDIA", "vendor", "gpu nvswitch hca switch", hours="24x7"),
    Party("cable vendor", "vendor", "cable transceiver", hours="business hours"),
    Party("us", "operator", "firmware_drift configuration software plan"),
)


def generate(wanted: Wanted) -> Plan:
    """A plan of the layout that was asked for; the same arguments give the same plan.

    Raises PlanRefused naming every argument that does not fit.
    """
    return canonical(_Builder(resolve(wanted)).build())


class _Builder:
    """Collects the rows; spots remembers where each device stands, for the lengths."""

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.plan = Plan(parties=list(_PARTIES))
        self.spots: dict[str, Spot] = {}
        self.ids = identity.Identities(layout.seed)
        self.hosts = _names("host-", layout.hosts, 3)
        self.leafs = [[f"leaf-s{p:02d}-{i:02d}" for i in _upto(layout.leafs)] for p in _upto(layout.pods)]
        self.spines = [[f"spine-s{p:02d}-{i:02d}" for i in _upto(layout.spines)] for p in _upto(layout.pods)]
        self.cores = _names("core-", layout.cores, 2)
        self.leaf_racks = -(-layout.pods * layout.leafs // SWITCHES_PER_RACK)
        spine_racks = -(-layout.pods * layout.spines // SWITCHES_PER_RACK)
        self.core_racks = max(spine_racks, -(-layout.cores // CORES_PER_RACK))
        self.floor = Floor(layout.rows, layout.racks_per_row, self.leaf_racks, self.core_racks)

    def build(self) -> Plan:
        if self.layout.hosts:
            self._networks()
        self._place_hosts()
        self._place_fabric()
        self._cable_fabric()
        self._wire_racks()
        return self.plan

    def _add(
        self, name: str, role: str, profile: str, spot: Spot, *, serial: str = "", pod: str = "", bmc: Bmc = ("", "")
    ) -> None:
        self.spots[name] = spot
        place = (SITE, HALL, spot.row, spot.rack, spot.unit)
        self.plan.devices.append(Device(name, role, profile, serial, *place, pod, *bmc))

    def _networks(self) -> None:
        networks = (
            ("management", 10, self.layout.bmc_network, "none"),
            ("provisioning", 20, self.layout.provisioning_network, "full"),
        )
        for name, vlan, cidr, dhcp in networks:
            self.plan.networks.append(Network(name, name, vlan, cidr, domain="fleet.internal", dhcp=dhcp))

    def _place_hosts(self) -> None:
        layout, height = self.layout, HARDWARE["XE9680"].height_u
        for i, name in enumerate(self.hosts):
            pod = i // layout.hosts_per_pod + 1
            rack, slot = divmod(i, layout.hosts_per_rack)
            bmc = (nth_address(layout.bmc_network, i), self.ids.mac(name, "bmc"))
            eth = (nth_address(layout.provisioning_network, i), self.ids.mac(name, "eth0"))
            spot = self.floor.rack("host", rack).at(1 + slot * height)
            self._add(name, "host", "XE9680", spot, serial=self.ids.tag(name), pod=str(pod), bmc=bmc)
            self.plan.addresses.append(Address(name, "bmc", "management", *bmc))
            self.plan.addresses.append(Address(name, "eth0", "provisioning", *eth))
            for n in range(layout.rails):
                self.plan.guids.append(Guid(name, f"mlx5_{n}", identity.hca_guid(i + 1, n)))

    def _place_fabric(self) -> None:
        for tier, names, kind in (("leaf", self.leafs, "leaf"), ("spine", self.spines, "core")):
            in_pods = [(pod, i, name) for pod, group in enumerate(names, 1) for i, name in enumerate(group, 1)]
            for place, (pod, i, name) in enumerate(in_pods):
                rack, slot = divmod(place, SWITCHES_PER_RACK)
                self._add_switch(tier, name, self.floor.rack(kind, rack).at(_TOP_UNIT + slot), pod * 32 + i, str(pod))
        for i, name in enumerate(self.cores):
            slot, rack = divmod(i, self.core_racks)
            self._add_switch("core", name, self.floor.rack("core", rack).at(_CORE_UNIT + slot), i + 1, "")

    def _add_switch(self, tier: str, name: str, spot: Spot, number: int, pod: str) -> None:
        self._add(name, tier, "QM9700", spot, serial=self.ids.serial(name), pod=pod)
        self.plan.guids.append(Guid(name, "", identity.switch_guid(tier, number)))

    def _cable_fabric(self) -> None:
        joins = [*self._host_joins(), *self._leaf_joins(), *self._spine_joins()]
        for label, (a, a_port, b, b_port) in zip(_names("IB-", len(joins), 5), joins, strict=True):
            length = length_m(self.spots[a], self.spots[b])
            medium = "dac" if length <= _DAC_LIMIT_M else "fibre"
            self.plan.cables.append(
                Cable(label, "infiniband", a, a_port, b, b_port, rate=_FABRIC_RATE, length_m=length, medium=medium)
            )

    def _host_joins(self) -> Iterator[tuple[str, str, str, str]]:
        layout, wide = self.layout, self.layout.rails_per_leaf
        for i, name in enumerate(self.hosts):
            pod, place = divmod(i, layout.hosts_per_pod)
            group, slot = divmod(place, layout.hosts_per_leaf)
            for n in range(layout.rails):
                leaf = self.leafs[pod][group * layout.rails + n // wide]
                yield name, f"mlx5_{n}", leaf, str(slot * wide + n % wide + 1)

    def _leaf_joins(self) -> Iterator[tuple[str, str, str, str]]:
        many = self.layout.leaf_to_spine if self.layout.pods else 0
        for leafs, spines in zip(self.leafs, self.spines, strict=True):
            for i, leaf in enumerate(leafs):
                for j, spine in enumerate(spines):
                    for n in range(many):
                        yield leaf, str(HALF + 1 + j * many + n), spine, str(1 + i * many + n)

    def _spine_joins(self) -> Iterator[tuple[str, str, str, str]]:
        if not self.cores:
            return
        width, many = self.layout.cores_per_spine, self.layout.spine_to_core
        for pod, spines in enumerate(self.spines):
            for j, spine in enumerate(spines):
                for k in range(width):
                    for n in range(many):
                        yield spine, str(HALF + 1 + k * many + n), self.cores[j * width + k], str(pod * many + n + 1)

    def _wire_racks(self) -> None:
        """PDUs and supplies of each rack; a management and an Ethernet switch for every few racks, in their middle."""
        layout = self.layout
        racks = -(-layout.hosts // layout.hosts_per_rack)
        runs: dict[str, list[tuple[str, str, str, str]]] = {"management": [], "ethernet": []}
        for first, last in self._rack_groups(racks):
            middle = self.floor.rack("host", (first + last - 1) // 2)
            self._access_switches(middle)
            hosts = self.hosts[first * layout.hosts_per_rack : last * layout.hosts_per_rack]
            for port, host in enumerate(hosts, 1):
                runs["management"].append((host, "bmc", f"mgmt-{middle.rack.lower()}", str(port)))
                runs["ethernet"].append((host, "eth0", f"eth-{middle.rack.lower()}", str(port)))
        for i in range(racks):
            hosts = self.hosts[i * layout.hosts_per_rack : (i + 1) * layout.hosts_per_rack]
            self._power(self.floor.rack("host", i), hosts)
        self._cable_runs("MG-", "management", runs["management"])
        self._cable_runs("ET-", "ethernet", runs["ethernet"])

    def _rack_groups(self, racks: int) -> Iterator[tuple[int, int]]:
        """First rack and one past the last, of those that share access switches: never over two rows."""
        size = min(RACKS_PER_ACCESS_SWITCH, ACCESS_PORTS // self.layout.hosts_per_rack)
        for row in range(0, racks, self.layout.racks_per_row):
            end = min(row + self.layout.racks_per_row, racks)
            yield from ((first, min(first + size, end)) for first in range(row, end, size))

    def _access_switches(self, rack: Spot) -> None:
        for prefix, role, profile, unit in (
            ("mgmt", "management_switch", "SN2201", _MANAGEMENT_UNIT),
            ("eth", "ethernet_switch", "SN4600C", _ETHERNET_UNIT),
        ):
            name = f"{prefix}-{rack.rack.lower()}"
            self._add(name, role, profile, rack.at(unit), serial=self.ids.serial(name))

    def _cable_runs(self, prefix: str, kind: str, runs: list[tuple[str, str, str, str]]) -> None:
        for label, (a, a_port, b, b_port) in zip(_names(prefix, len(runs), 5), runs, strict=True):
            length = length_m(self.spots[a], self.spots[b])
            rate, medium = "1G", "cat6"
            if kind == "ethernet":
                rate, medium = _ETHERNET_RATE, "dac" if length <= _ETHERNET_DAC_LIMIT_M else "aoc"
            self.plan.cables.append(Cable(label, kind, a, a_port, b, b_port, rate=rate, length_m=length, medium=medium))

    def _power(self, rack: Spot, hosts: list[str]) -> None:
        """Two PDUs a rack, a and b, each on its own feed of the row; the first half of a host's supplies on a."""
        for side in "ab":
            self._add(f"pdu-{rack.rack.lower()}-{side}", "pdu", "PDU-415V-3P", rack)
        psus = HARDWARE["XE9680"].psus
        for slot, host in enumerate(hosts):
            for n in range(1, psus + 1):
                side = "a" if n <= psus // 2 else "b"
                circuit = f"pdu-{rack.rack.lower()}-{side}/{slot // HOSTS_PER_CIRCUIT + 1}"
                self.plan.power.append(Supply(host, str(n), f"row-{rack.row.lower()}-{side}", circuit, CIRCUIT_W))


def _upto(count: int) -> range:
    return range(1, count + 1)


def _names(prefix: str, count: int, digits: int) -> list[str]:
    """Numbered from 1, all of one width, so that a plain sort is their order."""
    width = max(digits, len(str(count)))
    return [f"{prefix}{n:0{width}d}" for n in _upto(count)]
