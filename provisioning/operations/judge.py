"""Is the machine what its profile says: parts, PCIe links, firmware. Pure; data in, deviations out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from provisioning.bmc.types import FirmwareRow, Inventory


@dataclass(frozen=True)
class Deviation:
    """One difference from the profile. check: the name by which it can be waived."""

    cause: str
    check: str
    words: str


@dataclass(frozen=True)
class SeenPart:
    """A part as inspection judges it, wherever it was read."""

    kind: str
    slot: str
    present: bool
    health: str
    serial: str = ""
    model: str = ""
    firmware: str = ""
    size: str = ""
    pcie_width: int | None = None
    pcie_gen: int | None = None


_KINDS = ("cpus", "dimms", "drives", "gpus", "nvswitches", "psus", "hcas")


def parts_of(inventory: Inventory) -> list[SeenPart]:
    """Every part of a BMC's inventory in one form."""
    found = []
    for group in _KINDS:
        for part in getattr(inventory, group):
            size = getattr(part, "size_bytes", None)
            found.append(
                SeenPart(
                    kind=getattr(part, "kind", "hca"),
                    slot=str(getattr(part, "slot", None) or getattr(part, "name", "")),
                    present=part.present,
                    health=part.health,
                    serial=part.serial or "",
                    model=part.model or "",
                    firmware=part.firmware or "",
                    size=f"{size / 2**30:.0f} GiB" if size else "",
                    pcie_width=getattr(part, "pcie_width", None),
                    pcie_gen=getattr(part, "pcie_gen", None),
                )
            )
    return found


def parts(profile: Mapping[str, Any], seen: Iterable[SeenPart], *, unread: Iterable[str] = ()) -> list[Deviation]:
    """Missing, failed or narrowly linked parts. profile["parts"]: kind to count; ["slots"]: kind to slot names."""
    by_kind: dict[str, list[SeenPart]] = {}
    for part in seen:
        by_kind.setdefault(part.kind, []).append(part)
    found: list[Deviation] = []
    for kind, count in profile.get("parts", {}).items():
        have = by_kind.get(kind, [])
        bad = [p for p in have if not p.present or p.health == "critical"]
        found += [
            Deviation(
                "part_missing", f"{kind}:{p.slot}", f"{kind} {p.slot} {'has failed' if p.present else 'is absent'}"
            )
            for p in bad
        ]
        lacking = count - len(have)
        if lacking > 0:
            found += _absent(kind, lacking, have, profile.get("slots", {}).get(kind, []))
        found += _narrow(kind, [p for p in have if p.present], profile.get("pcie", {}).get(kind))
    return found


def _absent(kind: str, lacking: int, have: list[SeenPart], slots: list[str]) -> list[Deviation]:
    names = [s for s in slots if s not in {p.slot for p in have}][:lacking] or [
        f"number {len(have) + n + 1}" for n in range(lacking)
    ]
    return [
        Deviation("part_missing", f"{kind}:{name}", f"{kind} {name} is not there ({len(have)} seen)") for name in names
    ]


def _narrow(kind: str, have: list[SeenPart], want: Mapping[str, int] | None) -> list[Deviation]:
    if not want:
        return []
    found = []
    for p in have:
        narrow = p.pcie_width is not None and p.pcie_width < want["width"]
        slow = p.pcie_gen is not None and p.pcie_gen < want["gen"]
        if narrow or slow:
            words = (
                f"{kind} {p.slot} runs at PCIe {p.pcie_gen} x{p.pcie_width}, should be {want['gen']} x{want['width']}"
            )
            found.append(Deviation("pcie_degraded", f"pcie:{kind}:{p.slot}", words))
    return found


def firmware(profile: Mapping[str, Any], rows: Iterable[FirmwareRow], bios: Mapping[str, Any]) -> list[Deviation]:
    """Versions that are not the baseline's. bios: attribute to value.

    baseline: "component" or "component@place" to version; * stands for anything ("HGX_FW_GPU_SXM_*", "0@InfiniBand.*").
    """
    found = []
    listed = list(rows)
    for pattern, target in profile.get("baseline", {}).items():
        component, _, place = str(pattern).partition("@")
        have = [r for r in listed if fnmatchcase(r.component, component) and fnmatchcase(r.fqdd, place or "*")]
        if not have:
            found.append(Deviation("firmware_drift", f"firmware:{pattern}", f"firmware {pattern} is not listed"))
        for row in have:
            if row.version != target:
                words = f"{row.name or row.component} {row.fqdd} is {row.version}, baseline {target}"
                found.append(Deviation("firmware_drift", f"firmware:{pattern}", words))
    for attribute, target in profile.get("bios", {}).items():
        if bios.get(attribute) != target:
            words = f"BIOS {attribute} is {bios.get(attribute)!r}, baseline {target!r}"
            found.append(Deviation("firmware_drift", f"bios:{attribute}", words))
    return found


# What a ramdisk lists, by its name for each group.
IN_BAND = {"gpus": "gpu", "hcas": "hca", "drives": "drive", "dimms": "dimm", "cpus": "cpu"}


def in_band(data: Mapping[str, Any]) -> list[SeenPart]:
    """Parts as the ramdisk reports them, kinds of IN_BAND; odd rows are left out."""
    found = []
    for group, kind in IN_BAND.items():
        for row in rows_of(data.get(group)):
            width, gen = row.get("pcie_width"), row.get("pcie_gen")
            found.append(
                SeenPart(
                    kind,
                    str(row.get("slot") or row.get("name") or ""),
                    True,
                    "ok",
                    str(row.get("serial") or ""),
                    pcie_width=width if isinstance(width, int) else None,
                    pcie_gen=gen if isinstance(gen, int) else None,
                )
            )
    return found


def rows_of(said: Any) -> list[dict[str, Any]]:
    """The rows of a list that a machine sent, whatever it sent."""
    return [row for row in said if isinstance(row, dict)] if isinstance(said, list) else []


def count_of(said: Any) -> int:
    """A count that a machine sent; 0 when it is none."""
    return said if type(said) is int and 0 <= said < 2**31 else 0


def failed_tests(results: list[dict[str, Any]], planned: Iterable[Mapping[str, Any]]) -> list[str]:
    """Words for each test that failed, and for each of the plan that has no result."""
    bad = [
        f"{r.get('name')}: {r.get('words') or r.get('value')}{_limit(r)}"
        for r in results
        if r.get("passed") is not True
    ]
    lacking = {str(t["name"]) for t in planned} - {str(r.get("name")) for r in results}
    return bad + [f"{name}: no result" for name in sorted(lacking)]


def _limit(result: Mapping[str, Any]) -> str:
    return f" (limit {result['limit']})" if result.get("limit") is not None else ""
