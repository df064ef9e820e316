"""Due work, claims with fencing, and intents: every statement that decides who may act. SKIP LOCKED lives here only."""

import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction

from fleet import lifecycle, sql
from fleet.profiles import profile_spec
from provisioning.engine.locks import DEVICES_FOR_UPDATE, OPERATIONS_FOR_UPDATE
from provisioning.models import WorkerProcess
from provisioning.operations import pace

CLAIM_S = 45
CALL_TIMEOUT_S = 20
POWER_ACTIONS_AN_HOUR = 6
# Claims without an outcome after which an operation is suspected of killing its workers, and after which it fails.
SUSPECT_CLAIMS = 3
MOST_CLAIMS = 6

# late: for how long nobody looked although it was due (a dead claim, a stopped installation); it is not the host's
# fault, so its clocks move by it. A paused or halted campaign starts nothing new, but what is active goes on to
# its own end; what is due of one that is done was asked for again since, by a person. Those that may kill their worker
# go one at a time, in turn: whoever is in flight beside one that does has a claim without an outcome, too. Plan:
# partial index operation_due; two index scans however many hosts wait.
CLAIM = """
WITH due AS (
  SELECT o.id, now() - coalesce(o.claimed_until, o.wake_at) AS late
  FROM provisioning_operation o LEFT JOIN provisioning_campaign c ON c.id = o.campaign_id
  WHERE o.state IN ('queued', 'active') AND o.after_id IS NULL AND o.wake_at <= now()
    AND (o.claimed_until IS NULL OR o.claimed_until < now())
    AND (o.state = 'active' OR c.id IS NULL OR c.state IN ('running', 'done'))
    AND (o.claims < %(suspect)s OR o.id = (
      SELECT s.id FROM provisioning_operation s
      WHERE s.state = 'active' AND s.after_id IS NULL AND s.wake_at <= now() AND s.claims >= %(suspect)s
        AND NOT EXISTS (SELECT 1 FROM provisioning_operation f
          WHERE f.state = 'active' AND f.claims > %(suspect)s AND f.claimed_until > now())
      ORDER BY coalesce(s.claimed_until, s.wake_at) LIMIT 1))
  ORDER BY o.wake_at LIMIT %(room)s FOR UPDATE OF o SKIP LOCKED)
UPDATE provisioning_operation o SET claims = least(o.claims + 1, 1000),
  fence = nextval('provisioning_fence'), claimed_until = now() + %(claim_s)s * interval '1 s', claimed_by = %(me)s,
  step_started_at = o.step_started_at + due.late, step_deadline_at = o.step_deadline_at + due.late,
  deadline_at = o.deadline_at + due.late,
  started_at = coalesce(o.started_at, now())
FROM due WHERE o.id = due.id
RETURNING o.id, o.state, o.device_id
"""

# One row a claimed operation with everything that its step may need: no query per host. Its intents are those of this
# visit to the step: attempts count from 1 again after a retry by a person, and after going back from a later step.
SNAPSHOT = """
SELECT o.id, o.kind, o.params::text AS params, o.result::text AS result, o.step, o.attempt, o.fence, o.claims, o.pokes,
  o.step_started_at, o.step_deadline_at, o.deadline_at, o.chain_n, o.cancel_by_id, o.cancel_reason,
  o.device_id, o.claimed_until,
  st.scheduler, d.name, d.state AS host_state, d.serial, d.uuid, d.boot_id, d.health, d.held, d.profile_id,
  b.id AS bmc_id, b.address AS bmc_address, b.mac AS bmc_mac, b.fingerprint, b.session_state, b.session_worker,
  b.session_ciphertext, b.blocked_until, s.ciphertext AS secret,
  a.macs, a.address, i.sent::text AS sent, row_to_json(w)::text AS boot_window, v.waived
FROM provisioning_operation o
JOIN fleet_device d ON d.id = o.device_id
JOIN fleet_site st ON st.id = d.site_id
LEFT JOIN fleet_bmc b ON b.device_id = d.id
LEFT JOIN fleet_secret s ON s.id = b.secret_id OR (b.secret_id IS NULL AND s.name = 'bmc:default')
LEFT JOIN LATERAL (SELECT array_agg(x.mac) FILTER (WHERE x.mac <> '') AS macs, min(host(x.address)) AS address
  FROM fleet_address x JOIN fleet_network n ON n.id = x.network_id
  WHERE x.device_id = d.id AND n.purpose = 'provisioning') a ON true
LEFT JOIN LATERAL (
  SELECT jsonb_agg(jsonb_build_array(t.what, t.at, t.attempt, t.settled_at IS NOT NULL) ORDER BY t.id) AS sent
  FROM provisioning_intent t
  WHERE t.operation_id = o.id AND t.step = o.step AND t.at > o.state_since AND NOT EXISTS (
    SELECT 1 FROM provisioning_step p WHERE p.operation_id = o.id AND p.n > o.step AND p.ended_at > t.at)) i ON true
LEFT JOIN LATERAL (SELECT mode, opened_at, boot_used_at, asks, asked_at, stage, stage_at, words, done, total,
    failed_code, boot_id, inventory, tests, tested, written, phone_home
  FROM provisioning_bootwindow bw WHERE bw.operation_id = o.id ORDER BY bw.id DESC LIMIT 1) w ON true
LEFT JOIN LATERAL (SELECT array_agg(wv.check_name) AS waived FROM fleet_waiver wv
  WHERE wv.ends_at > now() AND (wv.device_id = d.id OR wv.profile_id = d.profile_id)) v ON true
WHERE o.id = ANY(%(ids)s)
"""

ACTIVE = """
UPDATE fleet_device d SET active_operation = o.id, active_kind = o.kind, active_step = o.step_name
FROM provisioning_operation o WHERE o.id = ANY(%s) AND d.id = o.device_id AND o.mutating
"""

# Only what is still claimed: an operation that was released a moment ago has the same fence.
RENEW = """
UPDATE provisioning_operation o SET claimed_until = now() + %(claim_s)s * interval '1 s'
FROM unnest(%(ids)s::bigint[], %(fences)s::bigint[]) AS r(id, fence)
WHERE o.id = r.id AND o.fence = r.fence AND o.claimed_until IS NOT NULL
"""

NEXT_DUE = """
SELECT extract(epoch FROM min(greatest(o.wake_at, coalesce(o.claimed_until, o.wake_at))) - now())::float8
FROM provisioning_operation o LEFT JOIN provisioning_campaign c ON c.id = o.campaign_id
WHERE o.state IN ('queued', 'active') AND o.after_id IS NULL AND o.wake_at IS NOT NULL
  AND (o.state = 'active' OR c.id IS NULL OR c.state IN ('running', 'done'))
"""

DEVICES_OF = "SELECT device_id FROM provisioning_operation WHERE id = ANY(%s) AND device_id IS NOT NULL"

# The guard is the intent: whatever it checks is a column of a row that is locked by now.
INTEND = """
WITH w AS (
  SELECT * FROM unnest(%(op)s::bigint[], %(fence)s::bigint[], %(step)s::int[], %(attempt)s::int[], %(what)s::text[],
                       %(power)s::bool[], %(beacon)s::bool[], %(critical)s::bool[])
    WITH ORDINALITY AS w(op, fence, step, attempt, what, power, beacon, critical, n)),
l AS (
  SELECT o.id AS op, o.fence, o.state, o.claimed_until, d.id AS device, d.held, d.no_power_by, d.observe_only,
    d.power_at, o.cancel_by_id IS NOT NULL AND d.no_power_by IS DISTINCT FROM o.id AS cancelled, clock_timestamp() AS at
  FROM provisioning_operation o JOIN fleet_device d ON d.id = o.device_id WHERE o.id IN (SELECT op FROM w)),
j AS (
  SELECT w.*, l.device, l.at,
    (SELECT coalesce(array_agg(t), '{}') FROM unnest(l.power_at) t
      WHERE t > l.at - %(hour)s * interval '1 s') AS powers,
    CASE WHEN l.fence <> w.fence OR l.state <> 'active' THEN 'fence'
         WHEN coalesce(l.claimed_until, l.at) <= l.at + %(call_s)s * interval '1 s' THEN 'fence'
         WHEN l.cancelled THEN 'cancelled'
         WHEN l.observe_only THEN 'observe_only'
         WHEN l.held > 0 AND NOT w.beacon THEN 'hold'
         WHEN w.power AND l.no_power_by IS NOT NULL AND l.no_power_by <> w.op THEN 'critical'
         WHEN w.power AND %(cap)s <=
             (SELECT count(*) FROM unnest(l.power_at) t WHERE t > l.at - %(hour)s * interval '1 s') THEN 'power_cap'
         ELSE '' END AS refusal
  FROM w JOIN l USING (op)),
i AS (
  INSERT INTO provisioning_intent (operation_id, device_id, step, attempt, what, power, fence, at)
  SELECT op, device, step, attempt, what, power, fence, at FROM j WHERE refusal = '' ORDER BY device
  RETURNING id, operation_id),
u AS (
  UPDATE fleet_device d SET
    power_at = CASE WHEN j.power THEN j.powers || j.at ELSE d.power_at END,
    no_power_by = CASE WHEN j.critical THEN j.op ELSE d.no_power_by END
  FROM j WHERE d.id = j.device AND j.refusal = '' AND (j.power OR j.critical))
SELECT j.n, j.refusal, i.id FROM j LEFT JOIN i ON i.operation_id = j.op
"""

REFUSALS = {
    "fence": "another worker has taken this operation over, or its claim is too old to act on",
    "cancelled": "it was cancelled before this was sent",
    "hold": "a hold stands on this host: nothing is written to it",
    "observe_only": "this host is observe-only: an admin must lift that first",
    "critical": "another operation is in a critical section on this host: nobody changes its power",
    "power_cap": f"{POWER_ACTIONS_AN_HOUR} power actions in the last hour: no more until then",
}

# A worker that was overtaken must not blank what the newer one has put on record.
SESSION = """
UPDATE fleet_bmc b SET session_state = r.state, session_worker = r.worker,
  session_ciphertext = CASE WHEN r.state = 'opening' THEN b.session_ciphertext ELSE r.ciphertext END
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bytea[]) AS r(device, state, worker, ciphertext)
WHERE b.device_id = r.device AND (r.state <> '' OR b.session_worker = r.worker)
"""


CLAIMED = """
SELECT id FROM provisioning_operation WHERE claimed_by = ANY(%s) AND claimed_until > now()
ORDER BY device_id, id FOR UPDATE
"""
FREE = """
UPDATE provisioning_operation SET claimed_until = now()
WHERE id = ANY(%s) AND claimed_by = ANY(%s) AND claimed_until > now()
"""


@dataclass(frozen=True)
class Want:
    """An intent asked for by a step."""

    op: int
    fence: int
    step: int
    attempt: int
    what: str
    power: bool
    beacon: bool
    critical: bool


def me() -> str:
    """This worker process: machine, pid and start time, so that a recycled pid is not taken for it."""
    return f"{settings.WORKER_NAME or socket.gethostname()}:{os.getpid()}:{_started(os.getpid())}"


def _started(pid: int) -> str:
    """Start time of a process in clock ticks since boot (proc(5), field 22); '' when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def claim(*, room: int, worker: str) -> list[dict[str, Any]]:
    """Claim due operations, at most `room`, and return all that their steps need. One transaction."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(CLAIM, {"room": room, "claim_s": CLAIM_S, "me": worker, "suspect": SUSPECT_CLAIMS})
        claimed = cursor.fetchall()
        if not claimed:
            return []
        ids = [row[0] for row in claimed]
        fresh = [row[0] for row in claimed if row[1] == "queued"]
        if fresh:
            lifecycle.move("operation", fresh, to="active", actor=lifecycle.system("engine"), reason="claimed")
            cursor.execute(DEVICES_FOR_UPDATE, [[row[2] for row in claimed if row[1] == "queued"]])
            cursor.execute(ACTIVE, [fresh])
        cursor.execute(SNAPSHOT, {"ids": ids})
        rows = sql.rows(cursor)
    for profile_id in {row["profile_id"] for row in rows}:
        profile_spec(profile_id)  # read here, in a thread that may: steps find it in the cache
    return rows


def renew(ops: Sequence[tuple[int, int]]) -> None:
    """Keep the claims of what is in flight: (operation, fence)."""
    ids, fences = [o for o, _ in ops], [f for _, f in ops]
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(OPERATIONS_FOR_UPDATE, [ids])
        cursor.execute(RENEW, {"claim_s": CLAIM_S, "ids": ids, "fences": fences})


def next_due() -> float | None:
    """Seconds until something is due; None when nothing waits."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT_DUE)
        found = cursor.fetchone()[0]
        return None if found is None else float(found)


def intend(wants: Sequence[Want]) -> list[tuple[str, int | None]]:
    """For each want, in order: ('', intent id), or (refusal code, None). Committed before it returns."""
    names = ("op", "fence", "step", "attempt", "what", "power", "beacon", "critical")
    arguments: dict[str, Any] = {name: [getattr(w, name) for w in wants] for name in names}
    arguments |= {"hour": pace.seconds(3600), "call_s": CALL_TIMEOUT_S, "cap": POWER_ACTIONS_AN_HOUR}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(OPERATIONS_FOR_UPDATE, [arguments["op"]])
        cursor.execute(DEVICES_OF, [arguments["op"]])
        cursor.execute(DEVICES_FOR_UPDATE, [[row[0] for row in cursor.fetchall()]])
        cursor.execute(INTEND, arguments)
        found = {n: (refusal, intent) for n, refusal, intent in cursor.fetchall()}
    return [found.get(n, ("fence", None)) for n in range(1, len(wants) + 1)]


def store_sessions(rows: Sequence[tuple[int, str, str, bytes]]) -> None:
    """(device, state, worker, ciphertext) of BMC sessions."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(SESSION, sql.columns(sorted(rows)))


def register() -> int:
    """Note this worker, and free at once the claims of workers on this machine whose process is gone."""
    name = me()
    machine, _, rest = name.partition(":")
    pid, _, started = rest.partition(":")
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        others = list(WorkerProcess.objects.filter(machine=machine))
        dead = [w for w in others if _started(w.pid) != w.started]
        WorkerProcess.objects.filter(pk__in=[w.pk for w in dead]).delete()
        WorkerProcess.objects.update_or_create(
            name=name, defaults={"machine": machine, "pid": int(pid), "started": started, "seen_at": now}
        )
        gone = [w.name for w in dead]
        cursor.execute(CLAIMED, [gone])
        cursor.execute(FREE, [[row[0] for row in cursor.fetchall()], gone])
        return int(cursor.rowcount)
