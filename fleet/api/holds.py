"""Holds: place and lift."""

from typing import Annotated, Any

from ninja import Router

from fleet import holds
from fleet.http import rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, HoldRow, Id, Instant, Reason, Text, words
from fleet.reads import hosts

router = Router(tags=["hosts"])


class HoldIn(Asked):
    """Why a host is to be left alone. until: when the hold ends by itself."""

    kind: Annotated[Text, *words(holds.KINDS)]
    reason: Reason
    until: Instant | None = None


@router.post("/hosts/{id}/holds", auth=Bearer("hold"), response=answers(HoldRow, status=201, act=True))
@idempotent
def place_hold(request: PageRequest, id: Id, body: HoldIn) -> Any:
    """Leave a host alone: nothing is written to it while a hold stands."""
    rights.demand(request.who, "hold", sites=[hosts.site_of(id, request.who.sites("read"))])
    hold = holds.place(device_id=id, kind=body.kind, reason=body.reason, until=body.until, actor=request.actor)
    return 201, hosts.hold(hold.pk)


@router.post("/holds/{id}/lift", auth=Bearer("hold"), response=answers(HoldRow, status=200, act=True))
@idempotent
def lift_hold(request: PageRequest, id: Id) -> Any:
    """End a hold."""
    device_id, site_id = hosts.place_of_hold(id, request.who.sites("read"))
    rights.demand(request.who, "hold", sites=[site_id])
    holds.lift(hold_id=id, device_id=device_id, actor=request.actor)
    return 200, hosts.hold(id)
