"""Rows that outcomes ask for beside themselves: evidence, findings, windows, BMC and host columns, parts. In bulk."""

import json
from collections.abc import Sequence
from typing import Any, Protocol

from fleet import findings, lifecycle, sql
from fleet.findings import Found
from provisioning.operations import pace
from provisioning.operations.netboot import ADOPTED
from provisioning.operations.outcomes import (
    BmcSeen,
    CloseWindow,
    Effect,
    Evidence,
    HostSeen,
    IntoService,
    LoginRefused,
    OpenFinding,
    OpenWindow,
    PartsSeen,
)

BREAKER_REFUSALS = 2
BREAKER_S = 15 * 60
DATA_LIMIT = 60_000
# Within the hour that an idle ramdisk goes on asking, and long enough for a take-over, whose time is never scaled.
ADOPT_S, ADOPT_REAL_S = 50 * 60, 90


class HasEffects(Protocol):
    """The part of a record that this module reads."""

    @property
    def op(self) -> int: ...
    @property
    def device(self) -> int: ...
    @property
    def effects(self) -> tuple[Effect, ...]: ...


EVIDENCE = """
INSERT INTO fleet_evidence (kind, device_id, operation_id, words, data)
SELECT * FROM unnest(%s::text[], %s::bigint[], %s::bigint[], %s::text[], %s::jsonb[])
RETURNING id, operation_id
"""

CLOSE_WINDOWS = (
    "UPDATE provisioning_bootwindow SET closed_at = now() WHERE operation_id = ANY(%s) AND closed_at IS NULL"
)
CLOSE_OF_DEVICE = "UPDATE provisioning_bootwindow SET closed_at = now() WHERE device_id = ANY(%s) AND closed_at IS NULL"

# The ramdisk of a burn-in that ended a moment ago is still up and asks for more: an install adopts its session.
OPEN_WINDOW = """
INSERT INTO provisioning_bootwindow (operation_id, device_id, mode, delivery, opened_at, macs, uuid, serial, orders,
  uri_sha256, boot_sha256, claimed_from, session_sha256, home_sha256, asks, refused, stage, words, done, total,
  failed_code, boot_id, tests, boot_used_at, stage_at)
SELECT r.op, d.id, r.mode, r.delivery, now(),
  coalesce((SELECT array_agg(lower(a.mac)) FROM fleet_address a JOIN fleet_network n ON n.id = a.network_id
            WHERE a.device_id = d.id AND n.purpose = 'provisioning' AND a.mac <> ''), '{}'),
  lower(d.uuid), coalesce(d.serial, ''), r.orders, r.uri, '', coalesce(p.claimed_from, ''),
  coalesce(p.session_sha256, ''), '', 0, 0,
  CASE WHEN p.id IS NULL THEN '' ELSE %s END, '', 0, 0, '', coalesce(p.boot_id, ''), '[]',
  CASE WHEN p.id IS NOT NULL THEN now() END, now()
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::jsonb[], %s::text[])
  AS r(op, device, mode, delivery, orders, uri) JOIN fleet_device d ON d.id = r.device
LEFT JOIN LATERAL (SELECT w.* FROM provisioning_bootwindow w WHERE w.device_id = d.id ORDER BY w.id DESC LIMIT 1) p
  ON p.stage = 'tested' AND p.mode = 'burn-in' AND r.mode = 'install' AND p.session_sha256 <> ''
    AND p.stage_at > now() - %s * interval '1 s'
"""

BMC_COLUMNS = ("fingerprint", "vendor", "model", "firmware", "clock_offset_s", "refused")
HOST_COLUMNS = ("uuid", "boot_id", "fingerprint")

REFUSED = """
UPDATE fleet_bmc SET refused = refused + 1,
  blocked_until = CASE WHEN refused + 1 >= %s THEN now() + %s * interval '1 s' ELSE blocked_until END
WHERE device_id = ANY(%s)
"""

PARTS_BEFORE = """
SELECT p.id, p.kind, p.serial, p.device_id, p.slot
FROM fleet_part p JOIN unnest(%s::text[], %s::text[]) AS r(kind, serial) USING (kind, serial)
"""

# Whatever is in a slot where another serial is seen now has left it; first, since a slot holds one part.
PARTS_GONE = """
UPDATE fleet_part p SET device_id = NULL, slot = ''
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[]) AS r(device, kind, slot, serial)
WHERE p.device_id = r.device AND p.kind = r.kind AND p.slot = r.slot AND p.serial <> r.serial
RETURNING p.id, r.device, r.slot
"""

PARTS_PUT = """
INSERT INTO fleet_part (device_id, kind, slot, serial, model, firmware, size, seen_at)
SELECT DISTINCT ON (kind, serial) r.*, now()
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[])
  AS r(device, kind, slot, serial, model, firmware, size) ORDER BY kind, serial
ON CONFLICT (kind, serial) DO UPDATE SET device_id = excluded.device_id, slot = excluded.slot, model = excluded.model,
  firmware = excluded.firmware, size = excluded.size, seen_at = now()
RETURNING id, kind, serial, device_id, slot
"""

PART_MOVES = """
INSERT INTO fleet_partmove (part_id, from_device_id, from_slot, to_device_id, to_slot, at, actor_id, reason)
SELECT part, nullif(from_device, 0), from_slot, nullif(to_device, 0), to_slot, now(), %s, 'seen by inspection'
FROM unnest(%s::bigint[], %s::bigint[], %s::text[], %s::bigint[], %s::text[])
  AS r(part, from_device, from_slot, to_device, to_slot)
"""


def write(cursor: Any, records: Sequence[HasEffects]) -> dict[int, list[int]]:
    """Write every effect of these records; returns the evidence ids of each operation."""
    by_type: dict[type, list[tuple[HasEffects, Any]]] = {}
    for record in records:
        for effect in record.effects:
            by_type.setdefault(type(effect), []).append((record, effect))
    evidence = _evidence(cursor, by_type.get(Evidence, []))
    findings.open(_finding(r, f, evidence) for r, f in by_type.get(OpenFinding, []))
    if closes := by_type.get(CloseWindow):
        close_windows(cursor, [r.op for r, _ in closes])
    _open_windows(cursor, by_type.get(OpenWindow, []))
    _columns(cursor, "fleet_bmc", "device_id", BMC_COLUMNS, by_type.get(BmcSeen, []))
    _columns(cursor, "fleet_device", "id", HOST_COLUMNS, by_type.get(HostSeen, []))
    if refused := by_type.get(LoginRefused):
        login_refused(cursor, sorted({r.device for r, _ in refused}))
    _parts(cursor, by_type.get(PartsSeen, []))
    return evidence


def login_refused(cursor: Any, devices: Sequence[int]) -> None:
    """Count a refused login of these BMCs; after two nobody tries for a while, so that no account gets locked."""
    cursor.execute(REFUSED, [BREAKER_REFUSALS, pace.seconds(BREAKER_S), list(devices)])


def wants_service(record: HasEffects) -> bool:
    """Whether the host is to be given to the scheduler."""
    return any(isinstance(e, IntoService) for e in record.effects)


def close_windows(cursor: Any, ops: Sequence[int]) -> None:
    """Close the boot windows of operations; their tokens are dead."""
    if ops:
        cursor.execute(CLOSE_WINDOWS, [list(ops)])


def _evidence(cursor: Any, found: list[tuple[HasEffects, Evidence]]) -> dict[int, list[int]]:
    ids: dict[int, list[int]] = {}
    if found:
        rows = [(e.kind, r.device, r.op, e.words[:2000], _bounded(e.data)) for r, e in found]
        cursor.execute(EVIDENCE, sql.columns(rows))
        for evidence_id, op in cursor.fetchall():
            ids.setdefault(op, []).append(evidence_id)
    return ids


def _bounded(data: Any) -> str:
    text = json.dumps(data, default=str)
    return text if len(text) <= DATA_LIMIT else json.dumps({"cut": True, "size_bytes": len(text)})


def _finding(r: HasEffects, f: OpenFinding, evidence: dict[int, list[int]]) -> Found:
    mended = "mended at once" if f.closed else ""
    proof = evidence.get(r.op, [])
    return Found(f.domain, f.kind, f.severity, f.words, r.device, f.key, operation=r.op, evidence=proof, mended=mended)


def _open_windows(cursor: Any, found: list[tuple[HasEffects, OpenWindow]]) -> None:
    if not found:
        return
    last = {r.device: (r, w) for r, w in found}
    cursor.execute(CLOSE_OF_DEVICE, [sorted(last)])
    rows = [
        (r.op, r.device, w.mode, w.delivery, json.dumps(w.orders), w.uri_sha256) for _, (r, w) in sorted(last.items())
    ]
    cursor.execute(OPEN_WINDOW, [ADOPTED, *sql.columns(rows), max(pace.seconds(ADOPT_S), ADOPT_REAL_S)])


def _columns(cursor: Any, table: str, key: str, allowed: tuple[str, ...], found: list[tuple[HasEffects, Any]]) -> None:
    """Set the given columns, one statement for each set of columns that occurs. Names come from the tuples above."""
    groups: dict[tuple[str, ...], dict[int, dict[str, Any]]] = {}
    for record, effect in found:
        names = tuple(n for n in allowed if n in effect.columns)
        groups.setdefault(names, {})[record.device] = effect.columns
    for names, rows in groups.items():
        sets = ", ".join(f"{n} = r.{n}" for n in names)
        kinds = ", ".join(f"{n} {_SQL_TYPES.get(n, 'text')}" for n in names)
        pinned = ", pinned_at = coalesce(t.pinned_at, now()), seen_at = now()" if table == "fleet_bmc" else ""
        data = [{"device": device, **{n: columns[n] for n in names}} for device, columns in sorted(rows.items())]
        cursor.execute(
            f"UPDATE {table} t SET {sets}{pinned} FROM jsonb_to_recordset(%s::jsonb) AS r(device bigint, {kinds}) "
            f"WHERE t.{key} = r.device",
            [json.dumps(data)],
        )


_SQL_TYPES = {"clock_offset_s": "float8", "refused": "int"}


def _parts(cursor: Any, found: list[tuple[HasEffects, PartsSeen]]) -> None:
    """Put each part where it was seen, and write a move for each that came, went or changed its slot."""
    rows = [(r.device, *part) for r, e in found for part in e.parts]
    if not rows:
        return
    cursor.execute(PARTS_BEFORE, sql.columns([(kind, serial) for _, kind, _, serial, *_ in rows]))
    before = {(kind, serial): (part, device or 0, slot) for part, kind, serial, device, slot in cursor.fetchall()}
    cursor.execute(PARTS_GONE, sql.columns([row[:4] for row in rows]))
    moves = {part: (part, device, slot, 0, "") for part, device, slot in cursor.fetchall()}
    cursor.execute(PARTS_PUT, sql.columns(rows))
    for part, kind, serial, device, slot in cursor.fetchall():
        _, old_device, old_slot = before.get((kind, serial), (part, 0, ""))
        moves.pop(part, None)
        if (old_device, old_slot) != (device, slot):
            moves[part] = (part, old_device, old_slot, device, slot)
    if moves:
        cursor.execute(PART_MOVES, [lifecycle.system("engine").pk, *sql.columns(list(moves.values()))])
