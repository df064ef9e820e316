"""Transitions: every change of state of everything; and POST: move hosts."""

from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field

from fleet.errors import BadValue
from fleet.http import paging
from fleet.http.api import Bearer, answers, idempotent
from fleet.http.auth import PageRequest, acting
from fleet.http.schemas import ActRow, Id, Page, Paged, Reason, Text, TransitionRow, words
from fleet.reads import acts, history
from fleet.states import KINDS
from provisioning.api.operations import ForHosts, devices_of
from provisioning.api.reviews import ReviewOut
from provisioning.engine import act, moves, verbs
from provisioning.reads import reviews
from provisioning.reads.moves import role_for

router = Router(tags=["transitions"])

MOST_HOSTS = 10_000


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


@router.get("/transitions/{id}", auth=Bearer("read"), response=answers(TransitionRow))
def get_transition(request: PageRequest, id: Id) -> Any:
    """One transition."""
    return history.one(id, request.who.sites("read"))


class MoveIn(ForHosts):
    """Move one host (by name or id), several, or all that match.

    force: to quarantined, although an operation is under way.
    """

    to: Annotated[Text, *words(moves.STATES)]
    reason: Reason
    force: Annotated[bool, Field(strict=True)] = False
    dry_run: Annotated[bool, Field(strict=True)] = False


class TransitionsOut(Schema):
    """All that one request moved."""

    transitions: list[TransitionRow]


@router.post(
    "/transitions",
    auth=Bearer("move"),
    response={200: ReviewOut, **answers(TransitionRow | TransitionsOut, status=201, act=True), 202: ActRow},
)
@idempotent
def create_transitions(request: PageRequest, body: MoveIn) -> Any:
    """Move hosts along the edges of their lifecycle: all or none. 202: the act waits for a second person.

    With dry_run it answers with the review and moves nothing.
    The answer to `host` is the transition itself; a list of none where force ends what runs on a quarantined host.
    """
    devices = devices_of(body)
    role = role_for(request.who, devices, body.to, force=body.force)
    actor = acting(request.who, role)
    if body.dry_run:
        found = verbs.FORCE if body.force else verbs.verb(f"move.{body.to}")
        return 200, reviews.body(found, {}, devices, actor.role)
    if body.to in moves.SECOND and not body.force:
        found = verbs.verb(f"move.{body.to}")
        waits = act.of_two(found=found, params={}, devices=devices, reason=body.reason, actor=actor)
        if waits is not None:
            return 202, acts.one(waits.code, None)
    made = moves.move(hosts=[d.pk for d in devices], to=body.to, reason=body.reason, actor=actor, force=body.force)
    rows = history.ready(list(history.transitions(None, pk__in=[m.id for m in made]).order_by("id")))
    return 201, rows[0] if body.host is not None and rows else {"transitions": rows}
