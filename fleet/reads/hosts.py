"""Hosts as lists and as one: the same rows for the page and the API."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Q, QuerySet

from fleet.errors import NotFound
from fleet.models import Device, FormerName, Hold
from fleet.reads.rows import Columns, Sites, named, scoped

COLUMNS: Columns = {
    "id": "id",
    "name": "name",
    "role": "role",
    "state": "state",
    "state_since": "state_since",
    "cause": "cause",
    "health": "health",
    "holds": "held",
    "serial": "serial",
    "profile": "profile__name",
    "site": "site__name",
    "row": "rack__row__name",
    "rack": "rack__name",
    "unit": "unit",
    "pod": "pod",
    "active_operation": "active_operation",
    "active_kind": "active_kind",
    "active_step": "active_step",
}
FILTERS = {
    "state": "state",
    "cause": "cause",
    "pod": "pod",
    "rack": "rack__name",
    "row": "rack__row__name",
    "profile": "profile__name",
}


def select(filters: Mapping[str, Any], sites: Sites) -> QuerySet[Device]:
    """Hosts by named fields; q is a piece of the name or serial, or the whole address of the BMC."""
    found = scoped(Device.objects.filter(kind="host"), sites, "site_id")
    for name, column in FILTERS.items():
        if filters.get(name):
            found = found.filter(**{column: filters[name]})
    if q := filters.get("q"):
        found = found.filter(Q(name__icontains=q) | Q(serial__icontains=q) | Q(bmc__address=q))
    return found


def rows(hosts: QuerySet[Device]) -> QuerySet[Device, dict[str, Any]]:
    """The columns of a list, for paging."""
    found: QuerySet[Device, dict[str, Any]] = hosts.values(*COLUMNS.values())
    return found


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names."""
    return [named(row, COLUMNS) for row in found]


def one(sites: Sites, **key: Any) -> dict[str, Any]:
    """A host by id or name. Raises NotFound (404), also for one at a site that one may not see."""
    row = rows(scoped(Device.objects.filter(kind="host", **key), sites, "site_id")).first()
    if row is None:
        ((field, value),) = key.items()
        raise NotFound(f"there is no host {value}", field=field, value=value)
    return named(row, COLUMNS)


def name_now(former: str) -> str | None:
    """The present name of the device that was once called so; None when none was."""
    return FormerName.objects.filter(name=former).values_list("device__name", flat=True).first()


HOLD: Columns = {
    "id": "id",
    "kind": "kind",
    "reason": "reason",
    "by": "actor__name",
    "placed_at": "placed_at",
    "until": "until",
    "ended_at": "ended_at",
    "ended_by": "ended_by__name",
}


def holds(device_id: int, when: Q) -> list[dict[str, Any]]:
    """Holds of a device, the oldest first."""
    return [
        named(r, HOLD) for r in Hold.objects.filter(when, device_id=device_id).order_by("id").values(*HOLD.values())
    ]


STANDING = Q(ended_at=None)
