"""Reviews: one with what it shows, and those that wait for a second person, or had one."""

from typing import Any

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from fleet.errors import NotFound
from fleet.models import Device, Review
from fleet.reads.rows import Columns, Sites, named

COLUMNS: Columns = {
    "id": "code",
    "act": "second",
    "verb": "verb",
    "hosts": "hosts",
    "reason": "reason",
    "asked_by": "asked_by__name",
    "asked_at": "asked_at",
    "valid_until": "valid_until",
    "confirmed_by": "confirmed_by__name",
    "confirmed_at": "confirmed_at",
    "led_to": "led_to",
}
# Somebody sees what is asked for when they see all of its hosts.
ELSEWHERE = """EXISTS (SELECT 1 FROM fleet_device d WHERE d.id = ANY(fleet_review.hosts) AND d.site_id <> ALL(%s))"""


def seen(sites: Sites) -> QuerySet[Review]:
    """Reviews of hosts of these sites alone."""
    found = Review.objects.all()
    if sites is None:
        return found
    return found.exclude(RawSQL(ELSEWHERE, [list(sites)], output_field=BooleanField()))


def select(waiting: bool | None, sites: Sites) -> QuerySet[Review]:
    """Acts of two persons. waiting: true for those that can be confirmed still, false for all others."""
    found = seen(sites).exclude(second="").exclude(asked_at=None)
    if waiting is None:
        return found
    can_be = Q(confirmed_at=None, valid_until__gt=timezone.now())
    return found.filter(can_be if waiting else ~can_be)


def rows(found: QuerySet[Review]) -> QuerySet[Review, dict[str, Any]]:
    """The columns of a list, for paging by the number."""
    values: QuerySet[Review, dict[str, Any]] = found.values("id", *COLUMNS.values())
    return values


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names, with their hosts'. One query."""
    ids = {pk for row in found for pk in row["hosts"]}
    names = dict(Device.objects.filter(pk__in=ids).values_list("id", "name"))
    return [_row(row) | {"hosts": sorted(names[pk] for pk in row["hosts"])} for row in found]


def _row(row: dict[str, Any]) -> dict[str, Any]:
    found = named(row, COLUMNS)
    return {**found, "transitions": found["led_to"].get("transitions", [])}


def one(code: str, sites: Sites) -> dict[str, Any]:
    """One of them. Raises NotFound (404), also for one of which one may not see all hosts."""
    row = rows(select(None, sites).filter(code=code)).first()
    if row is None:
        raise NotFound(f"there is no act {code}", field="id", value=code)
    return ready([row])[0]


def place(code: str, sites: Sites) -> tuple[str, set[int]]:
    """The act that is asked for, and the sites of its hosts. Raises NotFound (404)."""
    found = select(None, sites).filter(code=code).values_list("second", "hosts").first()
    if found is None:
        raise NotFound(f"there is no act {code}", field="id", value=code)
    return found[0], set(Device.objects.filter(pk__in=found[1]).values_list("site_id", flat=True))


def review(code: str, sites: Sites) -> Review:
    """A review with who asked for it and who confirmed. Raises NotFound (404), also for hosts one may not see."""
    found = seen(sites).select_related("asked_by", "confirmed_by").filter(code=code).first()
    if found is None:
        raise NotFound(f"there is no review {code}", field="id", value=code)
    return found


def waiting_on(device_id: int) -> list[dict[str, Any]]:
    """What waits for a second person on this host, the oldest first. One query."""
    return [_row(row) for row in rows(select(True, None).filter(hosts__contains=[device_id])).order_by("id")]
