"""Which rows of quirks.yaml apply to a BMC, by what its service root advertises."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from functools import cache
from importlib import resources
from typing import Any, Literal

import yaml

from provisioning.bmc.fields import at, text


@dataclass(frozen=True, slots=True)
class Quirks:
    """Flags that the driver branches on; the defaults are plain Redfish. applied: ids of the rows that set them."""

    table: Literal["generic", "dell"] = "generic"
    tag_in_sku: bool = False
    ready_by_lc: bool = False
    http_boot: Literal["uri", "httpdev"] = "uri"
    led: Literal["advertised", "LocationIndicatorActive"] = "advertised"
    expand: bool = False
    clock: Literal["datetime", "time_service"] = "datetime"
    serial_capture: bool = False
    boot_mode: Literal["when_different", "always"] = "when_different"
    applied: tuple[str, ...] = ()


@cache
def rows() -> list[dict[str, Any]]:
    """The rows of quirks.yaml. Raises ValueError if one sets a flag that does not exist."""
    found = yaml.safe_load(resources.files(__package__).joinpath("quirks.yaml").read_text())
    known = {field.name for field in fields(Quirks)} - {"applied"}
    for row in found:
        if not set(row["set"]) <= known or not set(row["when"]) <= set(_TESTS):
            raise ValueError(f"quirks.yaml: {row['id']} uses an unknown flag or condition")
    return list(found)


def _has(root: object, path: str) -> bool:
    return at(root, *path.split(".")) not in (None, False)


_TESTS: dict[str, Callable[[object, str], bool]] = {
    "vendor": lambda root, wanted: wanted.lower() in (text(root, "Vendor") or "").lower(),
    "product": lambda root, wanted: wanted.lower() in (text(root, "Product") or "").lower(),
    "advertises": _has,
    "lacks": lambda root, path: not _has(root, path),
}


def quirks_of(root: object) -> Quirks:
    """Flags for a BMC. root: the parsed service root, whatever it is."""
    flags = Quirks()
    for row in rows():
        if all(_TESTS[key](root, wanted) for key, wanted in row["when"].items()):
            flags = replace(flags, **row["set"], applied=(*flags.applied, row["id"]))
    return flags
