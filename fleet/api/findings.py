"""Findings: list, acknowledge, close."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field

from fleet import findings as acts
from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, Id, Page, Paged, Reason, StrictId, Text, words
from fleet.models.evidence import SEVERITIES
from fleet.reads import findings

router = Router(tags=["findings"])

MOST = 1000
# What is about no place is for those who may act at all of them.
NO_SITE = 0


class FindingRow(Schema):
    """Something that is, or was, not as it should be. owner: the party that mends this kind. evidence: ids.

    subjects: what it is about beside the host. incident: what it is part of. by_hand: whether a person may close it.
    """

    id: int
    stable_id: str
    domain: str
    kind: str
    severity: str
    words: str
    cause: str
    owner: str | None
    host: str | None
    host_id: int | None
    operation: int | None
    incident: int | None
    subjects: list[dict[str, Any]]
    evidence: list[int]
    opened_at: datetime
    seen_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    acknowledged_words: str
    closed_at: datetime | None
    closed_by: str | None
    closed_words: str
    by_hand: bool


class FindingFilters(Paged):
    """host: name. open: true for those that stand, false for those that were closed."""

    domain: Text | None = None
    kind: Text | None = None
    severity: Annotated[Text, *words(SEVERITIES)] | None = None
    host: Text | None = None
    open: bool | None = None


@router.get("/findings", auth=Bearer("read"), response=answers(Page[FindingRow]))
def list_findings(request: PageRequest, filters: Query[FindingFilters]) -> Any:
    """Findings, the newest first."""
    found = findings.select(filters.model_dump(), request.who.sites("read"))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": findings.ready(rows), "next": after}


class Why(Asked):
    """What somebody says to a finding."""

    reason: Reason


class WhyMany(Why):
    """What somebody says to several findings: it holds for all of them or for none."""

    findings: Annotated[list[StrictId], Field(min_length=1, max_length=MOST)]


class FindingsOut(Schema):
    """All that one request was about."""

    findings: list[FindingRow]


@router.post("/findings/acknowledge", auth=Bearer("finding"), response=answers(FindingsOut, act=True))
@idempotent
def acknowledge_findings(request: PageRequest, body: WhyMany) -> Any:
    """Say that somebody has seen these findings and what comes of them; they stay open."""
    return 200, {"findings": _handle(request, body.findings, body, acts.acknowledge)}


@router.post("/findings/close", auth=Bearer("finding"), response=answers(FindingsOut, act=True))
@idempotent
def close_findings(request: PageRequest, body: WhyMany) -> Any:
    """Say that these are over. For what is not, the next look opens a new one."""
    return 200, {"findings": _handle(request, body.findings, body, acts.close_by_hand)}


# After those above, whose last word it would take for an id.
@router.get("/findings/{id}", auth=Bearer("read"), response=answers(FindingRow))
def get_finding(request: PageRequest, id: Id) -> Any:
    """One finding."""
    findings.places([id], request.who.sites("read"))
    return findings.some([id])[0]


@router.post("/findings/{id}/acknowledge", auth=Bearer("finding"), response=answers(FindingRow, act=True))
@idempotent
def acknowledge_finding(request: PageRequest, id: Id, body: Why) -> Any:
    """Say that somebody has seen it and what comes of it; it stays open."""
    return 200, _handle(request, [id], body, acts.acknowledge)[0]


@router.post("/findings/{id}/close", auth=Bearer("finding"), response=answers(FindingRow, act=True))
@idempotent
def close_finding(request: PageRequest, id: Id, body: Why) -> Any:
    """Say that it is over. If it is not, the next look opens a new one."""
    return 200, _handle(request, [id], body, acts.close_by_hand)[0]


def _handle(request: PageRequest, ids: list[int], body: Why, act: Callable[..., None]) -> list[dict[str, Any]]:
    places = findings.places(ids, request.who.sites("read"))
    rights.demand(request.who, "finding", sites=[site or NO_SITE for site in places])
    act(ids=ids, reason=body.reason, actor=request.actor)
    return findings.some(ids)
