"""Faults that a host can carry, and where it must end because of them."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from provisioning.simulator import draw, reference
from provisioning.simulator.plan import BadInput

BRINGUP_SHARE = 0.10


class Kind(NamedTuple):
    """One row of the table: the end (state, cause), a finding that must be open, other ends that are right as well."""

    state: str
    cause: str | None
    may_also: tuple[tuple[str, str | None], ...] = ()
    finding: str | None = None


def _out(cause: str, *may_also: tuple[str, str | None]) -> Kind:
    return Kind("quarantined", cause, may_also)


_LATE = Kind("in_service", None)
KINDS: dict[str, Kind] = {
    "bmc_unreachable": _out("bmc_unreachable"),
    "bmc_credentials": _out("bmc_credentials"),
    "wrong_serial": _out("identity_mismatch"),
    "psu_dead": _out("part_missing"),
    "gpu_missing": _out("part_missing"),
    "hca_missing": _out("part_missing"),
    "nvme_missing": _out("part_missing"),
    "dimm_missing": _out("part_missing"),
    "pcie_degraded": _out("pcie_degraded"),
    "bios_wrong": _out("firmware_drift", ("in_service", None)),
    "firmware_wrong": _out("firmware_drift", ("in_service", None)),
    "clock_refused": _out("clock"),
    "ethernet_unplugged": _out("no_network_boot"),
    "boot_loop": _out("boot_loop"),
    "post_hang": _out("post_hang"),
    "disk_readonly": _out("image_write"),
    "no_phone_home": _out("no_phone_home"),
    "gpu_wrong_sums": _out("burn_in"),
    "clock_wrong": Kind("in_service", None, finding="clock_corrected"),
    "once_ignored": _LATE,
    "power_noop": _LATE,
    "bmc_busy": _LATE,
    "slow_post": _LATE,
    "bmc_reboot_mid_install": _LATE,
    "dhcp_slow": _LATE,
}

# What breaks in a host that serves: set by hand (`sim break`) only, so that no draw of a bring-up changes.
LATER: dict[str, Kind] = {
    "fan_failed": Kind("in_service", None, finding="fan"),
    "inlet_hot": Kind("in_service", None, finding="inlet_hot"),
    # A BIOS on which the GPUs are slow to reach: seen by a test that asks for it, where that version is waived.
    "bios_slow": _out("firmware_drift", ("quarantined", "validation")),
}
ALL = KINDS | LATER

# Slots of which one carries the fault, and how: not listed, listed as absent, listed as failed.
_PARTS: dict[str, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    "psu_dead": ("psu", reference.PSUS, ("unlisted", "absent", "failed")),
    "gpu_missing": ("gpu", reference.GPUS, ("unlisted", "absent")),
    "hca_missing": ("hca", reference.HCAS, ("unlisted", "absent")),
    "nvme_missing": ("drive", reference.DATA_DRIVES, ("unlisted", "absent")),
    "dimm_missing": ("dimm", reference.DIMMS, ("unlisted", "absent", "failed")),
    "pcie_degraded": ("pcie", reference.GPUS + reference.HCAS, ("narrow", "old_generation")),
    "gpu_wrong_sums": ("gpu", reference.GPUS, ("wrong sums",)),
    "fan_failed": ("fan", reference.FANS, ("failed",)),
    "bios_wrong": ("firmware", ("BIOS.Setup.1-1",), ("2.1.4",)),
    "bios_slow": ("firmware", ("BIOS.Setup.1-1",), ("2.1.4",)),
    "firmware_wrong": (
        "firmware",
        ("iDRAC.Embedded.1-1", "CPLD.Embedded.1", *(f"{hca}-1" for hca in reference.HCAS), *reference.HGX_FIRMWARE),
        ("older",),
    ),
}


class Fault:
    """One host's fault. `part`, `slot` and `how` are drawn by the seed; `fired` counts how often it showed."""

    __slots__ = ("fired", "how", "name", "part", "slot")

    def __init__(self, name: str, *, seed: int, host: str) -> None:
        self.name = name
        self.fired = 0
        self.part: str | None = None
        self.slot: str | None = None
        self.how: str | None = None
        if name in _PARTS:
            self.part, slots, ways = _PARTS[name]
            self.slot = draw.pick(slots, seed, host, name, "slot")
            self.how = draw.pick(ways, seed, host, name, "how")

    def truth(self) -> dict[str, Any]:
        """What the control API says about it."""
        kind = ALL[self.name]
        found = None if self.part is None else {"kind": self.part, "slot": self.slot, "how": self.how}
        return {**_truth(kind), "fault": self.name, "detail": found, "fired": self.fired}


def healthy() -> dict[str, Any]:
    """What the control API says about a host without a fault."""
    return {**_truth(_LATE), "fault": None, "detail": None, "fired": 0}


def _truth(kind: Kind) -> dict[str, Any]:
    end = {"state": kind.state, "cause": kind.cause}
    return {"expected": end, "may_also": _ends(kind), "finding": kind.finding}


def _ends(kind: Kind) -> list[dict[str, str | None]]:
    return [{"state": state, "cause": cause} for state, cause in kind.may_also]


def choose(source: str, hosts: Iterable[str], *, seed: int) -> dict[str, str]:
    """Fault names by host for `--faults`: "none", "bringup", or a JSON file {host: fault}.

    "bringup" draws each host for itself, so that the number of hosts does not change who is hit.
    Raises BadInput for an unknown fault or host.
    """
    if source == "none":
        return {}
    if source == "bringup":
        kinds = sorted(KINDS)
        hit = (host for host in hosts if draw.fraction(seed, host, "faulty") < BRINGUP_SHARE)
        return {host: draw.pick(kinds, seed, host, "which fault") for host in hit}
    return checked(_read(Path(source)), set(hosts))


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise BadInput(f"--faults {path}: want none, bringup or a JSON file ({error})") from error
    if not isinstance(content, dict):
        raise BadInput(f"--faults {path}: want a JSON object {{host: fault}}, found {type(content).__name__}")
    return content


def checked(wanted: Mapping[str, Any], hosts: set[str]) -> dict[str, str]:
    """`wanted` if every host and fault in it is known; raises BadInput that names the first that is not."""
    for host, fault in wanted.items():
        if host not in hosts:
            raise BadInput(
                f"faults: unknown host {host!r}; the plan has {len(hosts)} hosts, such as {min(hosts, default=None)!r}"
            )
        if not isinstance(fault, str) or fault not in ALL:
            raise BadInput(f"faults: unknown fault {fault!r} of host {host!r}; known: {', '.join(ALL)}")
    return dict(wanted)
