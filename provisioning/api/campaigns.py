"""Campaigns: list, look, review, start, pause, go on, halt, end."""

from datetime import datetime, time
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import ActRow, Asked, Id, Instant, Name, Page, Paged, Reason, TransitionRow
from fleet.reads import acts
from provisioning.api.operations import Params, Select, Why
from provisioning.api.reviews import ReviewOut
from provisioning.engine import act, campaign, rules, verbs
from provisioning.reads import campaigns, reviews

router = Router(tags=["campaigns"])

Count = Annotated[int, Field(strict=True, ge=1, le=rules.MOST)]
Share = Annotated[str, StringConstraints(strict=True, pattern=r"^([1-9][0-9]?|100)%$")]
Size = Annotated[str, StringConstraints(strict=True, pattern=r"^(([1-9][0-9]?|100)%|rest)$")]
Clock = Annotated[str, StringConstraints(strict=True, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class WaveRow(Schema):
    """One wave: how many hosts it has, and what became of them so far."""

    n: int
    hosts: int
    done: int
    failed: int
    under_way: int
    waiting: int


class NextWave(Schema):
    """The wave whose hosts begin next. why: what it waits for, '' for nothing. at: when that is over, if known."""

    wave: int
    why: str
    at: datetime | None


class CampaignRow(Schema):
    """A campaign. by_state: operations. by_cause: failed or lost ones. sizes: of its waves. null: no such limit.

    bake_s: of field time between waves. budget: so many failures halt it. floor: so many hosts of the site stay in
    service. limits: hosts of one rack, leaf or power feed that may be under way. opens, closes: of the site's day.
    """

    id: int
    kind: str
    state: str
    state_since: datetime | None
    site: str
    hosts: int
    waves: list[int | str]
    sizes: list[int]
    at_once: int | None
    bake_s: int
    budget: int | None
    floor: int | None
    limits: dict[str, int]
    opens: Clock | None
    closes: Clock | None
    until: datetime | None
    halt_on_common_cause: bool
    select: dict[str, Any]
    params: dict[str, Any]
    by: str
    reason: str
    asked_at: datetime
    by_state: dict[str, int]
    by_cause: dict[str, int]
    hosts_done: int


class CampaignOut(CampaignRow):
    """A campaign with its waves and its history. next: null when no host is left to begin.

    failures: those that count. apart: what the hosts that failed have in common and the others have not.
    """

    progress: list[WaveRow]
    next: NextWave | None
    failures: int
    apart: str
    transitions: list[TransitionRow]


class WaveOfHosts(Schema):
    """The hosts of a wave."""

    n: int
    hosts: list[str]


class Review(ReviewOut):
    """What a campaign would do, in which waves and by which rules. hosts: also those that are refused."""

    waves: list[WaveOfHosts]
    rules: dict[str, Any]


class Limits(Asked):
    """How many hosts of one rack, one leaf or one power feed may be under way at once, whoever works on them."""

    rack: Count | None = None
    leaf: Count | None = None
    feed: Count | None = None


class Hours(Asked):
    """When hosts may begin: from one time of the site's day to another, over midnight too; never after until."""

    opens: Clock | None = None
    closes: Clock | None = None
    until: Instant | None = None


class CampaignIn(Asked):
    """One request over many hosts. What is left out or null is as usual for its kind and hosts; see a dry run.

    waves: sizes, shares and "rest", as [2, 5, "10%", "rest"]; the first of several is the canary, where nothing may
    fail. at_once: how many may be under way. floor 0 and a budget of "100%" are no limit.
    """

    kind: Name
    select: Select
    params: Params = {}
    waves: Annotated[list[Count | Size], Field(min_length=1, max_length=rules.MOST_WAVES)] | None = None
    at_once: Count | None = None
    bake_s: Annotated[int, Field(strict=True, ge=0, le=rules.MOST_BAKE_S)] | None = None
    budget: Count | Share | None = None
    floor: Annotated[int, Field(strict=True, ge=0, le=rules.MOST)] | Share | None = None
    limits: Limits = Limits()
    window: Hours = Hours()
    halt_on_common_cause: Annotated[bool, Field(strict=True)] | None = None
    reason: Reason
    dry_run: Annotated[bool, Field(strict=True)] = False

    @property
    def rules(self) -> rules.Rules:
        """What the engine is told. Raises BadValue (422)."""
        opens, closes = (at and time.fromisoformat(at) for at in (self.window.opens, self.window.closes))
        return rules.Rules(
            waves=self.waves,
            at_once=self.at_once,
            bake_s=self.bake_s,
            budget=self.budget,
            floor=self.floor,
            limits=self.limits.model_dump(exclude_none=True),
            opens=opens or None,
            closes=closes or None,
            until=self.window.until,
            halt_on_common_cause=self.halt_on_common_cause,
        )


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
    return campaigns.whole(id, request.who.sites("read"))


@router.post(
    "/campaigns", auth=Bearer("campaign"), response={200: Review, **answers(CampaignOut | ActRow, status=202, act=True)}
)
@idempotent
def create_campaign(request: PageRequest, body: CampaignIn) -> Any:
    """Start a campaign: all hosts or none. With dry_run it answers with the review and starts nothing.

    Where the data of many hosts goes, the answer is an act that waits for a second person (`GET /acts`).
    """
    select = body.select.model_dump(exclude_none=True)
    review = campaigns.review(kind=body.kind, select=select, params=body.params, rules=body.rules)
    rights.demand(request.who, "campaign", sites=review.sites)
    verb = verbs.of_kind("campaign", body.kind, body.params)
    devices, params = review.devices, body.params
    if body.dry_run:
        return 200, {**reviews.body(verb, params, devices, request.actor.role), **review.as_dict()}
    asked: dict[str, Any] = {"params": params, "devices": devices, "reason": body.reason, "rules": review.rules}
    if (waits := act.of_two(found=verb, actor=request.actor, **asked)) is not None:
        return 202, acts.one(waits.code, None)
    made = campaign.create(kind=body.kind, select=select, actor=request.actor, **asked)
    return 202, campaigns.whole(made.pk, None)


def _move(request: PageRequest, id: int, to: str, reason: str) -> Any:
    rights.demand(request.who, "campaign", sites=[campaigns.site_of(id, request.who.sites("read"))])
    campaign.move(campaign_id=id, to=to, actor=request.actor, reason=reason)
    return 202, campaigns.whole(id, None)


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
