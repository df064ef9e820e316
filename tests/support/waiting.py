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


def somebody_waits() -> bool:
    """Whether a connection waits for a lock that another one holds."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_locks WHERE NOT granted")
        return bool(cursor.fetchone()[0])
