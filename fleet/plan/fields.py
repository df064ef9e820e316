"""How the text of each column is read: a value in its canonical form, or a ValueError that says what would be right."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fleet.plan import rows

Reader = Callable[[str], Any]
_DEVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
_TOKEN = re.compile(r"[!-~]{1,64}")
_HEX12 = re.compile(r"[0-9a-f]{12}")
_HEX16 = re.compile(r"(?:0x)?([0-9a-f]{16})")
_IB_RATE = re.compile(r"(?:(?:1|2|4|8|12)x)?(?:SDR|DDR|QDR|FDR10|FDR|EDR|HDR|NDR|XDR)")
_GIGABITS = re.compile(r"[1-9]\d{0,3}(?:\.\d)?[GM]")
_HOST_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def device_name(text: str) -> str:
    """A name that a switch or HCA can carry as its node description, too."""
    if not _DEVICE.fullmatch(text):
        raise ValueError("1 to 63 letters, digits, dots, dashes or underscores, beginning with a letter or digit")
    if text.isdecimal():  # where a host is named by name or by number, such a name would be another one's number
        raise ValueError("a name that is more than a number")
    return text


def token(text: str) -> str:
    """A label, serial or port as printed: no spaces."""
    if text and not _TOKEN.fullmatch(text):
        raise ValueError("1 to 64 printable ASCII characters without spaces")
    return text


def words(text: str) -> str:
    """Free text in one line; runs of spaces count as one."""
    text = " ".join(text.split())
    if len(text) > 500 or not text.isprintable():
        raise ValueError("at most 500 printable characters")
    return text


def one_of(values: tuple[str, ...], *, empty: str | None = None) -> Reader:
    """A reader for a column that takes one of a few words; empty: what no text stands for."""

    def read(text: str) -> str:
        if not text and empty is not None:
            return empty
        if text not in values:
            raise ValueError("one of " + ", ".join(values))
        return text

    return read


def whole(low: int, high: int) -> Reader:
    """A reader for a whole number; no text is None."""

    def read(text: str) -> int | None:
        if not text:
            return None
        if not (text.isascii() and text.isdigit() and len(text) < 10 and low <= int(text) <= high):
            raise ValueError(f"a whole number from {low} to {high}")
        return int(text)

    return read


def metres(text: str) -> float | None:
    """A length; no text is None."""
    if not text:
        return None
    if not re.fullmatch(r"\d{1,4}(\.\d{1,2})?", text) or not float(text):
        raise ValueError("a length in metres above 0, such as 3 or 1.5")
    return float(text)


def rate(text: str) -> str:
    """InfiniBand by width and generation, Ethernet by gigabits."""
    if text and not (_IB_RATE.fullmatch(text) or _GIGABITS.fullmatch(text)):
        raise ValueError("such as 4xNDR, HDR, 100G or 400G")
    return text


def mac(text: str) -> str:
    """12 hexadecimal digits in any usual grouping, kept as aa:bb:cc:dd:ee:ff; not multicast, not all zero."""
    if not text:
        return ""
    digits = re.sub(r"[:.-]", "", text.lower())
    if not _HEX12.fullmatch(digits) or not int(digits, 16) or int(digits[1], 16) & 1:
        raise ValueError("the MAC address of one port, such as 02:b0:00:1c:7f:03")
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def guid(text: str) -> str:
    """16 hexadecimal digits, with 0x or colons or without, kept as 0x and 16 digits; zero is no GUID."""
    match = _HEX16.fullmatch(text.lower().replace(":", ""))
    if not match or not int(match[1], 16):
        raise ValueError("16 hexadecimal digits, such as 0xa088c20300001000")
    return "0x" + match[1]


def address(text: str) -> str:
    """An IPv4 or IPv6 address without a prefix."""
    if not text:
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("an IP address such as 10.64.0.1") from None


def cidr(text: str) -> str:
    """A network with its prefix length and no host bits."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        pass
    try:
        right = str(ipaddress.ip_network(text, strict=False))
    except ValueError:
        right = "a network such as 10.64.0.0/16"
    raise ValueError(right) from None


def servers(text: str) -> str:
    """Addresses or host names, separated by spaces or semicolons."""
    names = text.replace(";", " ").split()
    if not all(_HOST_NAME.fullmatch(n) or _is_address(n) for n in names):
        raise ValueError("addresses or host names, separated by spaces")
    return " ".join(names)


def kinds(text: str) -> str:
    """Words, separated by spaces or semicolons."""
    return words(text.replace(";", " "))


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a file. filled: a row must have a value here. blank: stands in for a value that is unreadable."""

    name: str
    read: Reader
    filled: bool = False
    blank: Any = ""


@dataclass(frozen=True, slots=True)
class Table:
    """A file of the folder: the attribute of Plan that it fills, its row type, what makes a row unique, its columns."""

    attribute: str
    row: type
    key: tuple[str, ...]
    columns: tuple[Column, ...]


_IB = "infiniband"
TABLES: dict[str, Table] = {
    "devices.csv": Table(
        "devices",
        rows.Device,
        ("name",),
        (
            Column("name", device_name, filled=True),
            Column("role", one_of(rows.ROLES), filled=True),
            Column("profile", token, filled=True),
            Column("serial", token),
            Column("site", words, filled=True),
            Column("hall", words),
            Column("row", words),
            Column("rack", words),
            Column("unit", whole(1, 100), blank=None),
            Column("pod", token),
            Column("bmc_address", address),
            Column("bmc_mac", mac),
        ),
    ),
    "cables.csv": Table(
        "cables",
        rows.Cable,
        ("label",),
        (
            Column("label", token, filled=True),
            Column("kind", one_of(rows.CABLE_KINDS, empty=_IB), blank=_IB),
            Column("a_device", device_name, filled=True),
            Column("a_port", token, filled=True),
            Column("b_device", device_name, filled=True),
            Column("b_port", token, filled=True),
            Column("rate", rate),
            Column("length_m", metres, blank=None),
            Column("medium", words),
        ),
    ),
    "power.csv": Table(
        "power",
        rows.Supply,
        ("device", "psu"),
        (
            Column("device", device_name, filled=True),
            Column("psu", token, filled=True),
            Column("feed", words, filled=True),
            Column("circuit", words),
            Column("limit_w", whole(1, 10_000_000), blank=None),
        ),
    ),
    "networks.csv": Table(
        "networks",
        rows.Network,
        ("name",),
        (
            Column("name", token, filled=True),
            Column("purpose", one_of(rows.PURPOSES), filled=True),
            Column("vlan", whole(1, 4094), blank=None),
            Column("cidr", cidr, filled=True),
            Column("gateway", address),
            Column("dns", servers),
            Column("ntp", servers),
            Column("domain", token),
            Column("dhcp", one_of(rows.DHCP_MODES, empty="none"), blank="none"),
        ),
    ),
    "addresses.csv": Table(
        "addresses",
        rows.Address,
        ("device", "interface"),
        (
            Column("device", device_name, filled=True),
            Column("interface", token, filled=True),
            Column("network", token, filled=True),
            Column("address", address, filled=True),
            Column("mac", mac),
        ),
    ),
    "guids.csv": Table(
        "guids",
        rows.Guid,
        ("device", "port"),
        (Column("device", device_name, filled=True), Column("port", token), Column("node_guid", guid, filled=True)),
    ),
    "parties.csv": Table(
        "parties",
        rows.Party,
        ("name",),
        (
            Column("name", words, filled=True),
            Column("kind", token, filled=True),
            Column("owns", kinds),
            *(Column(name, words) for name in ("contact", "phone", "mail", "address", "hours", "contract")),
        ),
    ),
}
