"""Quiet hours. Pure."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo


def is_quiet(now: datetime, start: time | None, end: time | None, zone: str) -> bool:
    """Whether it is quiet now. start up to, but not with, end; over midnight when end comes first; the day when equal.

    zone: a name as in the tz database; UTC for one that is not known here.
    """
    if start is None or end is None:
        return False
    try:
        local = now.astimezone(ZoneInfo(zone)).time()
    except (KeyError, ValueError, OSError):  # no such zone: its hours are UTC's rather than nobody's
        local = now.astimezone(UTC).time()
    if start < end:
        return start <= local < end
    return local >= start or local < end
