"""Campaigns: list, look, review, start, pause, go on, halt, end."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field

from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, Id, Name, Page, Paged, Reason, TransitionRow
from provisioning.api.operations import Params, Select, Why
from provisioning.engine import campaign
from provisioning.reads import campaigns

router = Router(tags=["campaigns"])

MOST_AT_ONCE = 100_000


class CampaignRow(Schema):
    """A campaign. by_state: operations. by_cause: failed or lost ones. at_once: null for no limit."""

    id: int
    kind: str
    state: str
    state_since: datetime | None
    site: str
    hosts: int
    at_once: int | None
    select: dict[str, Any]
    params: dict[str, Any]
    by: str
    reason: str
    asked_at: datetime
    by_state: dict[str, int]
    by_cause: dict[str, int]
    hosts_done: int


class CampaignOut(CampaignRow):
    """A campaign with its history."""

    transitions: list[TransitionRow]


class Review(Schema):
    """What a campaign would do. refused: hosts that cannot take part, and why; while there are any it cannot start."""

    dry_run: bool
    kind: str
    chain: list[str]
    hosts: list[str]
    refused: list[dict[str, Any]]


class CampaignIn(Asked):
    """One request over many hosts. at_once: how many may have an operation under way, null for no limit."""

    kind: Name
    select: Select
    params: Params = {}
    at_once: Annotated[int, Field(strict=True, ge=1, le=MOST_AT_ONCE)] | None = None
    reason: Reason
    dry_run: Annotated[bool, Field(strict=True)] = False


@router.get("/campaigns", auth=Bearer("read"), response=answers(Page[CampaignRow]))
def list_campaigns(request: PageRequest, page: Query[Paged]) -> Any:
    """Campaigns, the newest first."""
    rows, after = paging.page(
        campaigns.rows(request.who.sites("read")), by="id", cursor=page.cursor, limit=page.limit, descending=True
    )
    return {"items": campaigns.ready(rows), "next": after}


@router.get("/campaigns/{id}", auth=Bearer("read"), response=answers(CampaignOut))
def get_campaign(request: PageRequest, id: Id) -> Any:
    """One campaign with its counts and its history."""
    return campaigns.one(id, request.who.sites("read"))


@router.post(
    "/campaigns", auth=Bearer("campaign"), response={200: Review, **answers(CampaignOut, status=202, act=True)}
)
@idempotent
def create_campaign(request: PageRequest, body: CampaignIn) -> Any:
    """Start a campaign: all hosts or none. With dry_run it answers with the review and starts nothing."""
    select = body.select.model_dump(exclude_none=True)
    review = campaigns.review(kind=body.kind, select=select)
    rights.demand(request.who, "campaign", sites=review.sites)
    if body.dry_run:
        return 200, review.as_dict()
    made = campaign.create(
        kind=body.kind,
        devices=review.devices,
        select=select,
        params=body.params,
        at_once=body.at_once,
        actor=request.actor,
        reason=body.reason,
    )
    return 202, campaigns.one(made.pk, None)


def _move(request: PageRequest, id: int, to: str, reason: str) -> Any:
    rights.demand(request.who, "campaign", sites=[campaigns.site_of(id, request.who.sites("read"))])
    campaign.move(campaign_id=id, to=to, actor=request.actor, reason=reason)
    return 202, campaigns.one(id, None)


@router.post("/campaigns/{id}/pause", auth=Bearer("campaign"), response=answers(CampaignOut, status=202, act=True))
@idempotent
def pause_campaign(request: PageRequest, id: Id, body: Why) -> Any:
    """Start nothing new; what is under way goes on to its end."""
    return _move(request, id, "paused", body.reason)


@router.post("/campaigns/{id}/resume", auth=Bearer("campaign"), response=answers(CampaignOut, status=202, act=True))
@idempotent
def resume_campaign(request: PageRequest, id: Id, body: Why) -> Any:
    """Go on after a pause or a halt."""
    return _move(request, id, "running", body.reason)


@router.post("/campaigns/{id}/halt", auth=Bearer("campaign"), response=answers(CampaignOut, status=202, act=True))
@idempotent
def halt_campaign(request: PageRequest, id: Id, body: Why) -> Any:
    """Stop for a cause: starts nothing new, and only a person lets it go on."""
    return _move(request, id, "halted", body.reason)


@router.post("/campaigns/{id}/end", auth=Bearer("campaign"), response=answers(CampaignOut, status=202, act=True))
@idempotent
def end_campaign(request: PageRequest, id: Id, body: Why) -> Any:
    """End a halted campaign: what has not begun is cancelled."""
    return _move(request, id, "done", body.reason)
