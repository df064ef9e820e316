"""Incidents as lists and as one."""

from typing import Any

from django.contrib.postgres.aggregates import ArrayAgg
from django.db.models import Q, QuerySet, Value

from fleet.errors import NotFound
from fleet.models import Incident
from fleet.reads.rows import Columns, Sites, named, scoped

COLUMNS: Columns = {
    "id": "id",
    "kind": "kind",
    "state": "state",
    "state_since": "state_since",
    "site": "site__name",
    "place": "place",
    "words": "words",
    "opened_at": "opened_at",
    "hosts": "names",
}
OPEN_HOSTS = ArrayAgg(
    "findings__device__name",
    filter=Q(findings__closed_at=None, findings__device__isnull=False),
    order_by="findings__device__name",
    default=Value([]),
)


def select(sites: Sites, *, state: str | None = None, kind: str | None = None) -> QuerySet[Incident, dict[str, Any]]:
    """Incidents with the names of the hosts that still have their finding."""
    asked = {name: value for name, value in (("state", state), ("kind", kind)) if value is not None}
    found = scoped(Incident.objects.filter(**asked), sites, "site_id").annotate(names=OPEN_HOSTS)
    rows: QuerySet[Incident, dict[str, Any]] = found.values(*COLUMNS.values())
    return rows


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names."""
    return [named(row, COLUMNS) for row in found]


def one(incident_id: int, sites: Sites) -> dict[str, Any]:
    """An incident as a row. Raises NotFound (404), also for other sites."""
    rows = ready(list(select(sites).filter(pk=incident_id)))
    if not rows:
        raise NotFound(f"there is no incident {incident_id}", field="id", value=incident_id)
    return rows[0]


def site_of(incident_id: int, sites: Sites) -> int:
    """The site of an incident. Raises NotFound (404), also for other sites."""
    found = scoped(Incident.objects.filter(pk=incident_id), sites, "site_id").values_list("site_id", flat=True).first()
    if found is None:
        raise NotFound(f"there is no incident {incident_id}", field="id", value=incident_id)
    return int(found)
