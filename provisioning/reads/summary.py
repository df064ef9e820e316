"""The fleet in numbers."""

import json
from typing import Any

from django.db import connection

from fleet.reads.rows import Sites

# Plan: index device_state for the hosts, operation_state for what is under way; the two totals are index-only scans.
SUMMARY = """
SELECT
  (SELECT coalesce(jsonb_object_agg(state, n), '{}') FROM (SELECT state, count(*) AS n FROM fleet_device
     WHERE kind = 'host' AND (%(all)s OR site_id = ANY(%(sites)s)) GROUP BY state) s)::text,
  (SELECT coalesce(jsonb_object_agg(cause, n), '{}') FROM (SELECT cause, count(*) AS n FROM fleet_device
     WHERE kind = 'host' AND state = 'quarantined' AND (%(all)s OR site_id = ANY(%(sites)s)) GROUP BY cause) c)::text,
  (SELECT count(*) FROM provisioning_operation
     WHERE state IN ('queued', 'active', 'lost') AND after_id IS NULL AND (%(all)s OR site_id = ANY(%(sites)s))),
  (SELECT count(*) FROM provisioning_operation WHERE %(all)s OR site_id = ANY(%(sites)s)),
  (SELECT count(*) FROM fleet_transition)
"""


def summary(sites: Sites) -> dict[str, Any]:
    """Hosts by state, quarantined ones by cause, and totals. One query."""
    with connection.cursor() as cursor:
        cursor.execute(SUMMARY, {"all": sites is None, "sites": list(sites or ())})
        by_state, by_cause, active, operations, transitions = cursor.fetchone()
    states, causes = _numbers(by_state), _numbers(by_cause)
    return {
        "hosts": sum(states.values()),
        "by_state": states,
        "by_cause": causes,
        "active_operations": active,
        "operations": operations,
        "transitions": transitions,
    }


def _numbers(text: str) -> dict[str, int]:
    return dict(sorted(json.loads(text).items()))
