"""The plan folder, as far as the simulator needs it: which hosts stand where, with which identity."""

import csv
from dataclasses import dataclass
from pathlib import Path

from provisioning.simulator import draw

HCAS = tuple(f"mlx5_{rail}" for rail in range(8))


class BadInput(Exception):
    """Unusable input; the text is the one line that the command prints before it exits with 2."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One host. Addresses are IPv4 text, MACs lower case with colons, GUIDs as in the plan."""

    index: int
    name: str
    tag: str
    bmc_address: str
    bmc_mac: str
    os_address: str
    boot_mac: str
    node_guids: tuple[str, ...]


def read(folder: Path, *, seed: int) -> list[HostPlan]:
    """All hosts of the plan, in its order. What is not yet known (serial, MAC, GUID) is drawn by the seed.

    Raises BadInput when a file or a column that is needed is not there.
    """
    devices = _rows(folder / "devices.csv", {"name", "role"})
    addresses: dict[tuple[str, str], dict[str, str]] = {}
    for row in _rows(folder / "addresses.csv", {"device", "interface", "address"}, optional=True):
        addresses[row["device"], row["interface"]] = row
    guids: dict[tuple[str, str], str] = {}
    for row in _rows(folder / "guids.csv", {"device", "port", "node_guid"}, optional=True):
        guids[row["device"], row["port"]] = row["node_guid"]
    hosts = [row for row in devices if row["role"] == "host"]
    return [_host(index, row, addresses, guids, seed) for index, row in enumerate(hosts)]


def _host(
    index: int,
    row: dict[str, str],
    addresses: dict[tuple[str, str], dict[str, str]],
    guids: dict[tuple[str, str], str],
    seed: int,
) -> HostPlan:
    name = row["name"]
    bmc, eth = addresses.get((name, "bmc"), {}), addresses.get((name, "eth0"), {})
    drawn = tuple(f"0x{draw.number(seed, name, 'guid', hca):016x}" for hca in HCAS)
    return HostPlan(
        index=index,
        name=name,
        tag=row.get("serial") or draw.code(7, seed, name, "tag"),
        bmc_address=row.get("bmc_address") or bmc.get("address") or loopback(64, index),
        bmc_mac=(row.get("bmc_mac") or bmc.get("mac") or mac(seed, name, "bmc")).lower(),
        os_address=eth.get("address") or loopback(128, index),
        boot_mac=(eth.get("mac") or mac(seed, name, "eth0")).lower(),
        node_guids=tuple(guids.get((name, hca)) or drawn[rail] for rail, hca in enumerate(HCAS)),
    )


def loopback(first: int, index: int) -> str:
    """Address number `index` of the loopback range that starts at 127.`first`."""
    return f"127.{first + index // 62500}.{index // 250 % 250}.{index % 250 + 1}"


def mac(*purpose: object) -> str:
    """A MAC address of Dell's range for this purpose."""
    return "b4:45:06:" + ":".join(f"{draw.number(*purpose, 'mac') >> shift & 255:02x}" for shift in (16, 8, 0))


def _rows(path: Path, needed: set[str], *, optional: bool = False) -> list[dict[str, str]]:
    if optional and not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file)
            missing = needed - set(reader.fieldnames or ())
            if missing:
                raise BadInput(f"{path}: column {sorted(missing)[0]!r} is missing; found {reader.fieldnames}")
            return [{key: (value or "").strip() for key, value in row.items() if key} for row in reader]
    except OSError as error:
        raise BadInput(f"{path}: cannot be read ({error.strerror}); --plan wants a plan folder") from error
