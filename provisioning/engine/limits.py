"""States past their limit, of every kind of subject that has one: a finding until work orders and cases exist."""

from collections.abc import Iterator, Sequence
from typing import Any

from django.db import connection
from django.db.models import Q

from fleet import findings, sql
from fleet.findings import Found
from fleet.states import KINDS, Kind
from provisioning.models import UNDER_WAY
from provisioning.operations import pace

# How the subjects of a table are called, and the device at which their finding stands. Who waits for nobody but us is
# not forgotten: its operation is under way, or in a queue of ours. One behind a failed operation waits for a person.
SUBJECTS = {
    "fleet_device": (
        "s.name",
        "s.id",
        f"""s.kind = %(kind)s AND NOT EXISTS (SELECT 1 FROM provisioning_operation o WHERE o.device_id = s.id
             AND o.mutating AND o.state IN {UNDER_WAY} AND o.after_id IS NULL)""",
    ),
    "fleet_cable": ("'cable ' || s.label", "NULL::bigint", "true"),
    "fleet_incident": ("'incident ' || s.id", "NULL::bigint", "true"),
    "provisioning_operation": (
        "s.kind || ' ' || s.id || coalesce(' of ' || (SELECT name FROM fleet_device WHERE id = s.device_id), '')",
        "s.device_id",
        "true",
    ),
}

# The findings that are open, by what they are about.
ABOUT = "f.closed_at IS NULL AND f.kind = 'state_limit' AND f.subjects->0->>'kind' = %(kind)s"

# Only those whose finding is not open yet: it says since when, and nothing new is to be seen before the state is left.
LATE = """
SELECT s.id, s.seq, {name}, {device}, s.state, l.what
FROM {table} s JOIN unnest(%(states)s::text[], %(limits)s::float8[], %(whats)s::text[]) AS l(state, limit_s, what)
  ON l.state = s.state
WHERE s.state_since < now() - l.limit_s * interval '1 s' AND {judged} AND NOT EXISTS (
  SELECT 1 FROM fleet_finding f WHERE {about} AND (f.subjects->0->>'id')::bigint = s.id)
ORDER BY s.id
"""

# By the number of the last transition, so that a state that was left and entered again is judged anew.
LEFT = """
SELECT f.id FROM fleet_finding f JOIN {table} s ON s.id = (f.subjects->0->>'id')::bigint
WHERE {about} AND s.seq <> (f.subjects->0->>'seq')::bigint
"""


def judge() -> int:
    """Open a finding for each subject past the limit of its state, close those of states that were left.

    Returns how many were opened. Limits are deadlines: on a scaled installation they get its grace (pace.deadline).
    Two transactions: each locks its devices in order.
    """
    left: list[int] = []
    late: list[Found] = []
    with connection.cursor() as cursor:
        for kind in KINDS.values():
            if limits := [(s.name, pace.deadline(s.limit_s), s.then) for s in kind.states if s.limit_s is not None]:
                cursor.execute(LEFT.format(table=kind.table, about=ABOUT), {"kind": kind.name})
                left += [row[0] for row in cursor.fetchall()]
                late += _late(cursor, kind, limits)
    findings.close(Q(pk__in=left), words="the state was left")
    findings.open(late)
    return len(late)


def _late(cursor: Any, kind: Kind, limits: Sequence[tuple[str, float, str]]) -> Iterator[Found]:
    name, device, judged = SUBJECTS[kind.table]
    query = LATE.format(table=kind.table, name=name, device=device, judged=judged, about=ABOUT)
    columns = dict(zip(("states", "limits", "whats"), sql.columns(limits), strict=True))
    cursor.execute(query, {"kind": kind.name, **columns})
    for pk, seq, called, at, state, what in cursor.fetchall():
        words = f"{called} is {state} for longer than its limit; then: {what}"
        key = "" if device == "s.id" else f"{kind.name}:{pk}"
        subject = {"kind": kind.name, "id": pk, "seq": seq}
        yield Found("inventory", "state_limit", "info", words, device=at, key=key, subjects=[subject])
