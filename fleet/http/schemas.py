"""Types that endpoints share: what a field may hold, problem answers, pages of a list."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Generic, TypeVar

from ninja import Schema
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from fleet import reasons
from fleet.http import paging

BIGINT = paging.BIGINT
RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_WHEN = {"type": "string", "format": "date-time", "examples": ["2026-01-31T12:00:00Z"]}

T = TypeVar("T")


def _instant(value: Any) -> datetime:
    if not isinstance(value, str) or not RFC3339.fullmatch(value):
        raise ValueError("a time as in RFC 3339 is needed, with its zone")
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise ValueError("there is no such time") from error


def one_of(values: Sequence[str]) -> AfterValidator:
    """A text that is one of these words; the schema lists them."""
    known = tuple(values)
    return AfterValidator(lambda value: check_one_of(known, value))


def check_one_of(known: Sequence[str], value: str) -> str:
    """The word, if it is one of these. Raises what pydantic makes a 422 of, which lists them."""
    if value not in known:
        listed = ", ".join(known)
        raise PydanticCustomError("one_of", "one of {expected}", {"expected": listed, "value": value[:200]})
    return value


def words(values: Sequence[str]) -> tuple[Any, ...]:
    """For Annotated[str, *words(...)]: one of these, in validation and in the schema."""
    return (one_of(values), WithJsonSchema({"type": "string", "enum": list(values)}))


# No NUL: PostgreSQL cannot store it. No half of a surrogate pair: pydantic refuses it already.
Text = Annotated[str, StringConstraints(strict=True, max_length=200, pattern=r"^[^\x00]*$")]
Name = Annotated[str, StringConstraints(strict=True, min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
Reason = Annotated[
    str,
    StringConstraints(
        strict=True, min_length=reasons.LEAST, max_length=reasons.MOST, pattern=r"^[^\x00]*[^\s\x00][^\x00]*$"
    ),
]
Id = Annotated[int, Field(ge=1, le=BIGINT)]
StrictId = Annotated[int, Field(ge=1, le=BIGINT, strict=True)]
Code = Annotated[str, StringConstraints(strict=True, pattern="^[a-z0-9]{1,20}$")]
Instant = Annotated[datetime, BeforeValidator(_instant), WithJsonSchema(_WHEN)]


class Asked(Schema):
    """A body: a field that nobody knows is refused."""

    model_config = ConfigDict(extra="forbid")


class Paged(Schema):
    """How a list is read: cursor is `next` of the page before."""

    cursor: Annotated[str, Field(max_length=500, pattern="^[A-Za-z0-9_-]*$")] | None = None
    limit: Annotated[int, Field(ge=1, le=paging.MOST)] = paging.DEFAULT


class Page(Schema, Generic[T]):
    """A page of a list; next is the cursor of the one after it, null at the end."""

    items: list[T]
    next: str | None


class Refused(Schema):
    """One of several refusals of a request."""

    model_config = ConfigDict(extra="allow")

    title: str
    field: str = ""
    value: Any = None


class Problem(Schema):
    """A refusal (RFC 9457). code: for programs. field, value, expected: what was wrong, and what would be right."""

    type: str
    title: str
    status: int
    code: str
    field: str = ""
    value: Any = None
    expected: str = ""
    hint: str = ""
    errors: list[Refused] = []


class HostRow(Schema):
    """A host in a list. holds: how many stand. active_*: the operation under way."""

    id: int
    name: str
    role: str
    state: str
    state_since: datetime | None
    cause: str
    health: str
    holds: int
    serial: str | None
    profile: str | None
    site: str
    row: str | None
    rack: str | None
    unit: int | None
    pod: str
    active_operation: int | None
    active_kind: str
    active_step: str


class HoldRow(Schema):
    """Somebody wants a host left alone. until: when it ends by itself."""

    id: int
    kind: str
    reason: str
    by: str
    placed_at: datetime
    until: datetime | None
    ended_at: datetime | None
    ended_by: str | None


class TransitionRow(Schema):
    """One change of state. role: the letter of the role in which the actor did it. evidence: ids."""

    id: int
    subject_kind: str
    subject_id: int
    seq: int
    from_state: str
    to_state: str
    cause: str
    reason: str
    actor: str
    role: str
    evidence: list[int]
    at: datetime


class ActRow(Schema):
    """Something that two persons must want. It is done when the second one confirms; led_to: {noun: ids}.

    act: why it takes two. verb: what is done.
    """

    id: str
    act: str
    verb: str
    hosts: list[str]
    reason: str
    asked_by: str
    asked_at: datetime
    valid_until: datetime
    confirmed_by: str | None
    confirmed_at: datetime | None
    transitions: list[int]
    led_to: dict[str, list[int]]
