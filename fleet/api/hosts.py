"""GET /hosts and the history of one."""

from typing import Annotated, Any

from ninja import Query, Router

from fleet.http import paging
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import HostRow, Id, Page, Paged, Text, TransitionRow, words
from fleet.models.devices import HEALTH
from fleet.reads import history, hosts
from fleet.states import KINDS

router = Router(tags=["hosts"])

STATES = [s.name for s in KINDS["host"].states]


class HostFilters(Paged):
    """q: a piece of the name or serial, or the whole address of the BMC. owner: a party that owns an open finding.

    cause: "any" for whichever. operation: the kind that is under way. held: whether a hold stands.
    """

    state: Annotated[Text, *words(STATES)] | None = None
    cause: Text | None = None
    pod: Text | None = None
    rack: Text | None = None
    row: Text | None = None
    profile: Text | None = None
    owner: Text | None = None
    health: Annotated[Text, *words(HEALTH)] | None = None
    held: Annotated[Text, *words(list(hosts.HELD))] | None = None
    operation: Text | None = None
    q: Text | None = None


@router.get("/hosts", auth=Bearer("read"), response=answers(Page[HostRow]))
def list_hosts(request: PageRequest, filters: Query[HostFilters]) -> Any:
    """Hosts in the order of their names."""
    found = hosts.select(filters.model_dump(), request.who.sites("read"))
    rows, after = paging.page(hosts.rows(found), by="name", cursor=filters.cursor, limit=filters.limit)
    return {"items": hosts.ready(rows), "next": after}


@router.get("/hosts/{id}/transitions", auth=Bearer("read"), response=answers(Page[TransitionRow]))
def list_host_transitions(request: PageRequest, id: Id, page: Query[Paged]) -> Any:
    """Every change of a host's state, the oldest first."""
    hosts.one(request.who.sites("read"), id=id)
    found = history.transitions(None, subject_kind="host", subject_id=id)
    rows, after = paging.page(found, by="seq", cursor=page.cursor, limit=page.limit)
    return {"items": history.ready(rows), "next": after}
