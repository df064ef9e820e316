"""What goes on now: what needs a person, campaigns, operations, the latest changes, and a word for all that."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from fleet.reads.hosts import STATES
from fleet.reads.rows import Sites
from fleet.states import GROUPS, group_of
from provisioning.reads import brakes, campaigns, needs
from provisioning.reads.summary import summary

RECENT = 8
OLDEST = 5
CAMPAIGNS = 20
OPEN = ("draft", "running", "paused", "halted")

# Looks at the newest ids, at the findings that stand, and whether anything is in passing: a poll that finds nothing new
# costs this.
VERSION = """
SELECT coalesce((SELECT max(id) FROM fleet_transition), 0), coalesce((SELECT max(id) FROM provisioning_step), 0),
  (SELECT concat(count(*), '-', max(id)) FROM fleet_finding WHERE closed_at IS NULL AND acknowledged_at IS NULL),
  EXISTS (SELECT 1 FROM provisioning_operation WHERE state IN ('queued', 'active') AND after_id IS NULL)
  OR EXISTS (SELECT 1 FROM fleet_transition WHERE at > now() - interval '5 minutes')
"""

# What is under way: how many in which step, and the longest. Plan: index operation_state.
WORK = """
WITH work AS (SELECT * FROM provisioning_operation
  WHERE state IN ('active', 'lost') AND (%(all)s OR site_id = ANY(%(sites)s)))
SELECT (SELECT coalesce(jsonb_agg(s ORDER BY s.kind, s.first), '[]') FROM (
    SELECT kind, step_name AS step, count(*) AS n, min(step) AS first FROM work WHERE state = 'active'
    GROUP BY kind, step_name) s)::text,
  (SELECT coalesce(jsonb_agg(l ORDER BY l.started_at, l.id), '[]') FROM (
    SELECT o.id, o.kind, o.state, d.name AS host, o.step_name, o.attempt, o.waits_for, o.done, o.total, o.started_at
    FROM work o LEFT JOIN fleet_device d ON d.id = o.device_id ORDER BY o.started_at, o.id LIMIT %(limit)s) l)::text
"""

# Plan: the primary key backwards; operations' own transitions are left out, they stand on the operations' pages.
LATEST = """
SELECT t.id, t.at, t.subject_kind, t.subject_id, d.name, t.from_state, t.to_state, t.cause, t.reason, a.name AS actor
FROM fleet_transition t JOIN fleet_actor a ON a.id = t.actor_id
LEFT JOIN fleet_device d ON t.subject_kind IN ('host', 'switch') AND d.id = t.subject_id
LEFT JOIN provisioning_campaign c ON t.subject_kind = 'campaign' AND c.id = t.subject_id
WHERE t.subject_kind IN ('host', 'campaign') AND (%(all)s OR coalesce(d.site_id, c.site_id) = ANY(%(sites)s))
ORDER BY t.id DESC LIMIT %(limit)s
"""


@dataclass(frozen=True)
class Version:
    """have: what a page shows; another one means that it has changed. is_passing: things move just now."""

    have: str
    is_passing: bool


def version() -> Version:
    """One query."""
    with connection.cursor() as cursor:
        cursor.execute(VERSION)
        transition, step, findings, is_passing = cursor.fetchone()
    return Version(f"{transition}-{step}-{findings}", is_passing)


def now(sites: Sites) -> dict[str, Any]:
    """All that the page shows. Eight queries."""
    who = {"all": sites is None, "sites": list(sites or ())}
    numbers = summary(sites)
    going = campaigns.ready(list(campaigns.rows(sites).filter(state__in=OPEN).order_by("-id")[:CAMPAIGNS]))
    found = needs.needs(sites, [c for c in going if c["state"] == "halted"])
    return {
        "summary": numbers,
        "states": sorted(
            ((name, numbers["by_state"][name]) for name in STATES if name in numbers["by_state"]),
            key=lambda state: GROUPS.index(group_of("host", state[0])),
        ),
        "needs": found,
        "campaigns": [c for c in going if c["state"] != "halted"],
        "brakes": brakes.rows(sites),
        **_work({**who, "limit": OLDEST}),
        "latest": _rows(LATEST, {**who, "limit": RECENT}),
    }


def _work(arguments: dict[str, Any]) -> dict[str, Any]:
    with connection.cursor() as cursor:
        cursor.execute(WORK, arguments)
        steps, longest = (json.loads(text) for text in cursor.fetchone())
    for row in longest:
        row["started_at"] = row["started_at"] and datetime.fromisoformat(row["started_at"])
    return {"steps": steps, "longest": longest}


def _rows(sql: str, arguments: dict[str, Any], names: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        columns = names or tuple(c.name for c in cursor.description)
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]
