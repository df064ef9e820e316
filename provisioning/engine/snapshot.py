"""The row of a claimed operation, read: what its steps get to know of the host, its boot window and its BMC."""

import json
from datetime import datetime
from typing import Any

from django.conf import settings

from fleet import secrets
from fleet.errors import MusterError
from provisioning.bmc.types import Session, Target
from provisioning.operations.context import HostSnapshot, SentIntent, WindowSnapshot


def parsed(text: str | None) -> Any:
    """JSON text of a raw cursor; None stays None."""
    return None if text is None else json.loads(text)


def sent(row: dict[str, Any]) -> list[SentIntent]:
    """What this visit to the step announced so far, oldest first."""
    return [SentIntent(what, _at(at), attempt, settled) for what, at, attempt, settled in parsed(row["sent"]) or []]


def window(row: dict[str, Any]) -> WindowSnapshot | None:
    """The newest boot window of the operation; None when it never opened one."""
    found = parsed(row["boot_window"])
    if found is None:
        return None
    times = {k: _at(found[k]) if found[k] else None for k in ("boot_used_at", "asked_at", "stage_at")}
    return WindowSnapshot(**{**found, **times, "opened_at": _at(found["opened_at"])})


def target(row: dict[str, Any]) -> tuple[Target, str]:
    """Where the BMC is and how we log in, and why its login cannot be read ('' when it can)."""
    login, unreadable = _login(row)
    user, _, password = login.partition(":")
    address = str(row["bmc_address"] or "")
    if "://" not in address:
        address = f"https://{address}" + ("" if settings.BMC_PORT == 443 else f":{settings.BMC_PORT}")
    found = Target(
        name=row["name"],
        base_url=address,
        user=user,
        password=password,
        fingerprint=row["fingerprint"] or None,
        session=unseal(row["session_ciphertext"]) if row["session_state"] == "open" else None,
    )
    return found, unreadable


def host(row: dict[str, Any]) -> HostSnapshot:
    """The host as its steps see it; nothing of it changes while they run."""
    return HostSnapshot(
        id=row["device_id"],
        name=row["name"],
        state=row["host_state"],
        serial=row["serial"] or "",
        uuid=row["uuid"],
        boot_id=row["boot_id"],
        health=row["health"],
        held=row["held"],
        boot_macs=tuple(row["macs"] or ()),
        address=f"{row['address']}:{settings.AGENT_PORT}" if row["address"] else "",
        bmc_address=row["bmc_address"] or "",
        bmc_mac=row["bmc_mac"] or "",
        bmc_fingerprint=row["fingerprint"] or "",
        waived=frozenset(row["waived"] or ()),
        scheduler=row["scheduler"],
    )


def seal(session: Session) -> bytes:
    """A BMC session as it is stored."""
    return secrets.encrypt(json.dumps([session.token, session.location]))


def unseal(ciphertext: bytes | None) -> Session | None:
    """A stored BMC session; None when its key is gone: a new login is as good."""
    if not ciphertext:
        return None
    try:
        token, location = json.loads(secrets.decrypt(bytes(ciphertext)))
    except MusterError:
        return None
    return Session(token=token, location=location)


def _login(row: dict[str, Any]) -> tuple[str, str]:
    try:
        return (secrets.decrypt(bytes(row["secret"])) if row["secret"] else ":"), ""
    except MusterError as error:
        return ":", error.title


def _at(text: str) -> datetime:
    return datetime.fromisoformat(text)
