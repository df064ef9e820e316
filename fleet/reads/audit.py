"""Every transition of every subject, filtered, with names; and whether the history still holds."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from django.db import OperationalError, connection, transaction
from django.db.models import Q, QuerySet

from fleet import lifecycle
from fleet.errors import BadValue
from fleet.http import forms
from fleet.http.paging import BIGINT
from fleet.models import Cable, Device, Transition
from fleet.reads import history
from fleet.reads.rows import Sites
from fleet.states import KINDS

NAMES = ("kind", "of", "to", "cause", "by", "since", "until")
EXPORTED = 100_000
CHUNK = 2_000
# A web request waits no longer; a whole history is verified by the command.
VERIFY_S = 20
CANCELLED = "57014"


def filters(query: Mapping[str, Any]) -> dict[str, str]:
    """The filters of an address. Raises BadValue (422) for one that does not exist or cannot match anything."""
    for name in query:
        if name not in (*NAMES, "cursor"):
            raise BadValue(f"there is no filter {name!r}", field=name, value=query[name], expected=", ".join(NAMES))
    found = {name: forms.text(query, name) for name in NAMES}
    if found["kind"] and found["kind"] not in KINDS:
        raise BadValue("there is no such kind", field="kind", value=found["kind"], expected=", ".join(KINDS))
    return {name: value for name, value in found.items() if value}


def select(asked: Mapping[str, str], sites: Sites) -> QuerySet[Transition, dict[str, Any]]:
    """Transitions of these filters. Raises BadValue (422). Names of subjects cost a query."""
    rows = history.transitions(
        sites, subject_kind=asked.get("kind"), to_state=asked.get("to"), cause=asked.get("cause")
    )
    if by := asked.get("by"):
        rows = rows.filter(actor__name=by)
    for name, column in (("since", "at__gte"), ("until", "at__lt")):
        if name in asked:
            rows = rows.filter(**{column: _moment(name, asked[name])})
    if of := asked.get("of"):
        rows = rows.filter(_subject(of))
    return rows


def _moment(name: str, text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text.upper())
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        expected = "a time such as 2026-01-31 12:00"
        raise BadValue("there is no such time", field=name, value=text[:50], expected=expected) from error


def _subject(of: str) -> Q:
    """A device or cable by its name, anything else by its number."""
    found = Q(pk__in=[])
    if (device := Device.objects.filter(name=of).values_list("id", "kind").first()) is not None:
        found |= Q(subject_id=device[0], subject_kind=device[1])
    if (cable := Cable.objects.filter(label=of).values_list("id", flat=True).first()) is not None:
        found |= Q(subject_id=cable, subject_kind="cable")
    if of.isascii() and of.isdecimal() and len(of) < 19 and int(of) <= BIGINT:
        found |= Q(subject_id=int(of), subject_kind__in=["operation", "campaign", "incident"])
    return found


def ready(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the names of their subjects. Two queries, whatever their number."""
    found = history.ready(rows)
    of = {kind: {m["subject_id"] for m in found if m["subject_kind"] == kind} for kind in KINDS}
    devices = dict(Device.objects.filter(pk__in=of["host"] | of["switch"]).values_list("id", "name"))
    cables = dict(Cable.objects.filter(pk__in=of["cable"]).values_list("id", "label"))
    names = {"host": devices, "switch": devices, "cable": cables}
    return [{**m, "name": names.get(m["subject_kind"], {}).get(m["subject_id"], m["subject_id"])} for m in found]


def exported(rows: QuerySet[Transition, dict[str, Any]]) -> Iterator[list[Any]]:
    """Lines of a table, its head first, the latest first, at most EXPORTED; read in pieces by their id."""
    yield ["id", "at", "kind", "subject", "seq", "from", "to", "cause", "reason", "by", "role"]
    before, left = BIGINT, EXPORTED
    while left > 0 and (piece := list(rows.filter(id__lt=before).order_by("-id")[: min(CHUNK, left)])):
        before, left = piece[-1]["id"], left - len(piece)
        for m in ready(piece):
            at = m["at"].isoformat()
            what = [m["subject_kind"], m["name"], m["seq"], m["from_state"], m["to_state"], m["cause"], m["reason"]]
            yield [m["id"], at, *map(_plain, what), _plain(m["actor"]), m["role"]]


def _plain(value: Any) -> Any:
    """A text that a spreadsheet takes for text, never for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value


def verify() -> dict[str, Any] | None:
    """As lifecycle.verify(); None when it would take longer than VERIFY_S, which a page does not wait for."""
    try:
        with transaction.atomic():
            with connection.cursor() as cursor:
                cursor.execute("SELECT set_config('statement_timeout', %s, true)", [f"{VERIFY_S}s"])
            return lifecycle.verify()
    except OperationalError as error:
        if getattr(error.__cause__, "sqlstate", "") != CANCELLED:
            raise
        return None
