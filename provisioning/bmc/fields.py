"""Tolerant readers of Redfish JSON: whatever a BMC sends, a value of the asked type or None comes out.

An empty string equals an absent one (quirk null-and-empty). Text is made storable: no NUL, no lone surrogates.
"""

import re
from datetime import UTC, datetime
from typing import cast

from provisioning.bmc.types import Verdict

Json = dict[str, object]

TEXT_LIMIT = 2000
_VERDICTS: dict[str, Verdict] = {"ok": "ok", "warning": "warning", "critical": "critical"}
_BLANK_VALUES = frozenset({"", "n/a", "not available", "none", "null", "unknown"})
_MAC = re.compile(r"[0-9a-f]{12}")
_GUID = re.compile(r"[0-9a-f]{16}")
_DIGITS = re.compile(r"\d+")


def mapping(value: object) -> Json:
    """The value if it is an object, else an empty one."""
    return cast(Json, value) if isinstance(value, dict) else {}


def items(value: object) -> list[Json]:
    """The objects in a list; anything else is dropped. A lone object counts as a list of one (quirk extinfo-shape)."""
    if isinstance(value, dict):
        return [cast(Json, value)]
    return [cast(Json, item) for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def at(document: object, *keys: str) -> object:
    """The value down a path of keys, None where the path breaks."""
    for key in keys:
        if not isinstance(document, dict):
            return None
        document = document.get(key)
    return document


def clean(value: str) -> str:
    """Stripped, cut to TEXT_LIMIT, without what a database or UTF-8 cannot hold."""
    value = value[:TEXT_LIMIT].strip()
    if value.isascii() and "\0" not in value:
        return value
    return value.encode("utf-8", "replace").decode().replace("\0", "")


def text(document: object, *keys: str) -> str | None:
    """A string, or a number as one. Empty is None."""
    value = at(document, *keys)
    if isinstance(value, str):
        return clean(value) or None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 2**63 else None


def real_text(document: object, *keys: str) -> str | None:
    """Like text, but words for "nothing" ("N/A", "Not Available") are None as well."""
    value = text(document, *keys)
    return None if value is None or value.lower() in _BLANK_VALUES else value


def integer(document: object, *keys: str) -> int | None:
    """A whole number that fits 64 bits; digits in a string count."""
    value = at(document, *keys)
    if isinstance(value, str):
        value = int(value) if value.isascii() and value.isdigit() and len(value) < 19 else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if abs(value) < 2**63 else None


def flag(document: object, *keys: str) -> bool | None:
    """True or False, also as the words BMCs use for them."""
    value = at(document, *keys)
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "enabled": True, "false": False, "disabled": False}.get(value.lower())
    return None


def texts(value: object) -> tuple[str, ...]:
    """The strings of a list."""
    found = [clean(item) for item in value if isinstance(item, str)] if isinstance(value, list) else []
    return tuple(item for item in found if item)


def link(value: object) -> str | None:
    """Path behind an @odata.id. Absolute URLs are refused: no answer may send our token to another server."""
    path = value.get("@odata.id") if isinstance(value, dict) else value
    if not isinstance(path, str) or not path.startswith("/") or path.startswith("//") or len(path) > TEXT_LIMIT:
        return None
    return None if any(ord(char) < 32 or 0xD800 <= ord(char) < 0xE000 for char in path) else path


def last_part(path: str) -> str:
    """Id at the end of a path."""
    return path.rstrip("/").rpartition("/")[2]


def moment(value: object) -> datetime | None:
    """An aware time. Text without an offset is taken as UTC."""
    if not isinstance(value, str):
        return None
    try:
        found = datetime.fromisoformat(value.strip())
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def verdict(document: object) -> Verdict:
    """Health of a resource: the rolled-up value if there is one. Empty health is unknown (quirk inventory-stale)."""
    status = at(document, "Status")
    for key in ("HealthRollup", "HealthRollUp", "Health"):
        value = at(status, key)
        if isinstance(value, str) and value.lower() in _VERDICTS:
            return _VERDICTS[value.lower()]
    return "unknown"


def severity(value: object) -> Verdict:
    """Severity of a message or log entry."""
    return _VERDICTS.get(value.lower(), "unknown") if isinstance(value, str) else "unknown"


def mac(value: object) -> str | None:
    """A MAC address in lower case with colons, from any usual spelling. All zeros is None."""
    digits = value.lower().replace(":", "").replace("-", "").replace(".", "").strip() if isinstance(value, str) else ""
    if not _MAC.fullmatch(digits) or digits == "0" * 12:
        return None
    return ":".join(digits[i : i + 2] for i in range(0, 12, 2))


def guid(value: object) -> str | None:
    """A GUID as 0x and 16 lower-case digits, from any usual spelling. All zeros is None."""
    digits = value.lower().strip().removeprefix("0x") if isinstance(value, str) else ""
    digits = digits.replace(":", "").replace("-", "").replace("_", "")
    return f"0x{digits}" if _GUID.fullmatch(digits) and digits != "0" * 16 else None


def generation(value: object) -> int | None:
    """PCIe generation from "Gen5" or 5."""
    if isinstance(value, str) and len(value) < 20:
        found = _DIGITS.search(value)
        value = int(found[0]) if found else None
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 10 else None


def slot_order(name: str) -> list[tuple[int, str]]:
    """Sort key that puts Slot.2 before Slot.10."""
    pieces = re.split(r"(\d{1,9})", name)
    return [(int(piece), "") if piece.isascii() and piece.isdigit() else (-1, piece) for piece in pieces]
