"""Holds: somebody wants a host left alone. The count on the host is what the guard of each side effect reads."""

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
    if kind not in KINDS:
        raise BadValue(f"there is no hold {kind!r}", field="kind", value=kind, expected=", ".join(KINDS))
    with transaction.atomic():
        _lock(device_id)
        if until is not None and until <= _now():
            raise BadValue("a hold cannot end in the past", field="until", value=until, expected="a time to come")
        hold = Hold.objects.create(device_id=device_id, kind=kind, reason=reason, actor=actor, until=until)
        Device.objects.filter(pk=device_id).update(held=F("held") + 1)
    return hold


def lift(*, hold_id: int, device_id: int, actor: Actor) -> Hold:
    """End a hold of this device. Raises NotFound (404), WrongState (409) when it has ended already."""
    if not Hold.objects.filter(pk=hold_id, device_id=device_id).exists():
        raise NotFound(f"there is no hold {hold_id}", field="id", value=hold_id)
    with transaction.atomic():
        _lock(device_id)
        ended = Hold.objects.filter(pk=hold_id, ended_at=None).update(ended_at=_now(), ended_by=actor)
        if not ended:
            raise WrongState(f"hold {hold_id} has ended already", field="id", value=hold_id)
        Device.objects.filter(pk=device_id).update(held=F("held") - 1)
        return Hold.objects.get(pk=hold_id)


def _lock(device_id: int) -> None:
    """The row that the guard of a side effect locks too: a hold stands before or after it, never beside it."""
    if not Device.objects.select_for_update().filter(pk=device_id).values_list("id", flat=True).first():
        raise NotFound(f"there is no host {device_id}", field="id", value=device_id)


def _now() -> datetime:
    with connection.cursor() as cursor:
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
        return now
