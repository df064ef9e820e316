"""Rows of a query under the names that pages and the API use, and only those of the sites that one may see."""

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet

Columns = Mapping[str, str]
Sites = frozenset[int] | None


def scoped(rows: QuerySet[Any, Any], sites: Sites, column: str) -> QuerySet[Any, Any]:
    """Rows of these sites only; all when sites is None."""
    return rows if sites is None else rows.filter(**{f"{column}__in": sites})


def named(row: Mapping[str, Any], columns: Columns) -> dict[str, Any]:
    """One row of .values(*columns.values()) with our names."""
    return {name: row[column] for name, column in columns.items()}
