"""Holds: somebody wants a host left alone. The count on the host is what the guard of each side effect reads."""

from collections.abc import Iterable, Sequence
from datetime import datetime

from django.db import connection, transaction
from django.db.models import F

from fleet.errors import BadValue, NotFound, WrongState
from fleet.models import Actor, Device, Hold

# hands: somebody works inside. vendor: frozen as the vendor must find it.
KINDS = ("hands", "vendor", "reserved", "debug")


def place(*, device_id: int, kind: str, reason: str, actor: Actor, until: datetime | None = None) -> Hold:
    """Leave a host alone from now on: nothing is written to it while a hold stands. until: it then ends by itself.

    Raises NotFound (404), BadValue (422).
    """
    return place_all(devices=[device_id], kind=kind, reason=reason, actor=actor, until=until)[0]


def place_all(
    *, devices: Sequence[int], kind: str, reason: str, actor: Actor, until: datetime | None = None
) -> list[Hold]:
    """As place(), on many hosts in a few statements: all or none."""
    if kind not in KINDS:
        raise BadValue(f"there is no hold {kind!r}", field="kind", value=kind, expected=", ".join(KINDS))
    with transaction.atomic():
        _lock(devices)
        if until is not None and until <= _now():
            raise BadValue("a hold cannot end in the past", field="until", value=until, expected="a time to come")
        placed = Hold.objects.bulk_create(
            Hold(device_id=pk, kind=kind, reason=reason, actor=actor, until=until) for pk in devices
        )
        Device.objects.filter(pk__in=devices).update(held=F("held") + 1)
    return placed


def lift(*, hold_id: int, device_id: int, actor: Actor) -> Hold:
    """End a hold of this device. Raises NotFound (404), WrongState (409) when it has ended already."""
    if not Hold.objects.filter(pk=hold_id, device_id=device_id).exists():
        raise NotFound(f"there is no hold {hold_id}", field="id", value=hold_id)
    with transaction.atomic():
        _lock([device_id])
        ended = Hold.objects.filter(pk=hold_id, ended_at=None).update(ended_at=_now(), ended_by=actor)
        if not ended:
            raise WrongState(f"hold {hold_id} has ended already", field="id", value=hold_id)
        Device.objects.filter(pk=device_id).update(held=F("held") - 1)
        return Hold.objects.get(pk=hold_id)


def lift_all(ids: Sequence[int], *, actor: Actor) -> int:
    """End those of these holds, of one a host, that still stand; how many those were."""
    with transaction.atomic():
        _lock(Hold.objects.filter(pk__in=ids).values_list("device_id", flat=True))
        standing = list(Hold.objects.filter(pk__in=ids, ended_at=None).values_list("id", "device_id"))
        Hold.objects.filter(pk__in=[pk for pk, _ in standing]).update(ended_at=_now(), ended_by=actor)
        Device.objects.filter(pk__in=[device for _, device in standing]).update(held=F("held") - 1)
    return len(standing)


def _lock(devices: Iterable[int]) -> None:
    """The rows that the guard of a side effect locks too: a hold stands before or after it, never beside it."""
    wanted = set(devices)
    rows = Device.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    if missing := sorted(wanted - set(rows.values_list("id", flat=True))):
        raise NotFound(f"there is no host {missing[0]}", field="id", value=missing[0])


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
