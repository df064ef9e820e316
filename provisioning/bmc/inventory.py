"""The parts of a host, read in 15 to 20 requests where the BMC can expand.

Numbers of lanes and generations come from the adapter or processor itself, else from the PCIe device with the same
serial. GPUs are the processors of type GPU together with those that the HGX board shows; one record a serial.
"""

from collections.abc import Awaitable, Iterable
from dataclasses import replace
from typing import Final

from provisioning.bmc import fields
from provisioning.bmc.channel import Channel, together
from provisioning.bmc.errors import BmcUnsupported
from provisioning.bmc.fields import Json
from provisioning.bmc.system import port_mac
from provisioning.bmc.types import Hca, Inventory, Nic, Part, PartKind

VERB: Final = "read the inventory"
_HGX_PROCESSORS: Final = "/redfish/v1/Systems/HGX_Baseboard_0/Processors"
_CHASSIS: Final = "/redfish/v1/Chassis"
_MIB: Final = 1024**2


def slot(row: Json) -> str:
    """Id of a part, on Dell its FQDD."""
    return fields.text(row, "Id") or fields.text(row, "Name") or fields.last_part(fields.link(row) or "")


def present(row: Json) -> bool:
    """False only where the BMC says Absent: an empty state is unknown, not missing."""
    return fields.text(row, "Status", "State") != "Absent"


def part(row: Json, kind: PartKind) -> Part:
    """A part from its resource, whatever is in it."""
    lanes = fields.mapping(fields.at(row, "SystemInterface", "PCIe") or row.get("PCIeInterface"))
    return Part(
        slot=slot(row),
        kind=kind,
        model=fields.real_text(row, "Model") or fields.real_text(row, "Name"),
        serial=serial(row),
        health=fields.verdict(row),
        present=present(row),
        size_bytes=_size(row),
        firmware=fields.real_text(row, "FirmwareVersion") or fields.real_text(row, "Revision"),
        **_lanes(lanes),
    )


def serial(row: Json) -> str | None:
    """Serial number of a part."""
    return fields.real_text(row, "SerialNumber")


def _size(row: Json) -> int | None:
    found = fields.integer(row, "CapacityBytes")
    mib = fields.integer(row, "CapacityMiB")
    if found is None and mib is not None and mib < 2**40:
        found = mib * _MIB
    return found if found and found > 0 else None


def _lanes(lanes: Json) -> dict[str, int | None]:
    def width(key: str) -> int | None:
        found = fields.integer(lanes, key)
        return found if found is not None and 0 < found <= 64 else None

    return {
        "pcie_width": width("LanesInUse"),
        "pcie_gen": fields.generation(lanes.get("PCIeType")),
        "pcie_max_width": width("MaxLanes"),
        "pcie_max_gen": fields.generation(lanes.get("MaxPCIeType")),
    }


def parts(rows: Iterable[Json], kind: PartKind) -> tuple[Part, ...]:
    """Parts of one kind, in the order of their slots."""
    return tuple(sorted((part(row, kind) for row in rows if row), key=lambda found: fields.slot_order(found.slot)))


def processors(rows: Iterable[Json], kind: str) -> list[Json]:
    """Processors of type CPU or GPU. A row without type is a CPU."""
    return [row for row in rows if (fields.text(row, "ProcessorType") or "CPU").upper() == kind]


def union(found: Iterable[Part], more: Iterable[Part]) -> tuple[Part, ...]:
    """One part a serial. A row of `more` fills what its twin lacks; without a twin it counts if it has a serial.

    A row without serial cannot be told from its twin, so it counts only where `found` is empty.
    """
    merged = {row.serial or row.slot: row for row in found}
    alone = not merged
    for row in more:
        known = merged.get(row.serial or row.slot)
        if known is not None:
            merged[known.serial or known.slot] = _filled(known, row)
        elif row.serial or alone:
            merged[row.serial or row.slot] = row
    return tuple(sorted(merged.values(), key=lambda row: fields.slot_order(row.slot)))


def _filled(known: Part, other: Part) -> Part:
    names = ("model", "firmware", "size_bytes", "pcie_width", "pcie_gen", "pcie_max_width", "pcie_max_gen")
    missing = {name: getattr(other, name) for name in names if getattr(known, name) is None}
    health = other.health if known.health == "unknown" else known.health
    return replace(known, health=health, **missing)


def is_hca(adapter: Json, functions: Iterable[Json] = ()) -> bool:
    """InfiniBand by its FQDD, or by what a function of it is."""
    return slot(adapter).startswith("InfiniBand.") or any(
        fields.text(row, "NetDevFuncType") == "InfiniBand" or fields.guid(fields.at(row, "InfiniBand", "NodeGUID"))
        for row in functions
    )


def hca(adapter: Json, functions: Iterable[Json], devices: dict[str, Part]) -> Hca:
    """An InfiniBand adapter from its resource, its functions and the PCIe devices by serial."""
    controller = next(iter(fields.items(adapter.get("Controllers"))), {})
    rows = sorted(functions, key=lambda row: fields.slot_order(slot(row)))
    guids = (
        fields.guid(fields.at(row, "InfiniBand", key)) for row in rows for key in ("NodeGUID", "PermanentNodeGUID")
    )
    number = serial(adapter)
    device = devices.get(number or "")
    lanes = _lanes(fields.mapping(controller.get("PCIeInterface")))
    if device is not None:
        lanes = {key: getattr(device, key) if value is None else value for key, value in lanes.items()}
    return Hca(
        name=slot(adapter),
        node_guid=next((found for found in guids if found), None),
        model=fields.real_text(adapter, "Model"),
        serial=number,
        firmware=fields.real_text(controller, "FirmwarePackageVersion"),
        health=fields.verdict(adapter),
        present=present(adapter),
        **lanes,
    )


def nic(port: Json) -> Nic:
    """An Ethernet port. Old firmware gives SpeedMbps null or 0 while the link is down."""
    mbps = fields.integer(port, "SpeedMbps")
    link = fields.text(port, "LinkStatus")
    return Nic(
        name=slot(port),
        mac=port_mac(port),
        port=fields.real_text(port, "Description"),
        speed_gbps=mbps // 1000 if mbps and mbps > 0 else None,
        link_up=None if link is None else link == "LinkUp",
        health=fields.verdict(port),
    )


def nics(ports: Iterable[Json]) -> tuple[Nic, ...]:
    """Ethernet ports in the order of their slots."""
    rows = (nic(port) for port in ports if port and not slot(port).startswith("InfiniBand."))
    return tuple(sorted(rows, key=lambda row: fields.slot_order(row.name)))


async def read(channel: Channel) -> Inventory:
    """Read everything. A section that the BMC does not have is named in `unread`; other errors end the reading."""
    paths = await channel.paths()
    unread: list[str] = []

    async def section(name: str, rows: Awaitable[list[Json]]) -> list[Json]:
        try:
            return await rows
        except BmcUnsupported:
            unread.append(name)
            return []

    found, dimms, drives, ports, adapters, devices, supplies, boards = await together(
        section("cpus", channel.members(paths.processors, VERB)),
        section("dimms", channel.members(paths.memory, VERB)),
        section("drives", _drives(channel, paths.storage)),
        section("nics", channel.members(paths.ethernet, VERB)),
        section("hcas", channel.members(paths.adapters, VERB)),
        section("pcie", channel.members(paths.pcie_devices, VERB)),
        section("psus", channel.members(paths.psus, VERB)),
        section("boards", channel.members(_CHASSIS, VERB)),
    )
    by_serial = {row.serial: row for row in parts(devices, "gpu") if row.serial}
    known_ports = {slot(port) for port in ports}
    gpus, board_gpus = processors(found, "GPU"), [row for row in boards if slot(row).startswith("HGX_GPU_")]
    if not gpus and board_gpus:
        gpus = processors(await section("gpus", channel.members(_HGX_PROCESSORS, VERB)), "GPU")
    return Inventory(
        cpus=parts(processors(found, "CPU"), "cpu"),
        dimms=parts(dimms, "dimm"),
        drives=parts(drives, "drive"),
        gpus=_with_lanes(union(parts(gpus, "gpu"), parts(board_gpus, "gpu")), by_serial),
        nvswitches=parts((row for row in boards if slot(row).startswith("HGX_NVSwitch_")), "nvswitch"),
        hcas=await _hcas(channel, adapters, known_ports, by_serial),
        nics=nics(ports),
        psus=parts(supplies, "psu"),
        unread=tuple(sorted(unread)),
    )


def _with_lanes(found: tuple[Part, ...], devices: dict[str, Part]) -> tuple[Part, ...]:
    return tuple(_filled(row, devices[row.serial]) if row.serial in devices else row for row in found)


async def read_psus(channel: Channel) -> tuple[Part, ...]:
    """The power supplies only, empty where the BMC shows none: 1 request."""
    try:
        return parts(await channel.members((await channel.paths()).psus, VERB), "psu")
    except BmcUnsupported:
        return ()


async def _drives(channel: Channel, path: str) -> list[Json]:
    """Drives of all controllers: expansion reaches one level, so a controller's drives are often mere links."""
    rows: list[Json] = []
    for controller in await channel.members(path, VERB):
        drives = fields.items(controller.get("Drives"))
        own = fields.link(controller)
        if own and any(len(row) == 1 for row in drives) and (await channel.quirks()).expand:
            drives = fields.items((await channel.expanded(own, VERB)).get("Drives"))
        rows += await channel.filled(drives, VERB)
    return rows


async def _hcas(
    channel: Channel, adapters: list[Json], known_ports: set[str], devices: dict[str, Part]
) -> tuple[Hca, ...]:
    """InfiniBand adapters with their GUIDs: 1 request each. Adapters whose ports are Ethernet are not asked."""
    asked = [row for row in adapters if not any(name.startswith(f"{slot(row)}-") for name in known_ports)]
    functions = await together(*(_functions(channel, row) for row in asked))
    found = [hca(row, rows, devices) for row, rows in zip(asked, functions, strict=True) if is_hca(row, rows)]
    return tuple(sorted(found, key=lambda row: fields.slot_order(row.name)))


async def _functions(channel: Channel, adapter: Json) -> list[Json]:
    path = fields.link(adapter.get("NetworkDeviceFunctions")) if present(adapter) else None
    try:
        return await channel.members(path, VERB) if path else []
    except BmcUnsupported:
        return []
