"""Wait for a condition with a bound; never sleep and hope."""

import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

T = TypeVar("T")


def eventually(condition: Callable[[], T], *, within_s: float = 30, every_s: float = 0.05) -> T:
    """Call `condition` until its answer is true, and give that answer; an AssertionError in it counts as not yet.

    Raises AssertionError after `within_s`, with the last answer or the last error.
    """
    until = time.monotonic() + within_s
    while True:
        last: object
        try:
            if answer := condition():
                return answer
            last = answer
        except AssertionError as error:
            last = error
        if time.monotonic() > until:
            raise AssertionError(f"not within {within_s} s; last seen: {last!r}")
        time.sleep(every_s)


# A wait for a row is one for a transaction, which belongs to no database: its owner's other locks tell which one it is.
# Never pg_stat_activity: what it shows stands still within a transaction.
WAITING = """
SELECT count(DISTINCT w.pid) FROM pg_locks w JOIN pg_locks h ON h.pid = w.pid
JOIN pg_database d ON d.oid = h.database AND d.datname = current_database() WHERE NOT w.granted
"""


def how_many_wait() -> int:
    """Connections to this database that wait for a lock which another one holds."""
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        return int(cursor.fetchone()[0])


def somebody_waits() -> bool:
    """Whether any does."""
    return how_many_wait() > 0
