"""Checks of the rows apart from the fabric: references, doubles, addresses, places, power. Linear in the rows."""

import ipaddress
from collections import defaultdict
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from fleet.plan.problems import DESIGN, Problem
from fleet.plan.profiles import RACK_UNITS, hardware
from fleet.plan.rows import Device, Network, Plan, Supply

NEAR_MISSES = 20  # so many unknown names get a suggestion; each costs a walk over all names
_IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network


def problems(plan: Plan) -> list[Problem]:
    """Everything that is wrong with the rows themselves."""
    return [
        *_sites(plan),
        *_unknown_devices(plan),
        *_double_serials(plan),
        *_double_guids(plan),
        *_addresses(plan),
        *_networks(plan),
        *_places(plan),
        *_power(plan),
    ]


def _sites(plan: Plan) -> Iterator[Problem]:
    """A folder is the plan of one site: networks and feeds have no site column, and a load compares whole sites."""
    site = next((d.site for d in plan.devices if d.site), "")
    for device in plan.devices:
        if device.site and device.site != site:
            words = f"another site than that of {plan.devices[0].name} on line {plan.devices[0].line}"
            expected = f"{site}, and a folder of its own for each site"
            yield Problem("devices.csv", device.line, "site", device.site, words, expected, "two_sites")


def _unknown_devices(plan: Plan) -> Iterator[Problem]:
    """A name that no device has, once per file and name however many rows say it."""
    known = plan.by_name()
    wrong: dict[tuple[str, str, str], list[int]] = defaultdict(list)
    columns: tuple[tuple[str, Iterable[Any], tuple[str, ...]], ...] = (
        ("cables.csv", plan.cables, ("a_device", "b_device")),
        ("power.csv", plan.power, ("device",)),
        ("addresses.csv", plan.addresses, ("device",)),
        ("guids.csv", plan.guids, ("device",)),
    )
    for file, lines, names in columns:
        for row in lines:
            for column in names:
                name = getattr(row, column)
                if name and name not in known:
                    wrong[file, column, name].append(row.line)
    for nth, ((file, column, name), at) in enumerate(wrong.items()):
        words = "no such device" + (f" (on {len(at)} lines)" if len(at) > 1 else "")
        near = get_close_matches(name, known, n=1) if nth < NEAR_MISSES else []
        expected = f"a name of devices.csv{', perhaps ' + near[0] if near else ''}"
        yield Problem(file, at[0], column, name, words, expected, "unknown_device")


def _double_serials(plan: Plan) -> Iterator[Problem]:
    first: dict[str, Device] = {}
    for device in plan.devices:
        if device.serial:
            other = first.setdefault(device.serial, device)
            if other is not device:
                words = f"also the serial of {other.name} on line {other.line}"
                expected = "each serial once"
                yield Problem("devices.csv", device.line, "serial", device.serial, words, expected, "double_serial")


def _double_guids(plan: Plan) -> Iterator[Problem]:
    first: dict[str, Any] = {}
    for row in plan.guids:
        if row.node_guid:
            other = first.setdefault(row.node_guid, row)
            if other is not row:
                words = f"also the GUID of {other.device} {other.port}".rstrip() + f" on line {other.line}"
                yield Problem("guids.csv", row.line, "node_guid", row.node_guid, words, "each GUID once", "double_guid")


def _addresses(plan: Plan) -> Iterator[Problem]:
    """Every address and MAC has one owner. A BMC stands in devices.csv and may stand in addresses.csv again, equal."""
    networks = {n.name: (n, ipaddress.ip_network(n.cidr)) for n in plan.networks if n.cidr}
    names = {n.name for n in plan.networks}
    management = [net for row, net in networks.values() if row.purpose == "management"]
    owners = _Owners()
    for device in plan.devices:
        for column in ("bmc_address", "bmc_mac"):
            yield from owners.claim("devices.csv", device.line, column, getattr(device, column), device.name)
        yield from _in_management(device, management)
    by_name = plan.by_name()
    for row in plan.addresses:
        if row.network and row.network not in names:
            words, expected = "no such network", f"one of {', '.join(names) or 'networks.csv'}"
            yield Problem("addresses.csv", row.line, "network", row.network, words, expected, "unknown_network")
        elif row.address and row.network in networks:
            yield from _in_network(networks[row.network], row.address, "addresses.csv", row.line, "address")
        bmc_of = by_name.get(row.device) if row.interface == "bmc" else None
        if bmc_of:
            yield from _same_bmc(bmc_of, row.address, row.mac, row.line)
        else:
            for column in ("address", "mac"):
                owner = f"{row.device} {row.interface}"
                yield from owners.claim("addresses.csv", row.line, column, getattr(row, column), owner)


class _Owners:
    """Who claimed an address or MAC first."""

    def __init__(self) -> None:
        self._first: dict[str, tuple[str, str, int]] = {}

    def claim(self, file: str, line: int, column: str, value: str, *owner: str) -> Iterator[Problem]:
        if not value:
            return
        mine = (owner[0], file, line)
        other = self._first.setdefault(value, mine)
        if other != mine:
            words = f"also of {other[0]} ({other[1]} line {other[2]})"
            yield Problem(file, line, column, value, words, "one owner each", f"double_{column.removeprefix('bmc_')}")


def _same_bmc(device: Device, address: str, mac: str, line: int) -> Iterator[Problem]:
    for column, value, right in (("address", address, device.bmc_address), ("mac", mac, device.bmc_mac)):
        if value and value != right:
            words = f"devices.csv line {device.line} says otherwise"
            expected = right or f"the same in bmc_{column} there"
            yield Problem("addresses.csv", line, column, value, words, expected, "bmc_differs")


def _in_management(device: Device, management: list[_IpNetwork]) -> Iterator[Problem]:
    if device.bmc_address and management:
        address = ipaddress.ip_address(device.bmc_address)
        if not any(address in network for network in management):
            expected = "in " + " or ".join(map(str, management))
            words, at = "in no management network", device.line
            yield Problem("devices.csv", at, "bmc_address", device.bmc_address, words, expected, "outside_network")


def _in_network(found: tuple[Network, _IpNetwork], text: str, file: str, line: int, column: str) -> Iterator[Problem]:
    row, network = found
    address = ipaddress.ip_address(text)
    if address not in network:
        words = f"outside of the network {row.name}"
    elif network.num_addresses > 2 and address in (network.network_address, network.broadcast_address):
        words = f"the network {row.name} itself, or its broadcast address"
    else:
        return
    yield Problem(file, line, column, text, words, f"an address of a machine in {network}", "outside_network")


def _networks(plan: Plan) -> Iterator[Problem]:
    """Networks that overlap, and gateways that are elsewhere."""
    known = [(ipaddress.ip_network(n.cidr), n) for n in plan.networks if n.cidr]
    known.sort(key=lambda pair: (pair[0].version, int(pair[0].network_address), pair[0].prefixlen))
    reach: tuple[_IpNetwork, Network] | None = None
    for network, row in known:
        if row.gateway:
            yield from _in_network((row, network), row.gateway, "networks.csv", row.line, "gateway")
        if reach and reach[0].version == network.version and network.network_address <= reach[0].broadcast_address:  # type: ignore[operator]
            words = f"overlaps {reach[1].name} ({reach[0]}) on line {reach[1].line}"
            yield Problem("networks.csv", row.line, "cidr", row.cidr, words, "networks apart", "networks_overlap")
        else:
            reach = (network, row)


def _places(plan: Plan) -> Iterator[Problem]:
    """Two boxes in one unit, a box above the top of its rack, a unit without a rack."""
    taken: dict[tuple[tuple[str, str, str, str], int], Device] = {}
    for device in sorted(plan.devices, key=lambda d: d.line):
        if device.unit is None:
            continue
        top = device.unit + hardware(device.profile).height_u - 1
        shown = f"{device.rack} U{device.unit}" + (f" to U{top}" if top > device.unit else "")
        if not device.rack:
            words, expected = "a unit without a rack", "rack filled, or unit empty"
            yield Problem("devices.csv", device.line, "unit", str(device.unit), words, expected, "no_rack")
            continue
        if top > RACK_UNITS:
            words, expected = f"{shown} is above the top", f"a rack has {RACK_UNITS} units"
            yield Problem("devices.csv", device.line, "unit", str(device.unit), words, expected, "above_rack")
        others = [taken.setdefault((device.place, unit), device) for unit in range(device.unit, top + 1)]
        other = next((o for o in others if o is not device), None)
        if other:
            words = f"{shown} overlaps {other.name} on line {other.line}, which begins at U{other.unit}"
            yield Problem("devices.csv", device.line, "unit", str(device.unit), words, "units apart", "units_overlap")


def _power(plan: Plan) -> Iterator[Problem]:
    """Circuits that carry too much once the other feed is gone, limits that contradict, supplies all on one feed."""
    known = plan.by_name()
    supplies: dict[str, list[Supply]] = defaultdict(list)
    circuits: dict[tuple[str, str], list[Supply]] = defaultdict(list)
    for supply in plan.power:
        supplies[supply.device].append(supply)
        if supply.circuit:
            circuits[supply.feed, supply.circuit].append(supply)
    on_feed: dict[tuple[str, str], int] = defaultdict(int)
    for device, lines in supplies.items():
        for supply in lines:
            on_feed[device, supply.feed] += 1
        if len(lines) > 1 and len({s.feed for s in lines if s.feed}) == 1:
            first = lines[0]
            words, expected = f"all {len(lines)} supplies of {device} hang on it", "supplies on two feeds"
            yield Problem("power.csv", first.line, "feed", first.feed, words, expected, "one_feed", DESIGN)
    for lines in circuits.values():
        yield from _circuit(lines, known, on_feed)


def _circuit(lines: list[Supply], known: dict[str, Device], on_feed: dict[tuple[str, str], int]) -> Iterator[Problem]:
    first = lines[0]
    limited = [s for s in lines if s.limit_w is not None]
    for supply in limited[1:]:
        if supply.limit_w != limited[0].limit_w:
            words = f"circuit {supply.circuit} has {limited[0].limit_w} on line {limited[0].line}"
            shown = str(supply.limit_w)
            yield Problem("power.csv", supply.line, "limit_w", shown, words, "one limit a circuit", "limits_differ")
    if not limited:
        return
    load = 0.0
    for supply in lines:
        box = known.get(supply.device)
        spec = hardware(box.profile if box else "")
        many = on_feed[supply.device, supply.feed]
        load += min(spec.power_w / many, spec.psu_w) if spec.psu_w else spec.power_w / many
    limit = limited[0].limit_w or 0
    if load > limit:
        words = f"carries up to {load:.0f} W when the other feed is gone, over its limit of {limit} W"
        yield Problem("power.csv", first.line, "circuit", first.circuit, words, "fewer supplies", "overload", DESIGN)
