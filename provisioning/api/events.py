"""GET /events: everything that happened, in one order, to be read on from where one stopped."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import AfterValidator, Field, WithJsonSchema

from fleet.http import paging
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import Text, check_one_of
from provisioning.reads import events

router = Router(tags=["events"])


class EventRow(Schema):
    """Something that happened. subject_*: what it is about; device: the host or switch of it.

    words: the reason, or what was seen. data: of a change of state seq, from_state, to_state, cause and evidence.
    """

    id: int
    at: datetime
    kind: str
    subject_kind: str
    subject_id: int
    device_id: int | None
    device: str | None
    actor: str | None
    role: str | None
    words: str
    data: dict[str, Any]


class Feed(Schema):
    """next: the cursor to go on with, always. more: there is more already; else ask again when it suits you."""

    items: list[EventRow]
    next: str
    more: bool


def _known(text: str) -> str:
    for kind in text.split(","):
        check_one_of(events.KINDS, kind)
    return text


_SCHEMA = WithJsonSchema({"type": "string", "pattern": "^({0})(,({0}))*$".format("|".join(events.KINDS))})


class EventFilters(Schema):
    """after: `next` of the answer before, or `now` for what is still to come. kinds: several with commas between."""

    after: Annotated[str, Field(max_length=500, pattern="^[A-Za-z0-9_-]*$")] | None = None
    limit: Annotated[int, Field(ge=1, le=paging.MOST)] = paging.DEFAULT
    kinds: Annotated[Text, AfterValidator(_known), _SCHEMA] | None = None


@router.get("/events", auth=Bearer("read"), response=answers(Feed))
def list_events(request: PageRequest, filters: Query[EventFilters]) -> Any:
    """Everything that happened, the oldest first: nothing is skipped and nothing comes twice, whatever commits when."""
    kinds = filters.kinds.split(",") if filters.kinds else None
    return events.feed(after=filters.after, limit=filters.limit, kinds=kinds, sites=request.who.sites("read"))
