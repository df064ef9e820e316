"""The parts of one machine with its faults: the one place that BMC and ramdisk both read.

A part is a plain mapping for the ramdisk's inventory plus what only the BMC shows (state, health).
"""

from typing import NamedTuple

from provisioning.simulator import reference
from provisioning.simulator.host import Host


class Part(NamedTuple):
    """One part. `state` and `health` in Redfish's words; `width` and `generation` of its PCIe link."""

    kind: str
    slot: str
    number: int
    serial: str
    state: str = "Enabled"
    health: str | None = "OK"
    width: int = reference.PCIE_WIDTH
    generation: int = reference.PCIE_GENERATION

    @property
    def is_there(self) -> bool:
        """Whether the operating system finds it."""
        return self.state == "Enabled" and self.health == "OK"


_SLOTS: dict[str, tuple[str, ...]] = {
    "cpu": reference.CPUS,
    "dimm": reference.DIMMS,
    "gpu": reference.GPUS,
    "nvswitch": reference.NVSWITCHES,
    "hca": reference.HCAS,
    "os_drive": reference.OS_DRIVES,
    "drive": reference.DATA_DRIVES,
    "psu": reference.PSUS,
}
_PCIE = ("gpu", "hca")


def of(host: Host, kind: str) -> list[Part]:
    """The parts of this kind that the BMC lists, in the order of their slots."""
    fault = host.fault
    parts = []
    for index, slot in enumerate(_SLOTS[kind]):
        part = Part(kind, slot, index, host.serial(kind, slot))
        if fault is not None and fault.slot == slot and fault.part in (kind, "pcie"):
            broken = _broken(part, fault.how)
            if broken is None:
                continue
            part = broken
        parts.append(part)
    return parts


def _broken(part: Part, how: str | None) -> Part | None:
    """The part as its fault shows it; None: it is not listed at all."""
    if how == "absent":
        return part._replace(state="Absent", health=None, serial="")
    if how == "failed":
        return part._replace(health="Critical")
    if how == "narrow" and part.kind in _PCIE:
        return part._replace(width=4)
    if how == "old_generation" and part.kind in _PCIE:
        return part._replace(generation=3)
    return None if how == "unlisted" else part


def health_rollup(host: Host) -> str:
    """The worst health of all parts."""
    return "Critical" if host.fault is not None and host.fault.how == "failed" else "OK"


def inventory(host: Host) -> dict[str, object]:
    """What the ramdisk finds, in the form of the event `inventory`."""
    return {
        "serial": host.tag,
        "uuid": host.uuid,
        "bios": host.bios_version,
        "cpus": [{"slot": p.slot, "model": reference.CPU_MODEL} for p in _found(host, "cpu")],
        "dimms": [{"slot": p.slot, "size_gib": reference.DIMM_GIB, "serial": p.serial} for p in _found(host, "dimm")],
        "drives": [_drive(p) for kind in ("os_drive", "drive") for p in _found(host, kind)],
        "nics": [
            {"name": f"eth{index}", "mac": address, "speed_gbps": reference.ETHERNET_GBPS}
            for index, address in enumerate(ethernet_macs(host))
        ],
        "hcas": [
            {
                "name": f"mlx5_{p.number}",
                "slot": p.slot,
                "node_guid": host.node_guids[p.number],
                "serial": p.serial,
                "pcie_width": p.width,
                "pcie_gen": p.generation,
            }
            for p in _found(host, "hca")
        ],
        "gpus": [
            {"slot": p.slot, "serial": p.serial, "pcie_width": p.width, "pcie_gen": p.generation}
            for p in _found(host, "gpu")
        ],
    }


def os_drive(host: Host, wanted: dict[str, object]) -> Part | None:
    """The one drive that the orders mean ({"serial"} or {"role"}), or None."""
    drives = [*_found(host, "os_drive"), *_found(host, "drive")]
    if wanted.get("serial"):
        matching = [drive for drive in drives if drive.serial == wanted["serial"]]
    else:
        # The two drives of the boot controller are one mirrored volume: its first drive stands for it.
        matching = [drive for drive in drives if drive.kind == "os_drive"][:1] if wanted.get("role") == "os" else []
    return matching[0] if len(matching) == 1 else None


def ethernet_macs(host: Host) -> tuple[str, str]:
    """Both ports of the Ethernet adapter; the first one boots."""
    first = host.boot_mac
    last = int(first[-2:], 16) ^ 0x80
    return first, f"{first[:3]}{int(first[3:5], 16) ^ 0x40:02x}{first[5:-2]}{last:02x}"


def _found(host: Host, kind: str) -> list[Part]:
    return [part for part in of(host, kind) if part.is_there]


def _drive(part: Part) -> dict[str, object]:
    is_os = part.kind == "os_drive"
    size_gb = reference.OS_DRIVE_GB if is_os else reference.DATA_DRIVE_GB
    return {"slot": part.slot, "serial": part.serial, "size_gb": size_gb, "role": "os" if is_os else "data"}
