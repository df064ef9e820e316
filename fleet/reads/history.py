"""Transitions as rows."""

from typing import Any

from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL

from fleet.errors import NotFound
from fleet.models import Transition
from fleet.reads.rows import Columns, Sites, named
from fleet.states import KINDS

COLUMNS: Columns = {
    "id": "id",
    "subject_kind": "subject_kind",
    "subject_id": "subject_id",
    "seq": "seq",
    "from_state": "from_state",
    "to_state": "to_state",
    "cause": "cause",
    "reason": "reason",
    "actor": "actor__name",
    "role": "actor__role",
    "evidence": "evidence",
    "at": "at",
}
# Kinds of which each subject stands at a site.
AT_SITES = ("host", "switch", "operation", "campaign")
AT_SITE = "EXISTS (SELECT 1 FROM {table} s WHERE s.id = fleet_transition.subject_id AND s.site_id = ANY(%s))"


def transitions(sites: Sites, **filters: Any) -> QuerySet[Transition, dict[str, Any]]:
    """Rows by subject_kind and subject_id, only of subjects at these sites."""
    found = Transition.objects.filter(**{k: v for k, v in filters.items() if v is not None})
    if sites is not None:
        found = found.filter(_seen(sites))
    rows: QuerySet[Transition, dict[str, Any]] = found.values(*COLUMNS.values())
    return rows


def _seen(sites: frozenset[int]) -> Q:
    seen = Q(pk__in=[])
    for kind in AT_SITES:
        table = KINDS[kind].table  # from our own code
        stands = RawSQL(AT_SITE.format(table=table), [list(sites)], output_field=BooleanField())
        seen |= Q(subject_kind=kind) & Q(stands)
    return seen


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names."""
    return [named(row, COLUMNS) for row in found]


def one(transition_id: int, sites: Sites) -> dict[str, Any]:
    """One transition as a row. Raises NotFound (404), also for one of a subject that one may not see."""
    row = transitions(sites, pk=transition_id).first()
    if row is None:
        raise NotFound(f"there is no transition {transition_id}", field="id", value=transition_id)
    return named(row, COLUMNS)
