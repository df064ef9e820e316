"""Recomputes from the history alone whether campaigns kept their floor and their limits at each moment."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

from django.db import connection

from fleet import sql
from provisioning.engine.release import UNDER
from provisioning.operations.registry import ends_chain

HOSTS = """
SELECT t.at, t.id, t.subject_id AS host, t.from_state, t.to_state, t.cause
FROM fleet_transition t WHERE t.subject_kind = 'host' ORDER BY t.at, t.id
"""
OPERATIONS = """
SELECT t.at, t.id, o.device_id AS host, t.to_state, o.kind, o.chain_n, c.kind AS campaign
FROM fleet_transition t JOIN provisioning_operation o ON o.id = t.subject_id
JOIN provisioning_campaign c ON c.id = o.campaign_id
WHERE t.subject_kind = 'operation' AND c.id = ANY(%s) ORDER BY t.at, t.id
"""
DOMAINS = f"SELECT d.id, {UNDER} FROM fleet_device d WHERE d.kind = 'host'"


def broken(campaigns: list[int], *, floor: int, limits: Mapping[str, int]) -> list[str]:
    """Every moment at which fewer than floor were in service because of a campaign, or more of a domain under way."""
    with connection.cursor() as cursor:
        cursor.execute(HOSTS)
        hosts = sql.rows(cursor)
        cursor.execute(OPERATIONS, [campaigns])
        operations = sql.rows(cursor)
        cursor.execute(DOMAINS, {"leaf": True, "feed": True})
        under = {row["id"]: row for row in sql.rows(cursor)}
    return _floor(hosts, floor) + _limits(hosts, operations, under, limits)


def _floor(hosts: list[dict[str, Any]], floor: int) -> list[str]:
    serving, found = 0, []
    for move in hosts:
        serving += (move["to_state"] == "in_service") - (move["from_state"] == "in_service")
        if move["to_state"] == "draining" and serving < floor:
            found.append(f"{move['at']}: {serving} in service, floor {floor}")
    return found


def _limits(
    hosts: list[dict[str, Any]],
    operations: list[dict[str, Any]],
    under: Mapping[int, dict[str, Any]],
    limits: Mapping[str, int],
) -> list[str]:
    """A host is under way from when it leaves service, or its first operation is claimed, to the end of its chain."""
    begins = [(m["at"], m["id"], m["host"], True) for m in hosts if m["cause"] == "campaign"]
    begins += [(o["at"], o["id"], o["host"], True) for o in operations if o["to_state"] == "active"]
    ends = [(o["at"], o["id"], o["host"], False) for o in operations if _is_over(o)]
    now: set[int] = set()
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    found = []
    for at, _, host, begun in sorted(begins + ends):
        if begun == (host in now):
            continue
        now ^= {host}
        for kind, most in limits.items():
            for domain in _of(under[host], kind):
                counts[kind][domain] += 1 if begun else -1
                if counts[kind][domain] > most:
                    found.append(f"{at}: {counts[kind][domain]} under way in {kind} {domain}, {most} may")
    return found


def _of(row: Mapping[str, Any], kind: str) -> list[int]:
    return [row["rack"]] if kind == "rack" else row[f"{kind}s"] or []


def _is_over(operation: Mapping[str, Any]) -> bool:
    last = ends_chain(operation["kind"], operation["chain_n"], operation["campaign"])
    return operation["to_state"] in ("failed", "cancelled") or (operation["to_state"] == "succeeded" and last)
