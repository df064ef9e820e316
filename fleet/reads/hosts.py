"""Hosts as lists and as one: the same rows for the page and the API."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Q, QuerySet

from fleet.errors import BadValue, NotFound
from fleet.http import forms
from fleet.models import Device, FormerName, Hold
from fleet.reads.rows import Columns, Sites, named, scoped
from fleet.states import KINDS

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


def name_or_id(called: str) -> str | int:
    """What a word in an address means: digits are an id, since no plan gives such a name (fleet.plan.fields)."""
    return int(called) if called.isascii() and called.isdecimal() and len(called) < 19 else called


def id_of(called: str, sites: Sites) -> int:
    """The id of a host by its number or, when it is none, its name. Raises NotFound (404). A number costs no query."""
    if isinstance(number := name_or_id(called), int):
        return number
    found = scoped(Device.objects.filter(kind="host", name=called), sites, "site_id").values_list("id").first()
    if found is None:
        raise NotFound(f"there is no host {called}", field="name", value=called)
    return int(found[0])


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


def hold(hold_id: int) -> dict[str, Any]:
    """One hold as a row."""
    return named(Hold.objects.values(*HOLD.values()).get(pk=hold_id), HOLD)


def site_of(device_id: int, sites: Sites) -> int:
    """The site of a host. Raises NotFound (404), also for one at a site that one may not see."""
    found = scoped(Device.objects.filter(kind="host", pk=device_id), sites, "site_id").values_list("site_id").first()
    if found is None:
        raise NotFound(f"there is no host {device_id}", field="id", value=device_id)
    return int(found[0])


def place_of_hold(hold_id: int, sites: Sites) -> tuple[int, int]:
    """The host of a hold, and its site. Raises NotFound (404), also for one at a site that one may not see."""
    found = scoped(Hold.objects.filter(pk=hold_id), sites, "device__site_id")
    place = found.values_list("device_id", "device__site_id").first()
    if place is None:
        raise NotFound(f"there is no hold {hold_id}", field="id", value=hold_id)
    return int(place[0]), int(place[1])


NAMES = (*FILTERS, "q")
STATES = tuple(s.name for s in KINDS["host"].states)


def filters(query: Mapping[str, Any]) -> dict[str, str]:
    """The filters of a page's address. Raises BadValue (422) for one that does not exist or cannot match anything."""
    for name in query:
        if name not in (*NAMES, "cursor"):
            raise BadValue(f"there is no filter {name!r}", field=name, value=query[name], expected=", ".join(NAMES))
    found = {name: forms.text(query, name) for name in NAMES}
    if found["state"] and found["state"] not in STATES:
        raise BadValue("there is no such state", field="state", value=found["state"], expected=", ".join(STATES))
    return {name: value for name, value in found.items() if value}


def known(sites: Sites) -> dict[str, Any]:
    """What there is to filter by: states and causes with their numbers, and how many hosts there are. One query."""
    groups = scoped(Device.objects.filter(kind="host"), sites, "site_id").values_list("state", "cause")
    states: dict[str, int] = {}
    causes: dict[str, int] = {}
    for state, cause, n in groups.annotate(n=Count("id")).order_by():
        states[state] = states.get(state, 0) + n
        if cause:
            causes[cause] = causes.get(cause, 0) + n
    ordered = [(s, states[s]) for s in STATES if s in states]
    return {"states": ordered, "causes": sorted(causes.items()), "hosts": sum(states.values())}
