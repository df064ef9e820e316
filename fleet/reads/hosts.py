"""Hosts as lists and as one: the same rows for the page and the API."""

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Any

from django.db.models import Case, Count, Exists, F, Min, OuterRef, Q, QuerySet, Subquery, Value, When, Window
from django.db.models.functions import RowNumber

from fleet.errors import BadValue, NotFound
from fleet.http import forms
from fleet.models import Device, Finding, FormerName, Hold, Party
from fleet.models.devices import HEALTH
from fleet.models.evidence import SEVERITIES
from fleet.reads.rows import Columns, Sites, named, scoped
from fleet.states import KINDS

COLUMNS: Columns = {
    "id": "id",
    "name": "name",
    "role": "role",
    "state": "state",
    "state_since": "state_since",
    "cause": "cause",
    "health": "health",
    "holds": "held",
    "serial": "serial",
    "profile": "profile__name",
    "site": "site__name",
    "row": "rack__row__name",
    "rack": "rack__name",
    "unit": "unit",
    "pod": "pod",
    "active_operation": "active_operation",
    "active_kind": "active_kind",
    "active_step": "active_step",
}
FILTERS = {
    "state": "state",
    "cause": "cause",
    "health": "health",
    "pod": "pod",
    "rack": "rack__name",
    "row": "rack__row__name",
    "profile": "profile__name",
    "operation": "active_kind",
}
# Whoever owns what is wrong with a host: of its open findings the worst that has an owner.
OWNER = (
    Finding.objects.filter(device=OuterRef("pk"), closed_at=None, owner__isnull=False)
    .order_by(Case(*(When(severity=s, then=Value(n)) for n, s in enumerate(reversed(SEVERITIES)))), "id")
    .values("owner__name")[:1]
)
ANY_CAUSE = "any"
HELD = {"yes": Q(held__gt=0), "no": Q(held=0)}


def conditions(filters: Mapping[str, Any]) -> dict[str, Q]:
    """One condition for each filter that is set; q is a piece of the name or serial, or the whole BMC address."""
    found = {name: Q(**{column: filters[name]}) for name, column in FILTERS.items() if filters.get(name)}
    if filters.get("cause") == ANY_CAUSE:
        found["cause"] = ~Q(cause="")
    if owner := filters.get("owner"):
        found["owner"] = Q(Exists(Finding.objects.filter(device=OuterRef("pk"), closed_at=None, owner__name=owner)))
    if held := filters.get("held"):
        found["held"] = HELD[held]
    if q := filters.get("q"):
        found["q"] = Q(name__icontains=q) | Q(serial__icontains=q) | Q(bmc__address=q)
    return found


def select(filters: Mapping[str, Any], sites: Sites) -> QuerySet[Device]:
    """Hosts for which all of these filters hold."""
    found = scoped(Device.objects.filter(kind="host"), sites, "site_id")
    return found.filter(*conditions(filters).values())


def rows(hosts: QuerySet[Device]) -> QuerySet[Device, dict[str, Any]]:
    """The columns of a list, for paging."""
    found: QuerySet[Device, dict[str, Any]] = hosts.values(*COLUMNS.values())
    return found


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names."""
    return [named(row, COLUMNS) for row in found]


def one(sites: Sites, **key: Any) -> dict[str, Any]:
    """A host by id or name. Raises NotFound (404), also for one at a site that one may not see."""
    row = rows(scoped(Device.objects.filter(kind="host", **key), sites, "site_id")).first()
    if row is None:
        ((field, value),) = key.items()
        raise NotFound(f"there is no host {value}", field=field, value=value)
    return named(row, COLUMNS)


def name_or_id(called: str) -> str | int:
    """What a word in an address means: digits are an id, since no plan gives such a name (fleet.plan.fields)."""
    return int(called) if called.isascii() and called.isdecimal() and len(called) < 19 else called


def one_with(more: Sequence[str], sites: Sites, **key: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """As one(), and these columns of it besides, in the same query."""
    found = scoped(Device.objects.filter(kind="host", **key), sites, "site_id")
    row = found.values(*{*COLUMNS.values(), *more}).first()
    if row is None:
        ((field, value),) = key.items()
        raise NotFound(f"there is no host {value}", field=field, value=value)
    return named(row, COLUMNS), {name: row[name] for name in more}


def id_of(called: str, sites: Sites) -> int:
    """The id of a host by its number or, when it is none, its name. Raises NotFound (404). A number costs no query."""
    if isinstance(number := name_or_id(called), int):
        return number
    found = scoped(Device.objects.filter(kind="host", name=called), sites, "site_id").values_list("id").first()
    if found is None:
        raise NotFound(f"there is no host {called}", field="name", value=called)
    return int(found[0])


def name_now(former: str) -> str | None:
    """The present name of the device that was once called so; None when none was."""
    return FormerName.objects.filter(name=former).values_list("device__name", flat=True).first()


HOLD: Columns = {
    "id": "id",
    "kind": "kind",
    "reason": "reason",
    "by": "actor__name",
    "placed_at": "placed_at",
    "until": "until",
    "ended_at": "ended_at",
    "ended_by": "ended_by__name",
}


def holds(device_id: int, when: Q) -> list[dict[str, Any]]:
    """Holds of a device, the oldest first."""
    return [
        named(r, HOLD) for r in Hold.objects.filter(when, device_id=device_id).order_by("id").values(*HOLD.values())
    ]


STANDING = Q(ended_at=None)


def hold(hold_id: int) -> dict[str, Any]:
    """One hold as a row."""
    return named(Hold.objects.values(*HOLD.values()).get(pk=hold_id), HOLD)


def site_of(device_id: int, sites: Sites) -> int:
    """The site of a host. Raises NotFound (404), also for one at a site that one may not see."""
    found = scoped(Device.objects.filter(kind="host", pk=device_id), sites, "site_id").values_list("site_id").first()
    if found is None:
        raise NotFound(f"there is no host {device_id}", field="id", value=device_id)
    return int(found[0])


def place_of_hold(hold_id: int, sites: Sites) -> tuple[int, int]:
    """The host of a hold, and its site. Raises NotFound (404), also for one at a site that one may not see."""
    found = scoped(Hold.objects.filter(pk=hold_id), sites, "device__site_id")
    place = found.values_list("device_id", "device__site_id").first()
    if place is None:
        raise NotFound(f"there is no hold {hold_id}", field="id", value=hold_id)
    return int(place[0]), int(place[1])


NAMES = ("state", "cause", "owner", "row", "rack", "pod", "profile", "health", "held", "operation", "q")
STATES = tuple(s.name for s in KINDS["host"].states)
# Filters of which there are only these words; of the others, new ones may come at any time.
WORDS = {"state": STATES, "health": tuple(HEALTH), "held": tuple(HELD)}
# How a list is shown; not which hosts are in it.
SHOWS = ("cursor", "group", "host", "all")


def filters(query: Mapping[str, Any]) -> dict[str, str]:
    """The filters of a page's address. Raises BadValue (422) for one that does not exist or cannot match anything."""
    for name in query:
        if name not in (*NAMES, *SHOWS):
            raise BadValue(f"there is no filter {name!r}", field=name, value=query[name], expected=", ".join(NAMES))
    found = {name: forms.text(query, name) for name in NAMES}
    for name, words in WORDS.items():
        if found[name] and found[name] not in words:
            raise BadValue(f"there is no such {name}", field=name, value=found[name], expected=", ".join(words))
    return {name: value for name, value in found.items() if value}


def without(filters: Mapping[str, str], sites: Sites) -> list[dict[str, Any]]:
    """Why nothing matches: for each filter how many match it alone, and how many all the others. One query."""
    where = conditions(filters)
    counts: dict[str, Any] = {}
    for name, condition in where.items():
        counts[f"only_{name}"] = Count("pk", filter=condition)
        rest = [other for one, other in where.items() if one != name]
        counts[f"rest_{name}"] = Count("pk", filter=reduce(and_, rest)) if rest else Count("pk")
    found = scoped(Device.objects.filter(kind="host"), sites, "site_id").aggregate(**counts)
    return [
        {"name": name, "value": filters[name], "alone": found[f"only_{name}"], "rest": found[f"rest_{name}"]}
        for name in where
    ]


def owners(found: list[dict[str, Any]]) -> dict[int, str]:
    """By the id of a host: who owns what is wrong with it. One query."""
    ids = [row["id"] for row in found]
    owned = Device.objects.filter(pk__in=ids).annotate(owned_by=Subquery(OWNER)).exclude(owned_by=None)
    return dict(owned.values_list("id", "owned_by"))


def by_cause(hosts: QuerySet[Device]) -> list[dict[str, Any]]:
    """The repair board: hosts in trouble by cause and by who owns it, the oldest trouble first. Two queries.

    hosts: of each group the first ones, MOST_ON_BOARD in all. n: how many there are.
    """
    causes = hosts.exclude(cause="").annotate(owner=Subquery(OWNER))
    counts = (
        causes.values("cause", "owner").annotate(n=Count("id"), since=Min("state_since")).order_by("since", "cause")
    )
    groups = [{**row, "owner": row["owner"] or "", "hosts": []} for row in counts]
    if not groups:
        return []
    each = max(1, MOST_ON_BOARD // len(groups))
    ranked = causes.annotate(
        place=Window(RowNumber(), partition_by=[F("cause"), F("owner")], order_by=[F("state_since"), F("name")])
    )
    board = {(g["cause"], g["owner"]): g["hosts"] for g in groups}
    for row in ranked.filter(place__lte=each).order_by("place").values(*COLUMNS.values(), "owner"):
        board[row["cause"], row["owner"] or ""].append({**named(row, COLUMNS), "owner": row["owner"] or ""})
    return groups


MOST_ON_BOARD = 100


def standing(ids: list[int]) -> int:
    """How many of these holds still stand."""
    return Hold.objects.filter(STANDING, pk__in=ids).count()


def known(sites: Sites) -> dict[str, Any]:
    """What there is to filter by: states, causes, operations with their numbers; how many hosts there are. One query.

    states, causes, health, operations: pairs of a word and how many hosts.
    """
    columns = {"states": "state", "causes": "cause", "health": "health", "operations": "active_kind"}
    groups = scoped(Device.objects.filter(kind="host"), sites, "site_id").values(*columns.values())
    counts: dict[str, dict[str, int]] = {name: {} for name in columns}
    hosts = 0
    for row in groups.annotate(n=Count("id")).order_by():
        hosts += row["n"]
        for name, column in columns.items():
            if row[column]:
                counts[name][row[column]] = counts[name].get(row[column], 0) + row["n"]
    ordered = {"states": STATES, "health": HEALTH}
    pairs = {
        name: [(word, n[word]) for word in ordered[name] if word in n] if name in ordered else sorted(n.items())
        for name, n in counts.items()
    }
    return {**pairs, "hosts": hosts}


def parties() -> list[str]:
    """Names of those who may own what is wrong with a host. One query."""
    return list(Party.objects.order_by("name").values_list("name", flat=True))
