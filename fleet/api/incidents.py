"""Incidents: list, explain, close."""

from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema

from fleet import incidents as acts
from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, Id, Page, Paged, Reason, Text, words
from fleet.reads import incidents
from fleet.states import KINDS

router = Router(tags=["findings"])


class IncidentRow(Schema):
    """The same finding on most hosts of a place. kind: of its findings. hosts: names of those with an open one."""

    id: int
    kind: str
    state: str
    state_since: datetime | None
    site: str
    place: str
    words: str
    opened_at: datetime
    hosts: list[str]


class IncidentFilters(Paged):
    """What is left out is not asked for."""

    state: Annotated[Text, *words([s.name for s in KINDS["incident"].states])] | None = None
    kind: Text | None = None


class Why(Asked):
    """The cause, or why it is over."""

    reason: Reason


@router.get("/incidents", auth=Bearer("read"), response=answers(Page[IncidentRow]))
def list_incidents(request: PageRequest, filters: Query[IncidentFilters]) -> Any:
    """Incidents, the newest first."""
    found = incidents.select(request.who.sites("read"), state=filters.state, kind=filters.kind)
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": incidents.ready(rows), "next": after}


@router.get("/incidents/{id}", auth=Bearer("read"), response=answers(IncidentRow))
def get_incident(request: PageRequest, id: Id) -> Any:
    """One incident."""
    return incidents.one(id, request.who.sites("read"))


@router.post("/incidents/{id}/explain", auth=Bearer("finding"), response=answers(IncidentRow, act=True))
@idempotent
def explain_incident(request: PageRequest, id: Id, body: Why) -> Any:
    """Say what its cause is."""
    return _handle(request, id, body, acts.explain)


@router.post("/incidents/{id}/close", auth=Bearer("finding"), response=answers(IncidentRow, act=True))
@idempotent
def close_incident(request: PageRequest, id: Id, body: Why) -> Any:
    """Say that it is over; the findings of its hosts stay, each until its own host is well."""
    return _handle(request, id, body, acts.close)


def _handle(request: PageRequest, incident_id: int, body: Why, act: Callable[..., None]) -> tuple[int, dict[str, Any]]:
    sites = request.who.sites("read")
    rights.demand(request.who, "finding", sites=[incidents.site_of(incident_id, sites)])
    act(incident_id=incident_id, reason=body.reason, actor=request.actor)
    return 200, incidents.one(incident_id, sites)
