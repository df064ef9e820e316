"""Who is told: rules, a test of one, and what was told."""

from datetime import datetime, time
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field, StringConstraints

from fleet.errors import BadValue
from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, Id, Name, Page, Paged, StrictId, Text, words
from fleet.models import NoticeRule, Site
from fleet.models.evidence import SEVERITIES
from fleet.models.notices import CHANNELS, NOTICE_STATES, WHYS
from fleet.notices import rules as acts
from fleet.notices import run
from fleet.reads import notices

router = Router(tags=["notices"])

# A rule of all sites is for those who may act at all of them.
NO_SITE = 0

Hour = Annotated[str, StringConstraints(strict=True, pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
Words = Annotated[list[Name], Field(max_length=acts.WORDS_MOST)]
Flag = Annotated[bool, Field(strict=True)]
# Stored encrypted, never shown again.
Hidden = Annotated[str, StringConstraints(strict=True, max_length=acts.ADDRESS_MOST, pattern=r"^[^\x00]*$")]


class RuleRow(Schema):
    """A rule. target: the mail address; of a webhook or chat its host alone. waiting: notices that are to go out."""

    id: int
    name: str
    site: str | None
    severity: str
    domains: list[str]
    kinds: list[str]
    channel: str
    target: str
    quiet_from: str | None
    quiet_until: str | None
    zone: str
    critical_breaks_quiet: bool
    escalate_after_min: int | None
    escalate_to: int | None
    tell_closed: bool
    active: bool
    changed_at: datetime
    changed_by: str
    waiting: int
    retry_at: datetime | None


class NoticeRow(Schema):
    """What one rule tells of one finding (null: a test). delivery: the same for all that went out in one message.

    ended_at: when it was sent, given up or dropped. error: why the last try failed.
    """

    id: int
    rule: int
    rule_name: str
    finding: int | None
    host: str | None
    why: str
    state: str
    subject: str
    delivery: str | None
    tries: int
    made_at: datetime
    ended_at: datetime | None
    error: str


class RuleChange(Asked):
    """What is left out stays as it is. site: null for all. key: signs a webhook, 16 to 200 characters.

    domains, kinds: findings of any of both; none of either for all. quiet_from, quiet_until: as 22:00, by the clock of
    the site, UTC for all sites. escalate_to: id of the rule that is told when nobody has acknowledged.
    """

    name: Name | None = None
    channel: Annotated[Text, *words(CHANNELS)] | None = None
    target: Hidden | None = None
    key: Hidden | None = None
    site: Name | None = None
    severity: Annotated[Text, *words(SEVERITIES)] | None = None
    domains: Words | None = None
    kinds: Words | None = None
    quiet_from: Hour | None = None
    quiet_until: Hour | None = None
    critical_breaks_quiet: Flag | None = None
    escalate_after_min: Annotated[int, Field(strict=True, ge=1, le=acts.MINUTES_MOST)] | None = None
    escalate_to: StrictId | None = None
    tell_closed: Flag | None = None
    active: Flag | None = None


class RuleIn(RuleChange):
    """A new rule: a name, a way and an address at least."""

    name: Name
    channel: Annotated[Text, *words(CHANNELS)]
    target: Hidden


class NoticeFilters(Paged):
    """rule, finding: ids."""

    rule: Id | None = None
    finding: Id | None = None
    why: Annotated[Text, *words(WHYS)] | None = None
    state: Annotated[Text, *words(NOTICE_STATES)] | None = None


@router.get("/rules", auth=Bearer("read"), response=answers(Page[RuleRow]))
def list_rules(request: PageRequest, filters: Query[Paged]) -> Any:
    """Who is told of what."""
    found = notices.rules(request.who.sites("read"))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit)
    return {"items": notices.ready(rows), "next": after}


@router.get("/rules/{id}", auth=Bearer("read"), response=answers(RuleRow))
def get_rule(request: PageRequest, id: Id) -> Any:
    """One rule."""
    return notices.rule(id, request.who.sites("read"))


@router.post("/rules", auth=Bearer("policy"), response=answers(RuleRow, status=201, act=True))
@idempotent
def create_rule(request: PageRequest, body: RuleIn) -> Any:
    """Tell somebody from now on, also of what stands open already."""
    asked = _asked(request, body)
    _demand(request, asked.get("site_id"))
    made = acts.create(acts.Wanted(**asked), actor=request.actor)
    return 201, notices.rule(made.pk, None)


@router.patch("/rules/{id}", auth=Bearer("policy"), response=answers(RuleRow, act=True))
def change_rule(request: PageRequest, id: Id, body: RuleChange) -> Any:
    """Change a rule; what waits is tried again at once."""
    _place(request, id)
    asked = _asked(request, body)
    if "site_id" in asked:
        _demand(request, asked["site_id"])
    acts.change(id, asked, actor=request.actor)
    return notices.rule(id, None)


@router.delete("/rules/{id}", auth=Bearer("policy"), response=answers(RuleRow, act=True))
def delete_rule(request: PageRequest, id: Id) -> Any:
    """It tells nothing any more, not even what waits. Answers with how it was; what it told is kept."""
    _place(request, id)
    before = notices.rule(id, None)
    acts.delete(id, actor=request.actor)
    return before


@router.post("/rules/{id}/test", auth=Bearer("policy"), response=answers(NoticeRow, act=True))
@idempotent
def test_rule(request: PageRequest, id: Id) -> Any:
    """Send a test by this rule now; the answer says whether it arrived, or why not."""
    _place(request, id)
    notice = run.test(NoticeRule.objects.select_related("secret").get(pk=id))
    return 200, notices.one(notice.pk)


@router.get("/notices", auth=Bearer("read"), response=answers(Page[NoticeRow]))
def list_notices(request: PageRequest, filters: Query[NoticeFilters]) -> Any:
    """What was told, what waits and what could not be told, the newest first."""
    asked = {"rule_id": filters.rule, "finding_id": filters.finding, "why": filters.why, "state": filters.state}
    found = notices.notices(asked, request.who.sites("read"))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": notices.told(rows), "next": after}


def _place(request: PageRequest, rule_id: int) -> None:
    _demand(request, notices.site_of(rule_id, request.who.sites("read")))


def _demand(request: PageRequest, site: int | None) -> None:
    rights.demand(request.who, "policy", sites=[site or NO_SITE])


NULLABLE = {"site", "quiet_from", "quiet_until", "escalate_after_min", "escalate_to"}


def _asked(request: PageRequest, body: RuleChange) -> dict[str, Any]:
    """The fields that were sent, as fleet.notices.rules calls them."""
    sent = {name: getattr(body, name) for name in sorted(body.model_fields_set)}
    for name, value in sent.items():
        if value is None and name not in NULLABLE:
            raise BadValue(f"{name} cannot be null", field=name, expected="a value, or leave it out")
    for name in {"domains", "kinds"} & sent.keys():
        sent[name] = tuple(sent[name])
    for name in {"quiet_from", "quiet_until"} & sent.keys():
        sent[name] = sent[name] and time.fromisoformat(sent[name])
    if "escalate_to" in sent:
        sent["escalate_to_id"] = sent.pop("escalate_to")
        if sent["escalate_to_id"]:
            notices.site_of(sent["escalate_to_id"], request.who.sites("read"))
    if "site" in sent:
        sent["site_id"] = _site(sent.pop("site"))
    return sent


def _site(name: str | None) -> int | None:
    if name is None:
        return None
    if found := Site.objects.filter(name=name).values_list("id", flat=True).first():
        return int(found)
    known = ", ".join(Site.objects.order_by("name").values_list("name", flat=True))
    raise BadValue(f"there is no site {name!r}", field="site", value=name, expected=known)
