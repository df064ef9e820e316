"""What statements over many rows have in common."""

from collections.abc import Iterable
from typing import Any


def columns(rows: Iterable[Iterable[Any]]) -> list[list[Any]]:
    """Rows as one list a column, for unnest(): one statement however many rows. No rows give no columns."""
    return [list(column) for column in zip(*rows, strict=True)]


def rows(cursor: Any) -> list[dict[str, Any]]:
    """What a raw cursor found, a mapping a row."""
    names = [column.name for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
