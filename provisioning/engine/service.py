"""Edge 15: a host whose validation asked for it goes into service when nothing stands against it, at once or later."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import connection, transaction

from fleet import lifecycle, sql
from fleet.findings import DEVICES_FOR_NO_KEY_UPDATE
from fleet.lifecycle import Move
from fleet.states import HOST_STATES
from provisioning.models import UNDER_WAY
from provisioning.operations import pace

FROM, GOAL = "validated", "in_service"
BAD_HEALTH = ("critical", "warning")
# How long a validation says something: the limit of the state.
FRESH_S = next(int(s.limit_s) for s in HOST_STATES if s.name == FROM and s.limit_s)

LEAVING = "SELECT id FROM fleet_device WHERE id = ANY(%s) AND state = 'in_service' ORDER BY id"

STANDING = "SELECT id, seq, state, held, health FROM fleet_device WHERE id = ANY(%s) ORDER BY id"

# The wish is kept with the operation that has it, under the number of the host's last transition: whatever moves the
# host ends the wish, also when it comes back to where it was.
KEEP = """
UPDATE provisioning_operation o SET words = o.words || r.why, result = CASE WHEN r.seq IS NULL THEN o.result
  ELSE o.result || jsonb_build_object('serves_from_seq', r.seq) END
FROM unnest(%s::bigint[], %s::text[], %s::bigint[]) AS r(op, why, seq) WHERE o.id = r.op
"""

# A later validation that did not ask for service ends the wish of an earlier one. Plan: the hosts in this state by
# device_state, of each its operations by operation_device.
WAITING = """
SELECT d.id, o.id, (SELECT coalesce(array_agg(e.id ORDER BY e.id), '{}') FROM fleet_evidence e
                    WHERE e.operation_id = o.id)
FROM fleet_device d
JOIN LATERAL (SELECT v.id, v.result FROM provisioning_operation v
  WHERE v.device_id = d.id AND v.kind = 'validate' AND v.state = 'succeeded'
  ORDER BY v.ended_at DESC, v.id DESC LIMIT 1) o ON true
WHERE d.kind = 'host' AND d.state = %(from)s AND d.held = 0 AND d.health <> ALL(%(bad)s)
  AND d.state_since > now() - %(fresh)s
  AND (%(ids)s::bigint[] IS NULL OR d.id = ANY(%(ids)s::bigint[]))
  AND (o.result->>'serves_from_seq')::bigint = d.seq AND NOT EXISTS (
    SELECT 1 FROM provisioning_operation b
    WHERE b.device_id = d.id AND b.mutating AND b.state = ANY(%(under_way)s) AND b.after_id IS NULL)
ORDER BY d.id
"""


def give(cursor: Any, asked: Mapping[int, tuple[int, Sequence[int]]]) -> None:
    """Give hosts to the scheduler whose validation has just succeeded and asked for it.

    asked: device to (operation, evidence).
    What stands against it is said in the operation's words, and the wish is kept for later(). Devices are locked.
    """
    if not asked:
        return
    cursor.execute(STANDING, [list(asked)])
    moves, kept = [], []
    for device, seq, state, held, health in cursor.fetchall():
        op, evidence = asked[device]
        if why := _against(state, held, health):
            kept.append((op, f"; not yet in service: {why}", seq if state == FROM else None))
        else:
            moves.append(Move(device, GOAL, "validated, no hold, health ok", "", tuple(evidence)))
    lifecycle.move_each("host", moves, actor=lifecycle.system("engine"))
    if kept:
        cursor.execute(KEEP, sql.columns(kept))


def leave(cursor: Any, devices: Sequence[int]) -> None:
    """Take hosts out of service for planned work, those that are in it still. Brakes and devices are locked."""
    if devices:
        cursor.execute(LEAVING, [list(devices)])
        ids = [row[0] for row in cursor.fetchall()]
        lifecycle.move("host", ids, to="draining", actor=lifecycle.system("engine"), reason="a drain was asked for")


def _against(state: str, held: int, health: str) -> str:
    """What stands against giving this host to the scheduler, '' when nothing does."""
    why = [f"the host is {state}"] if state != FROM else []
    why += [f"{held} hold{'s stand' if held > 1 else ' stands'}"] if held else []
    return ", ".join([*why, *([f"its health is {health}"] if health in BAD_HEALTH else [])])


def later() -> int:
    """Hosts that were validated for service while something stood against it go there once nothing does; how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(WAITING, _waiting(None))
        if not (ids := [row[0] for row in cursor.fetchall()]):
            return 0
        cursor.execute(DEVICES_FOR_NO_KEY_UPDATE, [ids])
        cursor.execute(WAITING, _waiting(ids))
        words = "no hold any more, health ok: as operation {} has asked for"
        moves = [Move(d, GOAL, words.format(op), "", tuple(proof)) for d, op, proof in cursor.fetchall()]
        lifecycle.move_each("host", moves, actor=lifecycle.system("engine"))
    return len(moves)


def _waiting(ids: list[int] | None) -> dict[str, Any]:
    return {"from": FROM, "bad": list(BAD_HEALTH), "fresh": fresh(), "under_way": list(UNDER_WAY), "ids": ids}


def fresh() -> timedelta:
    """The same as this installation runs time."""
    return timedelta(seconds=pace.deadline(FRESH_S))
