"""What no turn will repair: each minute, without a cap on how many (lessons M1, M2)."""

import logging
from collections.abc import Callable

from django.db import connection, transaction

from provisioning.engine import brakes, limits, release, service

log = logging.getLogger("muster.engine")
Repair = tuple[str, str]

# Each Repair: what to lock, in the order in which everybody locks it; then what is written to these rows, if it still
# holds of them (decision 5). Locked as they came, they met a batch of outcomes half way.

# A wait without a wake: active, but nothing will ever look at it.
UNWOKEN = (
    """
SELECT id FROM provisioning_operation
WHERE state = 'active' AND wake_at IS NULL AND (claimed_until IS NULL OR claimed_until < now())
ORDER BY device_id, id FOR UPDATE
""",
    """
UPDATE provisioning_operation SET wake_at = now() WHERE id = ANY(%s) AND state = 'active' AND wake_at IS NULL
""",
)

# A chain whose link before succeeded but was never released.
UNRELEASED = (
    """
SELECT o.id FROM provisioning_operation o JOIN provisioning_operation b ON b.id = o.after_id
WHERE b.state = 'succeeded' AND o.state = 'queued' ORDER BY o.device_id, o.id FOR UPDATE OF o
""",
    """
UPDATE provisioning_operation SET after_id = NULL, wake_at = now()
WHERE id = ANY(%s) AND state = 'queued' AND after_id IS NOT NULL
""",
)

# A device that still shows an operation that has ended.
STALE_ACTIVE = (
    """
SELECT d.id FROM fleet_device d JOIN provisioning_operation o ON o.id = d.active_operation
WHERE o.state IN ('succeeded', 'failed', 'cancelled') ORDER BY d.id FOR UPDATE OF d
""",
    """
UPDATE fleet_device d SET active_operation = NULL, active_kind = '', active_step = '',
  no_power_by = CASE WHEN d.no_power_by = d.active_operation THEN NULL ELSE d.no_power_by END
FROM provisioning_operation o
WHERE d.id = ANY(%s) AND o.id = d.active_operation AND o.state IN ('succeeded', 'failed', 'cancelled')
""",
)

STALE_WINDOWS = (
    """
SELECT w.id FROM provisioning_bootwindow w JOIN provisioning_operation o ON o.id = w.operation_id
WHERE w.closed_at IS NULL AND o.state IN ('succeeded', 'failed', 'cancelled') ORDER BY w.id FOR UPDATE OF w
""",
    "UPDATE provisioning_bootwindow SET closed_at = now() WHERE id = ANY(%s) AND closed_at IS NULL",
)

# Holds whose time is over; the host's count follows in the same statement.
ENDED_HOLDS = (
    """
SELECT id FROM fleet_device
WHERE id IN (SELECT device_id FROM fleet_hold WHERE ended_at IS NULL AND until < now()) ORDER BY id FOR UPDATE
""",
    """
WITH h AS (
  UPDATE fleet_hold SET ended_at = now() WHERE device_id = ANY(%s) AND ended_at IS NULL AND until < now()
  RETURNING device_id),
n AS (SELECT device_id, count(*) AS n FROM h GROUP BY 1)
UPDATE fleet_device d SET held = greatest(d.held - n.n, 0) FROM n WHERE d.id = n.device_id
""",
)

OLD_KEYS = (
    "SELECT id FROM fleet_idempotencykey WHERE at < now() - interval '7 days' ORDER BY id FOR UPDATE",
    "DELETE FROM fleet_idempotencykey WHERE id = ANY(%s)",
)

REPAIRS: dict[str, Repair | Callable[[], int]] = {
    "waits without a wake": UNWOKEN,
    "chains not released": UNRELEASED,
    "hosts with an ended operation": STALE_ACTIVE,
    "boot windows of ended operations": STALE_WINDOWS,
    "holds past their end": ENDED_HOLDS,
    "answers kept for long enough": OLD_KEYS,
    "hosts released by campaigns": release.release,
    "campaigns done": release.finish,
    "hosts given to the scheduler late": service.later,
    "states past their limit": limits.judge,
    "brakes that are open": brakes.tell,
}


def run() -> dict[str, int]:
    """Repair, release, finish; returns what was done, for the log and tests."""
    done = {name: _do(name, repair) for name, repair in REPAIRS.items()}
    if any(done.values()):
        log.info("reconciled: %s", ", ".join(f"{n} {name}" for name, n in done.items() if n))
    return done


def _do(name: str, repair: Repair | Callable[[], int]) -> int:
    """One of them; what it cannot do now, the next minute may, and it holds up no other."""
    try:
        return repair() if callable(repair) else _repair(*repair)
    except Exception:  # such as a host that was moved meanwhile: one that always fails must not silence the others
        log.exception("could not do: %s", name)
        return 0


def _repair(lock: str, write: str) -> int:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(lock)
        ids = [row[0] for row in cursor.fetchall()]
        cursor.execute(write, [ids])
        return int(cursor.rowcount)
