"""GET /transitions: every change of state of everything."""

from typing import Annotated, Any

from ninja import Query, Router

from fleet.errors import BadValue
from fleet.http import paging
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import Id, Page, Paged, Text, TransitionRow, words
from fleet.reads import history
from fleet.states import KINDS

router = Router(tags=["transitions"])


class TransitionFilters(Paged):
    """subject_id: of this kind; together they are one chain."""

    subject_kind: Annotated[Text, *words(sorted(KINDS))] | None = None
    subject_id: Id | None = None


@router.get("/transitions", auth=Bearer("read"), response=answers(Page[TransitionRow]))
def list_transitions(request: PageRequest, filters: Query[TransitionFilters]) -> Any:
    """Transitions, the oldest first."""
    if filters.subject_id and not filters.subject_kind:
        raise BadValue("an id means nothing without its kind", field="subject_kind", expected=", ".join(sorted(KINDS)))
    sites = request.who.sites("read")
    found = history.transitions(sites, subject_kind=filters.subject_kind, subject_id=filters.subject_id)
    by = "seq" if filters.subject_kind and filters.subject_id else "id"
    rows, after = paging.page(found, by=by, cursor=filters.cursor, limit=filters.limit)
    return {"items": history.ready(rows), "next": after}
