"""manage.py partitions: make the monthly partitions a year ahead, drop those past their retention; as the owner."""

from datetime import UTC, date, datetime
from typing import Any

from django.core.management.base import BaseCommand
from django.db import connection

# Retention in days (architecture.md). Evidence that a transition cites is kept: its whole month stays.
RETENTION = {"fleet_evidence": 180, "provisioning_logline": 90, "provisioning_bootrequest": 180}
AHEAD_MONTHS = 12

PARTS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass ORDER BY 1
"""

CITED = """
SELECT EXISTS (SELECT 1 FROM fleet_transition t CROSS JOIN unnest(t.evidence) AS e(id) JOIN {part} p ON p.id = e.id)
    OR EXISTS (SELECT 1 FROM fleet_finding f CROSS JOIN unnest(f.evidence) AS e(id) JOIN {part} p ON p.id = e.id)
"""


class Command(BaseCommand):
    """Run daily by the launcher or a timer."""

    help = __doc__ or ""

    def handle(self, *args: Any, **options: Any) -> None:
        """Make, then drop."""
        made = dropped = 0
        with connection.cursor() as cursor:
            for parent, days in RETENTION.items():
                cursor.execute("SELECT muster_partitions(%s, %s)", [parent, AHEAD_MONTHS])
                made += cursor.fetchone()[0]
                cursor.execute(PARTS, [parent])
                for (part,) in cursor.fetchall():
                    dropped += self._drop(cursor, parent, part, days)
        self.stdout.write(f"{made} partitions made, {dropped} dropped")

    def _drop(self, cursor: Any, parent: str, part: str, days: int) -> int:
        year, month = (int(x) for x in part.split("_")[-2:])
        end = date(year + month // 12, month % 12 + 1, 1)
        if (datetime.now(UTC).date() - end).days <= days:
            return 0
        if parent == "fleet_evidence":
            cursor.execute(CITED.format(part=part))
            if cursor.fetchone()[0]:
                return 0
        cursor.execute(f"DROP TABLE {part}")
        return 1
