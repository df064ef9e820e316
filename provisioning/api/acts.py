"""Acts that two persons must want: what waits, and the second person's yes."""

from typing import Any

from ninja import Query, Router

from fleet import second
from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest, acting
from fleet.http.schemas import ActRow, Code, Page, Paged
from fleet.reads import acts
from provisioning.engine import act

router = Router(tags=["acts"])


class ActFilters(Paged):
    """waiting: true for those that can be confirmed still, false for all others."""

    waiting: bool | None = None


@router.get("/acts", auth=Bearer("read"), response=answers(Page[ActRow]))
def list_acts(request: PageRequest, filters: Query[ActFilters]) -> Any:
    """Acts that needed a second person, the newest first."""
    found = acts.rows(acts.select(filters.waiting, request.who.sites("read")))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": acts.ready(rows), "next": after}


@router.get("/acts/{id}", auth=Bearer("read"), response=answers(ActRow))
def get_act(request: PageRequest, id: Code) -> Any:
    """One act that needed a second person."""
    return acts.one(id, request.who.sites("read"))


@router.post("/acts/{id}/confirm", auth=Bearer("confirm"), response=answers(ActRow, act=True))
@idempotent
def confirm_act(request: PageRequest, id: Code) -> Any:
    """Do what another person asked for, within the hour. Who asked for it cannot."""
    word, sites = acts.place(id, request.who.sites("read"))
    role = rights.roles_at(request.who, second.ACTS[word].needs, sites=sites)[0]
    act.confirm(code=id, actor=acting(request.who, role))
    return 200, acts.one(id, None)
