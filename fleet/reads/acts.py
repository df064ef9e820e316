"""Acts that wait for a second person, or had one."""

from typing import Any

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from fleet.errors import NotFound
from fleet.models import ActRequest, Device
from fleet.reads.rows import Columns, Sites, named

COLUMNS: Columns = {
    "id": "id",
    "act": "act",
    "hosts": "subject_ids",
    "reason": "reason",
    "asked_by": "asked_by__name",
    "asked_at": "asked_at",
    "valid_until": "valid_until",
    "confirmed_by": "confirmed_by__name",
    "confirmed_at": "confirmed_at",
    "transitions": "led_to",
}
# Somebody sees what is asked for when they see all of its hosts.
ELSEWHERE = """EXISTS (SELECT 1 FROM fleet_device d WHERE d.id = ANY(fleet_actrequest.subject_ids)
  AND d.site_id <> ALL(%s))"""


def select(waiting: bool | None, sites: Sites) -> QuerySet[ActRequest]:
    """waiting: true for those that can be confirmed still, false for all others."""
    found = ActRequest.objects.all()
    if sites is not None:
        found = found.exclude(RawSQL(ELSEWHERE, [list(sites)], output_field=BooleanField()))
    if waiting is None:
        return found
    can_be = Q(confirmed_at=None, valid_until__gt=timezone.now())
    return found.filter(can_be if waiting else ~can_be)


def rows(found: QuerySet[ActRequest]) -> QuerySet[ActRequest, dict[str, Any]]:
    """The columns of a list, for paging."""
    values: QuerySet[ActRequest, dict[str, Any]] = found.values(*COLUMNS.values())
    return values


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names, with their hosts'. One query."""
    ids = {pk for row in found for pk in row["subject_ids"]}
    names = dict(Device.objects.filter(pk__in=ids).values_list("id", "name"))
    return [{**named(row, COLUMNS), "hosts": sorted(names[pk] for pk in row["subject_ids"])} for row in found]


def one(number: int, sites: Sites) -> dict[str, Any]:
    """One of them. Raises NotFound (404), also for one of which one may not see all hosts."""
    row = rows(select(None, sites).filter(pk=number)).first()
    if row is None:
        raise NotFound(f"there is no act {number}", field="id", value=number)
    return ready([row])[0]


def place(number: int, sites: Sites) -> tuple[str, set[int]]:
    """The act that is asked for, and the sites of its hosts. Raises NotFound (404)."""
    found = select(None, sites).filter(pk=number).values_list("act", "subject_ids").first()
    if found is None:
        raise NotFound(f"there is no act {number}", field="id", value=number)
    return found[0], set(Device.objects.filter(pk__in=found[1]).values_list("site_id", flat=True))


def waiting_on(device_id: int) -> list[dict[str, Any]]:
    """What waits for a second person on this host, the oldest first. One query."""
    found = select(True, None).filter(subject_kind="host", subject_ids__contains=[device_id])
    return [named(row, COLUMNS) for row in rows(found).order_by("id")]
