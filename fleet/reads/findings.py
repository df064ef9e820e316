"""Findings as lists and as one."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

from fleet.errors import NotFound
from fleet.findings import NOT_BY_HAND
from fleet.models import Finding
from fleet.reads.rows import Columns, Sites, named, scoped

COLUMNS: Columns = {
    "id": "id",
    "stable_id": "stable_id",
    "domain": "domain",
    "kind": "kind",
    "severity": "severity",
    "words": "words",
    "cause": "cause",
    "owner": "owner__name",
    "host": "device__name",
    "host_id": "device_id",
    "operation": "operation_id",
    "incident": "incident_id",
    "subjects": "subjects",
    "evidence": "evidence",
    "opened_at": "opened_at",
    "seen_at": "seen_at",
    "acknowledged_at": "acknowledged_at",
    "acknowledged_by": "acknowledged_by__name",
    "acknowledged_words": "acknowledged_words",
    "closed_at": "closed_at",
    "closed_by": "closed_by__name",
    "closed_words": "closed_words",
}


def select(filters: Mapping[str, Any], sites: Sites) -> QuerySet[Finding, dict[str, Any]]:
    """Findings by named fields; open: True for those that stand, False for those that were closed."""
    found = scoped(Finding.objects.all(), sites, "device__site_id")
    for name, column in (("domain", "domain"), ("kind", "kind"), ("severity", "severity"), ("host", "device__name")):
        if filters.get(name):
            found = found.filter(**{column: filters[name]})
    if filters.get("open") is not None:
        found = found.filter(closed_at__isnull=filters["open"])
    rows: QuerySet[Finding, dict[str, Any]] = found.values(*COLUMNS.values())
    return rows


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names. by_hand: whether a person may close such a one."""
    return [{**named(row, COLUMNS), "by_hand": row["kind"] not in NOT_BY_HAND} for row in found]


def one(finding_id: int) -> dict[str, Any]:
    """A finding as a row."""
    return ready([Finding.objects.values(*COLUMNS.values()).get(pk=finding_id)])[0]


def place(finding_id: int, sites: Sites) -> tuple[int | None, int | None]:
    """The device of a finding and its site, None where it has none. Raises NotFound (404), also for other sites."""
    found = scoped(Finding.objects.filter(pk=finding_id), sites, "device__site_id")
    row = found.values_list("device_id", "device__site_id").first()
    if row is None:
        raise NotFound(f"there is no finding {finding_id}", field="id", value=finding_id)
    device_id, site_id = row
    return device_id, site_id
