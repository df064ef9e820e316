"""What steps found, written: one transaction for a batch, each row guarded by its fencing number."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.db import (
    DataError,
    Error,
    IntegrityError,
    InternalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.db.models import Q

from fleet import findings, lifecycle, sql
from fleet.errors import MusterError
from fleet.lifecycle import Move
from fleet.states import allowed
from provisioning.engine import brakes, effects, service
from provisioning.engine.chain import cancel_rest
from provisioning.engine.locks import DEVICES_FOR_UPDATE
from provisioning.engine.text import clean
from provisioning.operations.outcomes import Effect, LeaveService, OpenFinding
from provisioning.operations.registry import KINDS

log = logging.getLogger("muster.engine")


@dataclass(frozen=True)
class Record:
    """One outcome on its way into the database. wait_s: real seconds. ended: '' or the state the operation goes to."""

    op: int
    fence: int
    device: int
    kind: str
    host_state: str
    step: int
    step_name: str
    attempt: int
    outcome: str
    words: str
    started_at: datetime
    next_step: int
    next_name: str
    next_attempt: int
    next_started_at: datetime | None
    next_deadline_at: datetime | None
    ends_at: datetime | None
    wait_s: float
    pokes: int
    release: bool
    ended: str
    cause: str
    result: dict[str, Any]
    progress: tuple[int, int]
    effects: tuple[Effect, ...]
    log_lines: tuple[str, ...]
    traceback: str
    settle: bool
    row: bool


# A statement of its own: what waits for a lock inside a join may lose its row when it goes on (seen with pokes of the
# boot service). After this, the update sees the rows as they are.
# Behind what has ended the rest of its chain begins, or is cancelled: it is on the same host, and locked with it.
LOCK = """
SELECT id FROM provisioning_operation
WHERE id = ANY(%s) OR (device_id = ANY(%s) AND state = 'queued' AND after_id IS NOT NULL)
ORDER BY device_id, id FOR UPDATE
"""
SITES = "SELECT DISTINCT site_id FROM fleet_device WHERE id = ANY(%s)"

# Rows of one operation in a batch: all become steps, the last one is the operation's. A poke that came after the
# snapshot makes the operation due at once, so nothing from outside falls between two looks.
UPDATE = """
WITH r AS (SELECT * FROM jsonb_to_recordset(%(rows)s::jsonb) AS r(op bigint, fence bigint, step int, name text,
    attempt int, started timestamptz, deadline timestamptz, ends timestamptz, wait float8, pokes int,
    release bool, ended bool, cause text, words text, waits_for text, result jsonb, done int, total int))
UPDATE provisioning_operation o SET
  step = r.step, step_name = r.name, attempt = r.attempt, step_started_at = r.started, step_deadline_at = r.deadline,
  deadline_at = r.ends,
  wake_at = CASE WHEN r.ended THEN NULL WHEN o.pokes <> r.pokes THEN now() ELSE now() + r.wait * interval '1 s' END,
  claimed_until = CASE WHEN r.release THEN NULL ELSE o.claimed_until END,
  claimed_by = CASE WHEN r.release THEN '' ELSE o.claimed_by END,
  claims = 0, waits_for = r.waits_for, seen = CASE WHEN r.words <> '' THEN r.words ELSE o.seen END,
  cause = r.cause, words = CASE WHEN r.ended THEN r.words ELSE o.words END,
  result = o.result || r.result, done = r.done, total = r.total, ended_at = CASE WHEN r.ended THEN now() END
FROM r WHERE o.id = r.op AND o.fence = r.fence AND o.state = 'active'
RETURNING o.id
"""

STEPS = """
INSERT INTO provisioning_step (operation_id, n, name, attempt, fence, started_at, ended_at, outcome, words, traceback)
SELECT * FROM unnest(%s::bigint[], %s::int[], %s::text[], %s::int[], %s::bigint[], %s::timestamptz[], %s::timestamptz[],
  %s::text[], %s::text[], %s::text[])
"""

SETTLE = "UPDATE provisioning_intent SET settled_at = now() WHERE operation_id = ANY(%s) AND settled_at IS NULL"

LOG = """
INSERT INTO provisioning_logline (operation_id, source, line)
SELECT * FROM unnest(%s::bigint[], %s::text[], %s::text[])
"""

PLACE = """
UPDATE fleet_device d SET active_step = r.name
FROM unnest(%s::bigint[], %s::bigint[], %s::text[]) AS r(device, op, name)
WHERE d.id = r.device AND d.active_operation = r.op AND d.active_step <> r.name
"""

# Never for a lost one: until somebody looked, the host is its own, and so is its critical section.
FREE = """
UPDATE fleet_device d SET active_operation = NULL, active_kind = '', active_step = '',
  no_power_by = CASE WHEN d.no_power_by = r.op THEN NULL ELSE d.no_power_by END
FROM unnest(%s::bigint[], %s::bigint[]) AS r(device, op) WHERE d.id = r.device
"""

# Why a host is where it is. An operation that leaves the state as it is leaves this as well.
CAUSE = """
UPDATE fleet_device d SET cause = r.cause FROM unnest(%s::bigint[], %s::text[]) AS r(device, cause)
WHERE d.id = r.device
"""

FOLLOW = """
UPDATE provisioning_operation o SET after_id = NULL, wake_at = now()
WHERE o.after_id = ANY(%s) AND o.state = 'queued'
"""


def write(records: Sequence[Record]) -> set[tuple[int, int]]:
    """Write a batch, each operation alone if need be; returns (operation, fence) of those whose number still held."""
    records = [clean(record) for record in records]
    try:
        return _write(records)
    except (MusterError, Error):
        log.exception("a batch of %d outcomes could not be written; writing one by one", len(records))
    done: set[tuple[int, int]] = set()
    for op in dict.fromkeys(r.op for r in records):
        done |= _alone([r for r in records if r.op == op])
    return done


def _alone(records: Sequence[Record]) -> set[tuple[int, int]]:
    """The outcomes of one operation. What the database will never take is a failure: its step would run for ever."""
    last = records[-1]
    try:
        return _write(records)
    except (DataError, IntegrityError, InternalError, ProgrammingError) as error:
        log.exception("operation %d: its outcome can never be written: it fails", last.op)
        words = f"what step {last.step_name} found cannot be written: {str(error).splitlines()[0]}"
        last = replace(last, outcome="fail", ended="failed", cause="bug", words=words[:500], release=True, row=True)
        told = OpenFinding("operation", "bug", "critical", last.words)
        return _given_up(replace(last, effects=(told,), result={}, log_lines=(), progress=(0, 0), settle=False))
    except (MusterError, Error):
        log.exception("operation %d: its outcome could not be written; its claim will run out", last.op)
    return set()


def _given_up(record: Record) -> set[tuple[int, int]]:
    try:
        return _write([record])
    except (MusterError, Error):
        log.exception("operation %d: its failure could not be written; its claim will run out", record.op)
    return set()


def _write(records: Sequence[Record]) -> set[tuple[int, int]]:
    newest = {r.op: r.fence for r in sorted(records, key=lambda r: r.fence)}
    last = {r.op: r for r in records if r.fence == newest[r.op]}
    with transaction.atomic(), connection.cursor() as cursor:
        _lock_brakes(cursor, records)
        cursor.execute(LOCK, [list(last), [r.device for r in last.values() if r.ended]])
        results: dict[int, dict[str, Any]] = {}
        for r in records:
            if r.fence == newest[r.op]:
                results.setdefault(r.op, {}).update(r.result)
        cursor.execute(UPDATE, {"rows": json.dumps([_row(r, results[r.op]) for r in last.values()])})
        kept = {(row[0], newest[row[0]]) for row in cursor.fetchall()}
        good = sorted((r for r in records if (r.op, r.fence) in kept), key=lambda r: r.device)
        if len(good) < len(records):
            late = sorted({r.op for r in records if (r.op, r.fence) not in kept})
            log.warning("outcomes of %s came too late: another worker has them", late)
        if not good:
            return kept
        cursor.execute(DEVICES_FOR_UPDATE, [sorted({r.device for r in good})])
        _write_rows(cursor, good)
        evidence = effects.write(cursor, good)
        service.leave(cursor, [r.device for r in good if _leaves(r)])
        ends = sorted((r for r in good if r.ended and r is last[r.op]), key=lambda r: r.device)
        if ends:
            _write_ends(cursor, ends, evidence)
    return kept


def _lock_brakes(cursor: Any, records: Sequence[Record]) -> None:
    """Before operations and devices, as everybody does who takes hosts out of service."""
    if leaving := [r.device for r in records if _leaves(r) or (r.ended == "failed" and r.host_state == service.GOAL)]:
        cursor.execute(SITES, [leaving])
        brakes.lock(row[0] for row in cursor.fetchall())


def _leaves(r: Record) -> bool:
    return any(isinstance(effect, LeaveService) for effect in r.effects)


def _row(r: Record, result: dict[str, Any]) -> dict[str, Any]:
    return {
        "op": r.op,
        "fence": r.fence,
        "step": r.next_step,
        "name": r.next_name,
        "attempt": r.next_attempt,
        "started": r.next_started_at.isoformat() if r.next_started_at else None,
        "deadline": r.next_deadline_at.isoformat() if r.next_deadline_at else None,
        "ends": r.ends_at.isoformat() if r.ends_at else None,
        "wait": r.wait_s,
        "pokes": r.pokes,
        "release": r.release,
        "ended": bool(r.ended),
        "cause": r.cause,
        "words": r.words,
        "waits_for": r.words if r.wait_s and not r.ended else "",
        "result": result,
        "done": r.progress[0],
        "total": r.progress[1],
    }


def _write_rows(cursor: Any, good: list[Record]) -> None:
    rows = [r for r in good if r.row]
    if rows:
        now = _now(cursor)
        columns = [
            (r.op, r.step, r.step_name, r.attempt, r.fence, r.started_at, now, r.outcome, r.words, r.traceback)
            for r in rows
        ]
        cursor.execute(STEPS, sql.columns(columns))
    settled = [r.op for r in good if r.settle]
    if settled:
        cursor.execute(SETTLE, [settled])
    lines = [(r.op, "step", line) for r in good for line in r.log_lines]
    if lines:
        cursor.execute(LOG, sql.columns(lines))
    moved = [(r.device, r.op, r.next_name) for r in good if r.outcome == "done" and not r.ended]
    if moved:
        cursor.execute(PLACE, sql.columns(moved))


def _now(cursor: Any) -> datetime:
    cursor.execute("SELECT clock_timestamp()")
    now: datetime = cursor.fetchone()[0]
    return now


def _write_ends(cursor: Any, ends: list[Record], evidence: dict[int, list[int]]) -> None:
    """Operations that ended: their own transition, their host's, the next of their chain."""
    actor = lifecycle.system("engine")
    lifecycle.move_each("operation", [Move(r.op, r.ended, r.words[:500], r.cause) for r in ends], actor=actor)
    ended = [r for r in ends if r.ended != "lost"]
    cursor.execute(FREE, [[r.device for r in ended], [r.op for r in ended]])
    if explained := [(r.device, r.cause) for r in ended if _goal(r)]:
        cursor.execute(CAUSE, sql.columns(explained))
    mended = [r.device for r in ends if r.ended == "succeeded" and KINDS[r.kind].becomes]
    findings.close(Q(domain="operation", device_id__in=mended), words="a later operation succeeded")
    findings.judge([r.device for r in ends], looked=True)
    hosts = [m for r in ends if (m := _host_move(r, evidence.get(r.op, [])))]
    may = brakes.admit([m.subject_id for m in hosts if m.to_state == "quarantined"])
    lifecycle.move_each("host", [m for m in hosts if m.to_state != "quarantined" or m.subject_id in may], actor=actor)
    service.give(cursor, {r.device: (r.op, evidence.get(r.op, ())) for r in ends if _asks_for_service(r)})
    followed = [r.op for r in ends if r.ended == "succeeded"]
    if followed:
        cursor.execute(FOLLOW, [followed])
    if stopped := [r.op for r in ends if r.ended == "cancelled"]:
        cancel_rest(stopped, actor)
    effects.close_windows(cursor, [r.op for r in ended])


def _goal(r: Record) -> str:
    """The state that this end earns its host, '' when it stays: also where a person put it, or where it has more.

    A host in service of its tests is not sent back because somebody inspected it: the edge does not exist.
    """
    kind = KINDS[r.kind]
    goal = {"succeeded": kind.becomes, "failed": kind.fails_to}.get(r.ended, "")
    may = r.host_state == goal or goal in allowed("host", r.host_state, "S")
    return goal if may and r.host_state in kind.from_states else ""


def _host_move(r: Record, evidence: list[int]) -> Move | None:
    """The move of the host that this end brings about, None when it stays."""
    goal = _goal(r)
    if not goal or goal == r.host_state:
        return None
    if r.ended == "succeeded":
        return Move(r.device, goal, f"{r.kind}: {r.words}"[:500], "", tuple(evidence))
    return Move(r.device, goal, f"{r.kind}, step {r.step_name}: {r.words}"[:500], r.cause, tuple(evidence))


def _asks_for_service(r: Record) -> bool:
    return r.ended == "succeeded" and effects.wants_service(r)
