"""The health sweep: every host that serves, or could, is looked at every five minutes by one cheap request.

It writes nothing to the hardware, so it needs no operation and no permit. A look that is lost with its worker is made
again five minutes later.
"""

import asyncio
import json
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection, transaction
from django.db.models import Q

from fleet import findings, incidents
from fleet.findings import Found
from fleet.profiles import profile_spec
from fleet.sql import columns, rows
from provisioning.bmc.errors import BmcError
from provisioning.bmc.types import Watch
from provisioning.engine import effects, sessions, snapshot
from provisioning.operations import pace, vitals

if TYPE_CHECKING:
    from provisioning.engine.turn import Pump

log = logging.getLogger("muster.engine")

EVERY_S = 300
EVERY_REAL_S = 60  # scaled installations: time may run faster, the BMCs' processors do not
BATCH = 64
NOTED_S = 3600
STATES = ("installed", "validated", "in_service", "draining")

# A host that an operation has just been at was looked at by it. Whoever takes a row has it for the next minutes, so
# several workers share the fleet.
DUE = """
WITH due AS (
  SELECT b.id FROM fleet_bmc b JOIN fleet_device d ON d.id = b.device_id
  WHERE d.state = ANY(%(states)s) AND d.active_operation IS NULL AND b.fingerprint <> ''
    AND (b.session_state <> 'opening' OR NOT EXISTS (
      SELECT 1 FROM provisioning_workerprocess w WHERE w.name = b.session_worker))
    AND (b.blocked_until IS NULL OR b.blocked_until < now())
    AND greatest(b.swept_at, b.seen_at, d.state_since) <= now() - %(every_s)s * interval '1 s'
  ORDER BY b.swept_at NULLS FIRST, b.id LIMIT %(room)s FOR UPDATE OF b SKIP LOCKED)
UPDATE fleet_bmc t SET swept_at = now() FROM due, fleet_bmc b JOIN fleet_device d ON d.id = b.device_id
LEFT JOIN fleet_secret s ON s.id = b.secret_id OR (b.secret_id IS NULL AND s.name = 'bmc:default')
WHERE t.id = due.id AND b.id = due.id
RETURNING d.id AS device_id, d.name, d.profile_id, b.address AS bmc_address, b.fingerprint, b.session_state,
  b.session_ciphertext, b.missed, s.ciphertext AS secret
"""

# verdict: what was wrong, so that evidence is written when that changes, and once an hour to show that somebody looked.
SEEN = """
WITH r AS (
  SELECT x.*, b.verdict <> x.verdict OR b.noted_at IS NULL OR b.noted_at < now() - %s * interval '1 s' AS note
  FROM unnest(%s::bigint[], %s::jsonb[], %s::text[], %s::text[]) AS x(device, reading, verdict, words)
  JOIN fleet_bmc b ON b.device_id = x.device),
kept AS (
  UPDATE fleet_bmc b SET missed = 0, seen_at = now(), reading = r.reading, verdict = r.verdict,
    noted_at = CASE WHEN r.note THEN now() ELSE b.noted_at END
  FROM r WHERE b.device_id = r.device)
INSERT INTO fleet_evidence (kind, device_id, words, data)
SELECT 'sweep', r.device, r.words, r.reading FROM r WHERE r.note
"""
MISSED = "UPDATE fleet_bmc SET missed = missed + 1 WHERE device_id = ANY(%s)"
LOCK = "SELECT id FROM fleet_bmc WHERE device_id = ANY(%s) ORDER BY device_id FOR UPDATE"


@dataclass(frozen=True)
class Look:
    """One host, looked at. watch: None when its BMC did not answer, and error says how."""

    device: int
    name: str
    missed: int
    supplies: int | None
    watch: Watch | None
    error: str = ""
    refused: bool = False


def due(*, every_s: float | None = None, room: int = BATCH) -> list[dict[str, Any]]:
    """Take hosts whose turn it is, the longest unseen first, with what a look needs. One statement."""
    wait_s = max(pace.seconds(EVERY_S), EVERY_REAL_S) if every_s is None else every_s
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DUE, {"states": list(STATES), "every_s": wait_s, "room": room})
        found = rows(cursor)
    for profile_id in {row["profile_id"] for row in found}:
        profile_spec(profile_id)
    return found


async def look(pump: "Pump", row: dict[str, Any]) -> Look:
    """Look at one host; a BMC that does not answer is a look too."""
    parts = profile_spec(row["profile_id"]).get("parts", {})
    seen = {"device": row["device_id"], "name": row["name"], "missed": row["missed"], "supplies": parts.get("psu")}
    target, unreadable = snapshot.target(row)
    if unreadable:
        return Look(**seen, watch=None, error=f"its login cannot be read: {unreadable}")
    pump.devices[row["name"]] = row["device_id"]
    try:
        bmc = pump.bmcs.bmc(target)
        if row["session_state"] == "opening":
            await sessions.close_unrecorded(pump, bmc, row["name"])
        return Look(**seen, watch=await bmc.watch())
    except BmcError as error:
        return Look(**seen, watch=None, error=str(error), refused=error.code == "bad_credentials")


def record(looks: list[Look]) -> None:
    """Findings opened and closed, readings kept, evidence where something changed. One transaction, in bulk."""
    seen = sorted((one for one in looks if one.watch is not None), key=lambda one: one.device)
    away = sorted((one for one in looks if one.watch is None), key=lambda one: one.device)
    made = [f for one in seen for f in _judged(one)]
    lost = [_lost(one) for one in away if one.missed + 1 >= vitals.MISSES]
    with transaction.atomic(), connection.cursor() as cursor:
        findings.open([*made, *lost])
        over = Q(kind__in=list(vitals.VITALS), device_id__in=[one.device for one in seen])
        findings.close(
            over & ~Q(stable_id__in=[f.stable_id for f in made]), words="the health sweep sees it well again"
        )
        cursor.execute(LOCK, [[one.device for one in (*seen, *away)]])
        if seen:
            cursor.execute(SEEN, [NOTED_S, *columns([_row(one, made) for one in seen])])
        if away:
            cursor.execute(MISSED, [[one.device for one in away]])
        if refused := [one.device for one in away if one.refused]:
            effects.login_refused(cursor, refused)


def _judged(one: Look) -> list[Found]:
    assert one.watch is not None
    return vitals.judge(one.device, one.name, supplies=one.supplies, watch=one.watch)


def _lost(one: Look) -> Found:
    words = f"the BMC of {one.name} did not answer {one.missed + 1} looks in a row: {one.error}"
    return vitals.found("bmc_lost", one.device, words[:500])


def _row(one: Look, made: list[Found]) -> tuple[int, str, str, str]:
    assert one.watch is not None
    mine = [f for f in made if f.device == one.device]
    figures = vitals.reading(one.watch)
    words = "; ".join(f.words for f in mine) or "well: " + ", ".join(
        f"{name} {value}" for name, value in figures.items() if value is not None
    )
    return one.device, json.dumps(figures), " ".join(sorted(f.kind for f in mine)), words[:2000]


async def run(pump: "Pump", *, every_s: float | None = None) -> int:
    """Look at every host whose turn it is; how many those were. Bounded: each is taken once."""
    done = 0
    while batch := await pump.database(due, every_s=every_s):
        looks = await asyncio.gather(*(look(pump, row) for row in batch))
        await pump.database(record, list(looks))
        done += len(batch)
        if len(batch) < BATCH:
            break
    if done:
        await pump.database(incidents.fold)
    return done
