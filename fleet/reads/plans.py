"""What plan is loaded, and which were before."""

from typing import Any

from django.db import connection

from fleet.models import PlanVersion
from fleet.reads.rows import Columns, named

COLUMNS: Columns = {
    "id": "id",
    "sha256": "sha256",
    "loaded_at": "loaded_at",
    "by": "actor__name",
    "reason": "reason",
    "counts": "counts",
}
SHOWN = 50

COUNTS = """
SELECT (SELECT count(*) FROM fleet_device WHERE kind = 'host'),
  (SELECT count(*) FROM fleet_device WHERE kind <> 'host'),
  (SELECT count(*) FROM fleet_cable), (SELECT count(*) FROM fleet_rack), (SELECT count(*) FROM fleet_address)
"""


def page() -> dict[str, Any]:
    """The versions, the latest first, and what is on record now. Two queries."""
    rows = PlanVersion.objects.order_by("-id").values(*COLUMNS.values())[:SHOWN]
    with connection.cursor() as cursor:
        cursor.execute(COUNTS)
        numbers = cursor.fetchone()
    words = ("hosts", "switches and others", "cables", "racks", "addresses")
    return {"versions": [named(row, COLUMNS) for row in rows], "numbers": list(zip(words, numbers, strict=True))}
