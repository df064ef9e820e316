"""The feed of everything that happened: one order that readers may resume from, whatever commits when.

Serial ids are not in the order of commits: a reader that has seen row 7 must still meet row 5 of a transaction that
commits later. So only rows below the oldest running transaction are shown, in the order of (xid, id); the cursor is
both (docs/decisions/0010).
"""

import json
from collections.abc import Sequence
from typing import Any

from django.db import connection

from fleet.errors import NotNow
from fleet.http import paging
from fleet.reads.rows import Sites
from fleet.states import KINDS as LIFECYCLES

KINDS = (
    *(f"{kind}_state" for kind in sorted(LIFECYCLES)),
    *("finding_opened", "finding_acknowledged", "finding_closed", "hold_placed", "hold_lifted", "part_moved"),
    *("plan_loaded", "act_asked", "act_confirmed", "token_made", "token_revoked"),
)
# How many rows one request looks through when it wants few of them; the next one goes on behind these.
WINDOW = 5_000
NOW = "now"

# Two index scans that stop at the limit, by (xid, id), merged. is_ahead: rows with numbers that this server has not
# given yet, as after a restore from a dump; they would be held back for nobody knows how long.
ROWS = """
SELECT * FROM (
  (SELECT t.xid, t.id, t.at, t.subject_kind || '_state' AS kind, t.subject_kind, t.subject_id,
     CASE WHEN t.subject_kind IN ('host', 'switch') THEN t.subject_id END AS device_id, t.actor_id, t.reason AS words,
     t.seq, t.from_state, t.to_state, t.cause, t.evidence, NULL::jsonb AS data
   FROM fleet_transition t
   WHERE (t.xid, t.id) > (%(xid)s::text::xid8, %(id)s) AND t.xid < pg_snapshot_xmin(pg_current_snapshot())
   ORDER BY t.xid, t.id LIMIT %(window)s)
  UNION ALL
  (SELECT e.xid, e.id, e.at, e.kind, e.subject_kind, e.subject_id, e.device_id, e.actor_id, e.words,
     NULL, NULL, NULL, NULL, NULL, e.data
   FROM fleet_event e
   WHERE (e.xid, e.id) > (%(xid)s::text::xid8, %(id)s) AND e.xid < pg_snapshot_xmin(pg_current_snapshot())
   ORDER BY e.xid, e.id LIMIT %(window)s)
) u ORDER BY xid, id LIMIT %(window)s
"""
END = f"""
WITH w AS MATERIALIZED ({ROWS})
SELECT a.is_ahead, l.* FROM (SELECT EXISTS (
  SELECT 1 FROM fleet_transition t WHERE t.xid >= pg_snapshot_xmax(pg_current_snapshot())
  AND t.xid IS DISTINCT FROM pg_current_xact_id_if_assigned()) AS is_ahead) a
LEFT JOIN LATERAL (
  SELECT (SELECT count(*) FROM w), xid::text, id FROM w ORDER BY w.xid DESC, w.id DESC LIMIT 1) l ON true
"""
SHOWN = f"""
SELECT w.xid::text AS xid, w.id, w.at, w.kind, w.subject_kind, w.subject_id, d.id AS device_id, d.name AS device,
  a.name AS actor, a.role, w.words, w.seq, w.from_state, w.to_state, w.cause, w.evidence, w.data
FROM ({ROWS}) w
LEFT JOIN provisioning_operation o ON w.subject_kind = 'operation' AND o.id = w.subject_id
LEFT JOIN provisioning_campaign c ON w.subject_kind = 'campaign' AND c.id = w.subject_id
LEFT JOIN fleet_incident i ON w.subject_kind = 'incident' AND i.id = w.subject_id
LEFT JOIN fleet_device d ON d.id = coalesce(w.device_id, o.device_id)
LEFT JOIN fleet_actor a ON a.id = w.actor_id
WHERE (%(kinds)s::text[] IS NULL OR w.kind = ANY(%(kinds)s))
  AND (%(sites)s::bigint[] IS NULL OR coalesce(d.site_id, o.site_id, c.site_id, i.site_id) = ANY(%(sites)s))
ORDER BY w.xid, w.id LIMIT %(limit)s
"""
# Everything from this number on is still to come.
HORIZON = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text"


def feed(*, after: str | None, limit: int, kinds: Sequence[str] | None, sites: Sites) -> dict[str, Any]:
    """What happened after a cursor, the oldest first; without one from the beginning. Two queries.

    after: `next` of the answer before, or NOW for what is still to come. kinds: of KINDS, None for all. next is always
    the cursor to go on with; more: there is more already, so ask at once. Raises BadValue (422) for a cursor that is
    none of ours, NotNow (503) when the server's own numbers are behind those of the rows.
    """
    if after == NOW:
        return {"items": [], "next": paging.encode(int(_all(HORIZON, {})[0][0]), 0), "more": False}
    xid, number = (abs(n) for n in paging.decode(after, [int, int])) if after else (0, 0)
    window = limit if kinds is None and sites is None else WINDOW
    asked = {"xid": xid, "id": number, "window": window, "limit": limit}
    ((is_ahead, seen, end_xid, end_id),) = _all(END, asked)
    if is_ahead:
        raise NotNow(
            "the feed's numbers are ahead of the database's", code="feed_ahead", hint=AFTER_RESTORE, retry_after_s=300
        )
    if seen is None:
        return {"items": [], "next": after or paging.encode(0, 0), "more": False}
    asked |= {"window": seen, "kinds": None if kinds is None else list(kinds), "sites": sites and list(sites)}
    found = _all(SHOWN, asked)
    is_full = len(found) == limit
    last = (found[-1][0], found[-1][1]) if is_full else (end_xid, end_id)
    cursor = paging.encode(int(last[0]), last[1])
    return {"items": [_row(row) for row in found], "next": cursor, "more": is_full or seen == window}


AFTER_RESTORE = "after a restore from a dump its transaction numbers start anew: docs/api.md says how to move them on"


def _all(query: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(query, values)
        return list(cursor.fetchall())


NAMES = ("id", "at", "kind", "subject_kind", "subject_id", "device_id", "device", "actor", "role", "words")
CHANGE = ("seq", "from_state", "to_state", "cause", "evidence")


def _row(row: tuple[Any, ...]) -> dict[str, Any]:
    named = dict(zip(NAMES, row[1:11], strict=True))
    *change, data = row[11:]
    kept = json.loads(data) if isinstance(data, str) else data
    return {**named, "data": dict(zip(CHANGE, change, strict=True)) if kept is None else kept}
