"""Rows of the boot service: find a window by what a machine shows, note what happened, wake its operation."""

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, fields
from operator import itemgetter
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest

from fleet import findings, secrets
from fleet.errors import MusterError
from fleet.findings import Found
from provisioning.engine.hint import look_soon
from provisioning.engine.text import clean


class BootRefused(MusterError):
    """403: this token is unknown, used, or not for you. Says no more than that."""

    status = 403
    code = "refused"


@dataclass(frozen=True)
class Window:
    """What the views need of an open window."""

    id: int
    operation: int
    device: int
    mode: str
    delivery: str
    macs: list[str]
    uuid: str
    serial: str
    orders: dict[str, Any]
    boot_id: str
    stage: str
    asks: int
    closed: bool


# key: a column with its own partial index. Closed windows are found too: a late or repeated report gets an answer.
# Several windows of one operation have the same one-time address; _one takes the newest. "ORDER BY id DESC LIMIT 1"
# made the planner of a young database walk the primary key backwards, 133 pages a request.
FIND = """
SELECT id, operation_id, device_id, mode, delivery, macs, uuid, serial, orders::text, boot_id, stage, asks,
  closed_at IS NOT NULL
FROM provisioning_bootwindow WHERE {key} = %s AND {key} <> ''
"""

KEYS = ("uri_sha256", "boot_sha256", "session_sha256", "home_sha256", "seed_sha256")

BY_MAC = """
SELECT d.id, d.name, d.state, d.site_id, w.id FROM fleet_address a JOIN fleet_device d ON d.id = a.device_id
LEFT JOIN provisioning_bootwindow w ON w.device_id = d.id AND w.closed_at IS NULL
WHERE a.mac = %s
"""

BY_ID = FIND.replace("{key} = %s AND {key} <> ''", "id = %s")
NAME = "SELECT name FROM fleet_device WHERE id = %s"

NOTE = """
INSERT INTO provisioning_bootrequest (endpoint, status, device_id, operation_id, remote, words)
SELECT %s, %s, %s, %s, %s, %s
"""

WAKE = """
UPDATE provisioning_operation SET pokes = pokes + 1, wake_at = now() WHERE id = %s AND state IN ('queued', 'active')
"""


def by_token(key: str, token: str) -> Window | None:
    """The window that a token belongs to, by one of KEYS."""
    assert key in KEYS
    return _one(FIND.format(key=key), secrets.digest(token))


def by_id(window_id: int) -> Window | None:
    """A window by its id."""
    return _one(BY_ID, window_id)


def _one(sql: str, value: Any) -> Window | None:
    with connection.cursor() as cursor:
        cursor.execute(sql, [value])
        row = max(cursor.fetchall(), key=itemgetter(0), default=None)
    if row is None:
        return None
    names = [f.name for f in fields(Window)]
    return Window(**{**dict(zip(names, row, strict=True)), "orders": json.loads(row[names.index("orders")])})


def by_mac(mac: str) -> tuple[int, str, str, int, int | None] | None:
    """(device, name, state, site, open window or None) of the machine with this MAC."""
    with connection.cursor() as cursor:
        cursor.execute(BY_MAC, [clean(mac.lower())])
        row: tuple[int, str, str, int, int | None] | None = cursor.fetchone()
    return row


def note(
    request: HttpRequest, endpoint: str, status: int, window: Window | None, words: str, *, device: int | None = None
) -> None:
    """Put a request on record, with the operation that it belonged to."""
    with connection.cursor() as cursor:
        cursor.execute(NOTE, _note_row(request, endpoint, status, window, words, device=device))


def _note_row(
    request: HttpRequest, endpoint: str, status: int, window: Window | None, words: str, *, device: int | None = None
) -> list[Any]:
    remote = str(request.META.get("REMOTE_ADDR", ""))
    return [
        endpoint,
        status,
        window.device if window else device,
        window.operation if window else None,
        remote,
        clean(words)[:500],
    ]


def change(
    request: HttpRequest,
    endpoint: str,
    window: Window,
    words: str,
    columns: dict[str, Any],
    *,
    wake: bool,
    sql: str = "",
    values: Sequence[Any] = (),
) -> None:
    """Change columns of a window, note the request, and wake the operation if it waits for this: all or nothing.

    The operation is locked before the window, as the engine does. sql: further assignments, with their values.
    Raises BootRefused (403) for a window that was closed since it was read: a host that was forced out meanwhile gets
    nothing more.
    """
    sets = ", ".join([f"{name} = %s" for name in columns] + ([sql] if sql else []))
    update = f"UPDATE provisioning_bootwindow SET {sets} WHERE id = %s AND closed_at IS NULL RETURNING 1"
    change_and_note = f"WITH w AS ({update}) {NOTE} WHERE EXISTS (SELECT FROM w)"
    arguments = [*columns.values(), *values, window.id, *_note_row(request, endpoint, 200, window, words)]
    with transaction.atomic() if wake else nullcontext(), connection.cursor() as cursor:
        if wake:
            cursor.execute(WAKE, [window.operation])
            look_soon()
        cursor.execute(change_and_note, arguments)
        is_open = bool(cursor.rowcount)
    if not is_open:
        raise refuse(request, endpoint, window, "its window was closed while it asked")


def refuse(request: HttpRequest, endpoint: str, window: Window | None, words: str) -> BootRefused:
    """Record a refused use; what the machine is told says nothing of why."""
    note(request, endpoint, 403, window, words)
    if window is not None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE provisioning_bootwindow SET refused = refused + 1 WHERE id = %s", [window.id])
            cursor.execute(NAME, [window.device])
            name = cursor.fetchone()[0]
        severity = "warning" if words.startswith("identity") else "info"
        told = clean(f"{name}: {words}")
        findings.open([Found("security", "boot_refused", severity, told, device=window.device)])
    return BootRefused("refused", hint="this machine has no open window, or its token is used")


def unexpected(request: HttpRequest, device: int, name: str, words: str) -> None:
    """A known machine asked although nothing was opened for it: a finding."""
    note(request, "script", 200, None, words, device=device)
    told = clean(f"{name}: {words}")
    findings.open([Found("inventory", "boot_unexpected", "info", told, device=device)])
