"""What needs a person, the oldest first: what is wrong and nobody has seen, what is lost or halted, incidents.

Hosts with the same trouble are one line: forty hosts behind one cause are one thing to do.
"""

from typing import Any

from django.db import connection
from django.urls import reverse

from fleet import causes
from fleet.reads.rows import Sites
from fleet.states import KINDS

SHOWN = 50
NAMED = 3
# A lost operation has a line of its own, which says more than its finding does.
BY_OPERATION = ("outcome_unknown",)

# Open, not acknowledged, worse than a remark; a state past its limit is a remark that still needs somebody.
# Plan: index finding_needs, then the devices by their ids.
FINDINGS = """
SELECT f.kind, f.cause, max(f.severity) FILTER (WHERE f.severity = 'critical') IS NOT NULL AS critical, count(*) AS n,
  min(f.opened_at) AS since, (array_agg(f.words ORDER BY f.id))[1] AS words,
  (array_agg(d.name ORDER BY f.id) FILTER (WHERE d.name IS NOT NULL))[1:%(named)s] AS names,
  (array_agg(d.state ORDER BY f.id))[1] AS state, (array_agg(d.kind ORDER BY f.id))[1] AS device_kind,
  count(DISTINCT d.id) AS hosts, (array_agg(p.name ORDER BY f.id))[1] AS owner
FROM fleet_finding f LEFT JOIN fleet_device d ON d.id = f.device_id LEFT JOIN fleet_party p ON p.id = f.owner_id
WHERE f.closed_at IS NULL AND f.acknowledged_at IS NULL AND f.incident_id IS NULL AND f.kind <> ALL(%(by_operation)s)
  AND (f.severity IN ('critical', 'warning') OR f.kind = 'state_limit') AND (%(all)s OR d.site_id = ANY(%(sites)s))
GROUP BY f.kind, f.cause, CASE WHEN f.kind = 'state_limit' THEN d.state END ORDER BY since LIMIT %(limit)s
"""

# Plan: index operation_state; incidents are few.
LOST = """
SELECT * FROM (SELECT 'lost' AS which, o.id, o.kind, o.state_since AS since, o.step_name, d.name, '' AS words
  FROM provisioning_operation o LEFT JOIN fleet_device d ON d.id = o.device_id
  WHERE o.state = 'lost' AND (%(all)s OR o.site_id = ANY(%(sites)s)) ORDER BY o.state_since LIMIT %(limit)s) l
UNION ALL
SELECT * FROM (SELECT 'incident', i.id, i.kind, i.opened_at, '', i.place, i.words FROM fleet_incident i
  WHERE i.state = 'open' AND (%(all)s OR i.site_id = ANY(%(sites)s)) ORDER BY i.id LIMIT %(limit)s) i
"""


def needs(sites: Sites, halted: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Lines of {"key", "group", "name", "to", "words", "next", "since", "more"}, the oldest first. Two queries.

    halted: campaigns as rows, which the page has read anyway.
    """
    who = {"all": sites is None, "sites": list(sites or ()), "limit": SHOWN}
    lines = [_finding(row) for row in _rows(FINDINGS, {**who, "named": NAMED, "by_operation": list(BY_OPERATION)})]
    lines += [_lost(row) if row["which"] == "lost" else _incident(row) for row in _rows(LOST, who)]
    lines += [_halted(row) for row in halted]
    return sorted(lines, key=lambda line: (line["since"], line["key"]))[:SHOWN]


def _finding(row: dict[str, Any]) -> dict[str, Any]:
    names = row["names"] or []
    cause = causes.of(row["cause"] or row["kind"])
    line = {
        "key": f"finding-{row['kind']}-{row['cause']}-{row['state'] if row['kind'] == 'state_limit' else ''}",
        "group": "bad" if row["critical"] else "warn",
        "since": row["since"],
        "next": cause.then,
        "names": [(name, reverse(row["device_kind"], args=[name])) for name in names] if row["n"] > 1 else [],
        "more": row["hosts"] - len(names),
        "owner": row["owner"],
    }
    if row["kind"] == "state_limit":
        line |= _limit(row)
    if row["n"] == 1 and names:
        return {**line, "name": names[0], "to": reverse(row["device_kind"], args=[names[0]]), "words": row["words"]}
    if not names:
        return {**line, "name": row["kind"].replace("_", " "), "to": reverse("audit"), "words": row["words"]}
    where = f"{reverse('hosts')}?cause={row['cause']}" if row["cause"] else f"{reverse('hosts')}?state={row['state']}"
    words = f"{row['state']} for longer than its limit" if row["kind"] == "state_limit" else cause.words
    return {**line, "name": f"{row['hosts']} hosts", "to": where, "words": words.replace("_", " ")}


def _limit(row: dict[str, Any]) -> dict[str, Any]:
    """A state past its limit says what starts then, which a person does until something else does."""
    kind = KINDS.get(row["device_kind"] or "")
    then = next((s.then for s in kind.states if s.name == row["state"]), "") if kind else ""
    return {"next": f"{then}." if then else row["words"], "group": "warn"}


def _lost(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "key": f"lost-{row['id']}",
        "group": "bad",
        "name": row["name"] or f"{row['kind']} {row['id']}",
        "to": reverse("operation", args=[row["id"]]),
        "words": f"{row['kind']} {row['id']} is lost in {row['step_name']}: nobody knows how its last command ended",
        "next": "look at the machine, then say at the operation what you found.",
        "since": row["since"],
        "names": [],
    }


def _incident(row: dict[str, Any]) -> dict[str, Any]:
    rack = row["name"].removeprefix("rack ") if row["name"].startswith("rack ") else ""
    return {
        "key": f"incident-{row['id']}",
        "group": "bad",
        "name": row["name"],
        "to": f"{reverse('hosts')}?rack={rack}" if rack else reverse("racks"),
        "words": row["words"].replace("_", " "),
        "next": "look for the one cause of them all, then say it at the incident.",
        "since": row["since"],
        "names": [],
    }


def _halted(row: dict[str, Any]) -> dict[str, Any]:
    failed = ", ".join(f"{n} {cause}" for cause, n in row["by_cause"].items()).replace("_", " ")
    return {
        "key": f"campaign-{row['id']}",
        "group": "warn",
        "name": f"{row['kind']} {row['id']}".replace("_", " "),
        "to": reverse("campaign", args=[row["id"]]),
        "words": f"campaign halted with {row['hosts_done']} of {row['hosts']} done"
        + (f"; failed: {failed}" if failed else ""),
        "next": "read its failures, then go on or end it.",
        "since": row["state_since"],
        "names": [],
    }


def _rows(sql: str, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        names = [c.name for c in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
