"""Findings as lists and as one."""

from collections.abc import Mapping, Sequence
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


def some(ids: Sequence[int]) -> list[dict[str, Any]]:
    """Findings as rows, in the order of their numbers."""
    return ready(list(Finding.objects.filter(pk__in=ids).order_by("pk").values(*COLUMNS.values())))


def places(ids: Sequence[int], sites: Sites) -> set[int | None]:
    """The sites of findings, None for one that has none. Raises NotFound (404), also for those of other sites."""
    found = scoped(Finding.objects.filter(pk__in=ids), sites, "device__site_id").values_list("pk", "device__site_id")
    by_id = dict(found)
    for number in ids:
        if number not in by_id:
            raise NotFound(f"there is no finding {number}", field="id", value=number)
    return set(by_id.values())
