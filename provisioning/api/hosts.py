"""GET /hosts/{id}: one host by number or name, as it is or as it was."""

from datetime import datetime
from typing import Any

from ninja import Query, Router, Schema

from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import HoldRow, HostRow, Instant, Name
from fleet.reads import hosts
from provisioning.reads import host

router = Router(tags=["hosts"])


class HostOut(HostRow):
    """A host with the holds that stand on it."""

    holds: list[HoldRow]  # type: ignore[assignment]


class OperationAt(Schema):
    """The operation that was under way at a moment, and its step."""

    id: int
    kind: str
    state: str
    step: str


class HostAt(Schema):
    """A host at a past moment, by its history. seq: number of the transition that led to this state."""

    id: int
    name: str
    at: datetime
    state: str
    state_since: datetime
    cause: str
    reason: str
    seq: int
    holds: list[HoldRow]
    operation: OperationAt | None


class Moment(Schema):
    """at: a past moment, for the host as it was then."""

    at: Instant | None = None


@router.get("/hosts/{id}", auth=Bearer("read"), response=answers(HostAt | HostOut))
def get_host(request: PageRequest, id: Name, moment: Query[Moment]) -> Any:
    """A host by its number or name, as it is, or with `at` its state, holds and operation at a past moment."""
    sites = request.who.sites("read")
    found = hosts.id_of(id, sites)
    return host.now(found, sites) if moment.at is None else host.at_moment(found, moment.at, sites)
