"""Operations: list, look, ask for, cancel, retry, skip, say what was found."""

from datetime import datetime
from typing import Annotated, Any, Literal

from ninja import Query, Router, Schema
from pydantic import Field, model_validator

from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest, acting
from fleet.http.rights import LETTERS
from fleet.http.schemas import ActRow, Asked, Id, Name, Page, Paged, Reason, StrictId, Text, TransitionRow, words
from fleet.models import Device
from fleet.reads import acts
from fleet.states import KINDS as LIFECYCLES
from provisioning.api.reviews import ReviewOut
from provisioning.engine import act, ask, campaign, verbs
from provisioning.operations.registry import KINDS
from provisioning.reads import operations, reviews

router = Router(tags=["operations"])

STATES = [s.name for s in LIFECYCLES["operation"].states]
MOST_HOSTS = 10_000


class OperationRow(Schema):
    """An operation. after: the one of its chain that must succeed first. step: number of the present one, from 0.

    step_deadline_at, deadline_at: when the present step fails at the latest, and when the whole does.
    """

    id: int
    kind: str
    state: str
    state_since: datetime | None
    host: str | None
    host_id: int | None
    campaign: int | None
    after: int | None
    step: int
    steps_total: int
    step_name: str
    attempt: int
    waits_for: str
    seen: str
    cause: str
    words: str
    done: int
    total: int
    params: dict[str, Any]
    by: str
    reason: str
    asked_at: datetime
    started_at: datetime | None
    step_started_at: datetime | None
    step_deadline_at: datetime | None
    deadline_at: datetime | None
    ended_at: datetime | None


class StepRow(Schema):
    """One outcome of one attempt at one step: done, retry, fail, cancelled, skipped."""

    n: int
    name: str
    attempt: int
    outcome: str
    words: str
    started_at: datetime
    ended_at: datetime


class IntentRow(Schema):
    """What was about to be done to the hardware, on record before it was sent. power: it changes the power."""

    id: int
    step: int
    attempt: int
    what: str
    power: bool
    at: datetime
    settled_at: datetime | None


class BootRow(Schema):
    """How far the host came in its network boot. asks: how often it asked for it."""

    mode: str
    delivery: str
    opened_at: datetime
    closed_at: datetime | None
    stage: str
    stage_at: datetime | None
    words: str
    done: int
    total: int
    asks: int
    asked_at: datetime | None
    refused: int
    boot_used_at: datetime | None
    home_used_at: datetime | None
    failed_code: str


class LineRow(Schema):
    """A line of an operation's log."""

    id: int
    at: datetime
    source: str
    line: str


class OperationOut(OperationRow):
    """An operation with all that is on record of it. log: its last 500 lines."""

    steps: list[StepRow]
    intents: list[IntentRow]
    boot: BootRow | None
    transitions: list[TransitionRow]
    log: list[LineRow]


class OperationFilters(Paged):
    """host: name or id."""

    kind: Annotated[Text, *words(sorted(KINDS))] | None = None
    state: Annotated[Text, *words(STATES)] | None = None
    host: Text | None = None
    campaign: Id | None = None
    cause: Text | None = None


class Select(Asked):
    """Hosts by names, or by what they have in common."""

    hosts: Annotated[list[Name], Field(min_length=1, max_length=MOST_HOSTS)] | None = None
    state: Name | None = None
    pod: Name | None = None
    rack: Name | None = None
    row: Name | None = None


Params = dict[Name, Annotated[bool, Field(strict=True)] | StrictId | Text]


class ForHosts(Asked):
    """Hosts of a body: one (by name or id), several, or all that match."""

    host: Name | StrictId | None = None
    hosts: Annotated[list[Name | StrictId], Field(min_length=1, max_length=MOST_HOSTS)] | None = None
    select: Select | None = None

    @model_validator(mode="after")
    def _one_way(self) -> "ForHosts":
        if sum(way is not None for way in (self.host, self.hosts, self.select)) != 1:
            raise ValueError("exactly one of host, hosts and select says on which hosts")
        return self


class OperationIn(ForHosts):
    """Ask for one operation: on one host (by name or id), on several, or on all that match."""

    kind: Name
    params: Params = {}
    reason: Reason
    dry_run: Annotated[bool, Field(strict=True)] = False


class OperationsOut(Schema):
    """All that was started by one request."""

    operations: list[OperationRow]


class Why(Asked):
    """Why a person does this."""

    reason: Reason


class Found(Why):
    """What somebody who looked has found: the operation may go on, or it has failed."""

    outcome: Literal["go_on", "failed"]


@router.get("/operations", auth=Bearer("read"), response=answers(Page[OperationRow]))
def list_operations(request: PageRequest, filters: Query[OperationFilters]) -> Any:
    """Operations, the newest first."""
    found = operations.select(filters.model_dump(), request.who.sites("read"))
    rows, after = paging.page(
        operations.rows(found), by="id", cursor=filters.cursor, limit=filters.limit, descending=True
    )
    return {"items": operations.ready(rows), "next": after}


@router.get("/operations/{id}", auth=Bearer("read"), response=answers(OperationOut))
def get_operation(request: PageRequest, id: Id) -> Any:
    """One operation with its steps, intents, boot and log."""
    return operations.one(id, request.who.sites("read"))


@router.post(
    "/operations",
    auth=Bearer("operate"),
    response={200: ReviewOut, **answers(OperationRow | OperationsOut | ActRow, status=202, act=True)},
)
@idempotent
def create_operations(request: PageRequest, body: OperationIn) -> Any:
    """Start an operation on one host or on many: all or none. The answer to `host` is the operation itself.

    With dry_run it answers with the review and starts nothing. Where the data of many hosts goes, the answer is an act
    that waits for a second person (`GET /acts`).
    """
    devices = devices_of(body)
    right = KINDS[body.kind].act if body.kind in KINDS else "operate"
    role = rights.roles_at(request.who, right, sites=[d.site_id for d in devices])[0]
    ask.check_kind(body.kind, body.params)
    verb = verbs.of_kind("operate", body.kind, body.params)
    if body.dry_run:
        return 200, reviews.body(verb, body.params, devices, LETTERS[role])
    of_all: dict[str, Any] = {"params": body.params, "devices": devices, "reason": body.reason}
    if (waits := act.of_two(found=verb, actor=acting(request.who, role), **of_all)) is not None:
        return 202, acts.one(waits.code, None)
    made = ask.operations(kind=body.kind, actor=request.actor, **of_all)
    rows = operations.made([o.pk for o in made])
    return 202, rows[0] if body.host is not None else {"operations": rows}


def devices_of(body: ForHosts) -> list[Device]:
    """The hosts that a body is about. Raises NotFound (404), also when none match."""
    if body.select is not None:
        return campaign.select_hosts(body.select.model_dump(exclude_none=True))
    return operations.called([body.host] if body.host is not None else body.hosts or [])


def _at_its_site(request: PageRequest, act: str, id: int) -> None:
    """404 for an operation that one may not see, 403 for one at a site where one may not act."""
    rights.demand(request.who, act, sites=[operations.site_of(id, request.who.sites("read"))])


@router.post("/operations/{id}/cancel", auth=Bearer("operate"), response=answers(OperationRow, status=202, act=True))
@idempotent
def cancel_operation(request: PageRequest, id: Id, body: Why) -> Any:
    """Stop at the next safe point."""
    _at_its_site(request, "operate", id)
    ask.cancel(operation_id=id, actor=request.actor, reason=body.reason)
    return 202, operations.made([id])[0]


@router.post("/operations/{id}/retry", auth=Bearer("operate"), response=answers(OperationRow, status=202, act=True))
@idempotent
def retry_operation(request: PageRequest, id: Id, body: Why) -> Any:
    """Let a failed operation go on from its failed step."""
    _at_its_site(request, "operate", id)
    ask.retry(operation_id=id, actor=request.actor, reason=body.reason)
    return 202, operations.made([id])[0]


@router.post("/operations/{id}/skip", auth=Bearer("skip"), response=answers(OperationRow, status=202, act=True))
@idempotent
def skip_step(request: PageRequest, id: Id, body: Why) -> Any:
    """Leave out the failed step and go on with the next."""
    _at_its_site(request, "skip", id)
    ask.skip(operation_id=id, actor=request.actor, reason=body.reason)
    return 202, operations.made([id])[0]


@router.post("/operations/{id}/found", auth=Bearer("operate"), response=answers(OperationRow, status=202, act=True))
@idempotent
def found_operation(request: PageRequest, id: Id, body: Found) -> Any:
    """Say what became of a lost operation, after a look at the hardware."""
    _at_its_site(request, "operate", id)
    ask.found(operation_id=id, actor=request.actor, reason=body.reason, go_on=body.outcome == "go_on")
    return 202, operations.made([id])[0]
