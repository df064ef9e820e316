"""Brakes: how many hosts of a site may leave service unplanned; an admin overrides one for a time."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Router, Schema
from pydantic import Field

from fleet.errors import NotFound
from fleet.http import rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, Name, Reason
from fleet.models import Site
from provisioning.engine import brakes
from provisioning.reads import brakes as reads

router = Router(tags=["brakes"])


class BrakeRow(Schema):
    """A site's brake: closed lets hosts go, open is used up, overridden lets go whatever the number.

    gone: hosts that left service unplanned within within_s (of field time); limit: how many may.
    """

    site: str
    state: Literal["closed", "open", "overridden"]
    gone: int
    limit: int
    in_service: int
    within_s: int
    override_until: datetime | None
    override_by: str
    override_reason: str
    words: str


class Brakes(Schema):
    """The brakes of all sites that one may see."""

    items: list[BrakeRow]


class Override(Asked):
    """Let hosts of a site leave service however many they are, for so long."""

    site: Name
    minutes: Annotated[int, Field(strict=True, ge=1, le=brakes.MOST_OVERRIDE_MINUTES)]
    reason: Reason


@router.get("/brakes", auth=Bearer("read"), response=answers(Brakes))
def list_brakes(request: PageRequest) -> Any:
    """The brake of each site."""
    return {"items": reads.rows(request.who.sites("read"))}


@router.post("/brakes/override", auth=Bearer("override"), response=answers(BrakeRow, status=201, act=True))
@idempotent
def override_brake(request: PageRequest, body: Override) -> Any:
    """Override a brake for a time. Its finding is closed with the reason."""
    place = Site.objects.filter(name=body.site).values_list("id", flat=True).first()
    if place is None:
        raise NotFound(f"there is no site {body.site!r}", field="site", value=body.site)
    rights.demand(request.who, "override", sites=[place])
    brakes.override(site=body.site, minutes=body.minutes, reason=body.reason, actor=request.actor)
    return 201, reads.rows(frozenset({place}))[0]
