"""One host as it is, and as it was at a moment."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.db.models import F, Q
from django.utils import timezone

from fleet import causes
from fleet.errors import BadValue, NotFound
from fleet.models import Device, Part, Transition
from fleet.reads import acts, cables, findings, history, hosts
from fleet.reads.rows import Sites, scoped
from provisioning.models import Operation
from provisioning.reads import commands, operations

MOVES = 50
OPERATIONS = 8
ONE_LOOK = timedelta(minutes=10)  # all that one inspection sees, it sees within this
FINDINGS = 20
SENT = 20
LINES = 20
PART_MOVES = 20

FACTS = (
    *("uuid", "boot_id", "imported", "observe_only", "fingerprint", "profile__version", "bmc__address", "bmc__mac"),
    *("bmc__vendor", "bmc__model", "bmc__firmware", "bmc__fingerprint", "bmc__clock_offset_s", "bmc__blocked_until"),
    *("site_id", "no_power_by"),
)
PART = ("kind", "slot", "serial", "model", "firmware", "size", "seen_at")

# What was last sent to its hardware, the end of the log of the operation that was asked for last, what became of its
# parts, what holds it, and the evidence of its last transitions: five looks by index, in one statement.
AROUND = """
SELECT * FROM (SELECT 'sent' AS which, i.id, i.at, i.operation_id, '' AS kind, i.what FROM provisioning_intent i
  WHERE i.operation_id IN (SELECT id FROM provisioning_operation
    WHERE device_id = %(device)s ORDER BY id DESC LIMIT %(of)s)
  ORDER BY i.id DESC LIMIT %(sent)s) s
UNION ALL
SELECT * FROM (SELECT 'said', l.id, l.at, l.operation_id, l.source, l.line FROM provisioning_logline l
  WHERE l.operation_id = (SELECT max(id) FROM provisioning_operation WHERE device_id = %(device)s)
  ORDER BY l.id DESC LIMIT %(lines)s) l
UNION ALL
SELECT * FROM (SELECT 'moved', m.id, m.at, NULL::bigint, p.serial,
    concat_ws(' ', p.kind, 'from ' || f.name, m.from_slot,
    'to ' || t.name, m.to_slot) || ', by ' || a.name || coalesce(': ' || nullif(m.reason, ''), '')
  FROM fleet_partmove m JOIN fleet_part p ON p.id = m.part_id JOIN fleet_actor a ON a.id = m.actor_id
  LEFT JOIN fleet_device f ON f.id = m.from_device_id LEFT JOIN fleet_device t ON t.id = m.to_device_id
  WHERE m.from_device_id = %(device)s OR m.to_device_id = %(device)s ORDER BY m.id DESC LIMIT %(parts)s) m
UNION ALL
SELECT 'held', h.id, h.placed_at, NULL::bigint, h.kind, h.reason || ', by ' || a.name
  FROM fleet_hold h JOIN fleet_actor a ON a.id = h.actor_id WHERE h.device_id = %(device)s AND h.ended_at IS NULL
UNION ALL
SELECT 'proof', e.id, e.at, NULL::bigint, e.kind, e.words FROM fleet_evidence e WHERE e.id = ANY(%(proof)s)
"""

# What each operation of the host was at a moment, by its own history: one that was retried was active twice.
# Plan: index operation_device, then transition_seq and step_operation for each of its operations.
OPERATION_AT = """
SELECT o.id, o.kind, t.to_state AS state,
  coalesce((SELECT s.name FROM provisioning_step s WHERE s.operation_id = o.id AND s.ended_at > %(at)s
            ORDER BY s.id LIMIT 1), o.step_name) AS step
FROM provisioning_operation o
JOIN LATERAL (SELECT to_state FROM fleet_transition t WHERE t.subject_kind = 'operation' AND t.subject_id = o.id
  AND t.at <= %(at)s ORDER BY t.seq DESC LIMIT 1) t ON true
WHERE o.device_id = %(device)s AND o.mutating AND t.to_state IN ('active', 'lost') ORDER BY o.id DESC LIMIT 1
"""


@dataclass(frozen=True)
class Version:
    """have: what a page shows of the host; another one means that it has changed."""

    id: int
    have: str
    is_passing: bool


def version(name: str, sites: Sites) -> Version:
    """One query. Raises NotFound (404)."""
    found = scoped(Device.objects.filter(kind="host", name=name), sites, "site_id")
    row = found.values_list("id", "seq", "held", "health", "active_operation", "active_step").first()
    if row is None:
        raise NotFound(f"there is no host {name}", field="name", value=name)
    return Version(row[0], "-".join(str(v or 0) for v in row[1:]), row[4] is not None)


def now(device_id: int, sites: Sites) -> dict[str, Any]:
    """The host's row and the holds that stand. Raises NotFound (404)."""
    row = hosts.one(sites, id=device_id)
    return {**row, "holds": hosts.holds(device_id, hosts.STANDING)}


def page(device_id: int, sites: Sites) -> dict[str, Any]:
    """All that the page of a host shows. Nine queries."""
    moves = history.transitions(None, subject_kind="host", subject_id=device_id).order_by("-seq")[:MOVES]
    asked = operations.rows(Operation.objects.filter(device_id=device_id)).order_by("-id")[:OPERATIONS]
    seen = findings.select({}, None).filter(device_id=device_id).order_by(F("closed_at").desc(nulls_first=True), "-id")
    host, facts = hosts.one_with(FACTS, sites, id=device_id)
    told = history.ready(list(moves))
    around = _around(device_id, told)
    return {
        "host": host,
        "facts": facts,
        "cause": causes.of(host["cause"]) if host["cause"] else None,
        "cables": cables.at(device_id),
        "part_moves": around["moved"][::-1],
        "said": around["said"],
        "script": commands.lines(facts["bmc__address"] or "", around["sent"]),
        "standing": around["held"],
        "waiting": acts.waiting_on(device_id),
        "moves": _with_evidence(told, around["proof"]),
        "operations": operations.ready(list(asked)),
        "findings": findings.ready(list(seen[:FINDINGS])),
        "parts": _parts(Part.objects.filter(device_id=device_id).order_by("kind", "slot").values(*PART)),
    }


def _parts(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Parts by kind, each kind with those that the last look at any of the host's parts did not see."""
    found = list(rows)
    last = max((p["seen_at"] for p in found if p["seen_at"]), default=None)
    kinds: dict[str, dict[str, Any]] = {}
    for part in found:
        part["unseen"] = part["seen_at"] is None or (last is not None and last - part["seen_at"] > ONE_LOOK)
        kind = kinds.setdefault(part["kind"], {"kind": part["kind"], "parts": [], "unseen": 0})
        kind["parts"].append(part)
        kind["unseen"] += part["unseen"]
    return list(kinds.values())


def _around(device_id: int, moves: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """Rows of {"id", "at", "operation", "kind", "what"} by what they are, the oldest first. One query."""
    proof = sorted({pk for move in moves for pk in move["evidence"]})
    bounds: dict[str, Any] = {
        "device": device_id,
        "of": OPERATIONS,
        "sent": SENT,
        "lines": LINES,
        "parts": PART_MOVES,
        "proof": proof,
    }
    found: dict[str, list[dict[str, Any]]] = {"sent": [], "said": [], "moved": [], "held": [], "proof": []}
    with connection.cursor() as cursor:
        cursor.execute(AROUND, bounds)
        for which, *row in cursor.fetchall():
            found[which].append(dict(zip(("id", "at", "operation", "kind", "what"), row, strict=True)))
    return {which: sorted(rows, key=lambda row: int(row["id"])) for which, rows in found.items()}


def _with_evidence(moves: list[dict[str, Any]], seen: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each transition with the evidence that it cites."""
    found = {e["id"]: e for e in seen}
    return [{**move, "proof": [found[pk] for pk in move["evidence"] if pk in found]} for move in moves]


def moment(text: str) -> datetime:
    """A moment as people type it: RFC 3339, or without a zone for UTC. Raises BadValue (422)."""
    try:
        found = datetime.fromisoformat(text.strip().upper())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        expected = "a time such as 2026-01-31 12:00"
        raise BadValue("there is no such time", field="at", value=text[:50], expected=expected) from error


def at_moment(device_id: int, at: datetime, sites: Sites) -> dict[str, Any]:
    """State, holds and operation of a host at a past moment, by its history.

    Raises BadValue (422) for a moment to come, NotFound (404) for one before the host was on record.
    """
    if at > timezone.now():
        raise BadValue("this moment has not come yet", field="at", value=at, expected="a time in the past")
    row = hosts.one(sites, id=device_id)
    moves = Transition.objects.filter(subject_kind="host", subject_id=device_id, at__lte=at).order_by("-seq")
    last = moves.values("to_state", "at", "cause", "reason", "seq").first()
    if last is None:
        raise NotFound(f"{row['name']} was not on record then", field="at", value=at)
    stood = Q(placed_at__lte=at) & (Q(ended_at=None) | Q(ended_at__gt=at))
    return {
        "id": device_id,
        "name": row["name"],
        "at": at,
        "state": last["to_state"],
        "state_since": last["at"],
        "cause": last["cause"],
        "reason": last["reason"],
        "seq": last["seq"],
        "holds": hosts.holds(device_id, stood),
        "operation": _operation_at(device_id, at),
    }


def _operation_at(device_id: int, at: datetime) -> dict[str, Any] | None:
    with connection.cursor() as cursor:
        cursor.execute(OPERATION_AT, {"device": device_id, "at": at})
        row = cursor.fetchone()
    return dict(zip(("id", "kind", "state", "step"), row, strict=True)) if row else None
