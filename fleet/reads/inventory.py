"""What exists, as flat rows: devices, parts, ports, cables with both ends, loaded plans, evidence."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import FilteredRelation, Model, OuterRef, Q, QuerySet, Subquery

from fleet.errors import NotFound
from fleet.models import Cable, CableEnd, Device, Evidence, Part, PartMove, PlanVersion, Port
from fleet.reads import hosts
from fleet.reads.rows import Columns, Sites, named

Rows = QuerySet[Any, dict[str, Any]]


@dataclass(frozen=True)
class Noun:
    """How a noun is read. filters: by name, the column or the columns of which any may match.

    called: the unique column of its natural name, '' for none. site: the columns that say at which site it is, any of
    them; () for what is at no site and only for those who may see all. joins: made anew for each query, since Django
    changes a FilteredRelation that it is given.
    """

    word: str
    model: type[Model]
    columns: Columns
    filters: Mapping[str, str | tuple[str, ...]]
    site: tuple[str, ...]
    called: str = ""
    joins: Callable[[], dict[str, Any]] = dict


_END = {"device_id": "port__device_id", "device": "port__device__name", "port": "port__name", "port_id": "port_id"}
# The other end of a port's cable.
_FAR = CableEnd.objects.filter(cable=OuterRef("planned_end__cable")).exclude(port=OuterRef("pk"))

DEVICES = Noun(
    word="device",
    model=Device,
    columns={
        **hosts.COLUMNS,
        "kind": "kind",
        "uuid": "uuid",
        "imported": "imported",
        "observe_only": "observe_only",
        "bmc_address": "bmc__address",
        "bmc_mac": "bmc__mac",
    },
    filters={
        **hosts.FILTERS,
        **{name: name for name in ("kind", "role", "health", "serial", "name")},
        "site": "site__name",
    },
    site=("site_id",),
    called="name",
)
PARTS = Noun(
    word="part",
    model=Part,
    columns={
        **{
            name: name for name in ("id", "kind", "serial", "model", "firmware", "size", "device_id", "slot", "seen_at")
        },
        "device": "device__name",
    },
    filters={"device": "device__name", **{n: n for n in ("kind", "serial", "model", "firmware", "slot")}},
    site=("device__site_id",),
)
PART_MOVES = Noun(
    word="move",
    model=PartMove,
    columns={
        **{name: name for name in ("id", "at", "from_slot", "to_slot", "reason")},
        "from_device": "from_device__name",
        "to_device": "to_device__name",
        "by": "actor__name",
        "role": "actor__role",
    },
    filters={"part": "part_id"},
    site=(),
)
PORTS = Noun(
    word="port",
    model=Port,
    columns={
        **{name: name for name in ("id", "device_id", "name", "node_guid")},
        "device": "device__name",
        "cable_id": "planned_end__cable_id",
        "cable": "planned_end__cable__label",
        "end": "planned_end__end",
        "far_device": "far_device",
        "far_port": "far_port",
    },
    filters={"device": "device__name", "name": "name", "node_guid": "node_guid", "cable": "planned_end__cable__label"},
    site=("device__site_id",),
    joins=lambda: {
        "far_device": Subquery(_FAR.values("port__device__name")),
        "far_port": Subquery(_FAR.values("port__name")),
    },
)
CABLES = Noun(
    word="cable",
    model=Cable,
    columns={
        **{n: n for n in ("id", "label", "kind", "state", "state_since", "rate", "length_m", "medium", "serial")},
        **{f"{end}_{name}": f"{end}__{column}" for end in "ab" for name, column in _END.items()},
    },
    filters={
        **{n: n for n in ("label", "kind", "state", "rate", "medium", "serial")},
        "device": ("a__port__device__name", "b__port__device__name"),
    },
    site=("a__port__device__site_id", "b__port__device__site_id"),
    called="label",
    joins=lambda: {end: FilteredRelation("ends", condition=Q(ends__end=end)) for end in "ab"},
)
PLANS = Noun(
    word="plan",
    model=PlanVersion,
    columns={
        **{n: n for n in ("id", "sha256", "loaded_at", "reason", "counts")},
        "by": "actor__name",
    },
    filters={"sha256": "sha256"},
    site=(),
)
EVIDENCE = Noun(
    word="evidence",
    model=Evidence,
    columns={n: n for n in ("id", "at", "kind", "device_id", "operation_id", "words", "data", "file_id")},
    filters={"kind": "kind", "device": "device_id", "operation": "operation_id", "since": "at__gte", "until": "at__lt"},
    site=("device_site",),
    joins=lambda: {"device_site": Subquery(Device.objects.filter(pk=OuterRef("device_id")).values("site_id"))},
)


def select(noun: Noun, filters: Mapping[str, Any], sites: Sites) -> Rows:
    """Rows that match all filters, for paging; only what stands at these sites."""
    found: QuerySet[Any] = noun.model._default_manager.annotate(**noun.joins())
    for name, columns in noun.filters.items():
        if filters.get(name) is not None:
            either = (columns,) if isinstance(columns, str) else columns
            found = found.filter(_any(either, filters[name]))
    if sites is not None:
        found = found.filter(_any([f"{column}__in" for column in noun.site], sites))
    rows: Rows = found.values(*noun.columns.values())
    return rows


def _any(columns: Any, value: Any) -> Q:
    return Q(*((column, value) for column in columns), _connector=Q.OR) if columns else Q(pk__in=[])


def ready(noun: Noun, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names."""
    return [named(row, noun.columns) for row in found]


def one(noun: Noun, key: int | str, sites: Sites) -> dict[str, Any]:
    """One row by its number or, when it is none, its natural name. Raises NotFound (404), also for other sites."""
    called = hosts.name_or_id(key) if isinstance(key, str) else key
    column = "id" if isinstance(called, int) else noun.called
    row = select(noun, {}, sites).filter(**{column: called}).first()
    if row is None:
        raise NotFound(f"there is no {noun.word} {key}", field=column, value=key)
    return named(row, noun.columns)
