"""Cursor paging: the cursor is opaque to clients and holds the sort key and id of the last row that they have."""

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from django.db.models import Q, QuerySet

from fleet.errors import BadValue

DEFAULT = 100
MOST = 1000
BIGINT = 2**63 - 1
NUMBERS = ("id", "seq")


def encode(*values: Any) -> str:
    """The cursor after a row with these values."""
    return base64.urlsafe_b64encode(json.dumps(values, separators=(",", ":")).encode()).rstrip(b"=").decode()


def decode(cursor: str, kinds: Sequence[type]) -> list[Any]:
    """The values of a cursor of ours. Raises BadValue (422) for anything else."""
    try:
        values = json.loads(base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True))
        good = isinstance(values, list) and [type(v) for v in values] == list(kinds)
        good = good and all(abs(v) <= BIGINT if isinstance(v, int) else "\0" not in v for v in values)
        if good:
            "".join(v for v in values if isinstance(v, str)).encode()
    except (binascii.Error, ValueError, RecursionError) as error:
        raise _refused(cursor) from error
    if not good:
        raise _refused(cursor)
    return list(values)


def _refused(cursor: str) -> BadValue:
    return BadValue(
        "this cursor is not one of ours", field="cursor", value=cursor, expected="`next` of the page before"
    )


def page(
    rows: QuerySet[Any, dict[str, Any]], *, by: str, cursor: str | None, limit: int, descending: bool = False
) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a .values() query in the order of `by` (a unique column), and the cursor of the next one.

    by: one of NUMBERS, or a text column. One query, by index, whatever the page.
    """
    if cursor:
        (after,) = decode(cursor, [int if by in NUMBERS else str])
        rows = rows.filter(Q(**{f"{by}__{'lt' if descending else 'gt'}": after}))
    found = list(rows.order_by(f"-{by}" if descending else by)[: limit + 1])
    more = len(found) > limit
    return found[:limit], encode(found[limit - 1][by]) if more else None
