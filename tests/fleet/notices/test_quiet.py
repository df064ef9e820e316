"""Quiet hours by the clock of a place."""

from datetime import UTC, datetime, time

import pytest

from fleet.notices.quiet import is_quiet


@pytest.mark.parametrize(
    ("now", "start", "end", "zone", "quiet"),
    [
        ("2026-01-10T12:00", "12:00", "13:00", "UTC", True),
        ("2026-01-10T13:00", "12:00", "13:00", "UTC", False),
        ("2026-01-10T11:59", "12:00", "13:00", "UTC", False),
        ("2026-01-10T23:30", "22:00", "07:00", "UTC", True),
        ("2026-01-10T06:59", "22:00", "07:00", "UTC", True),
        ("2026-01-10T07:00", "22:00", "07:00", "UTC", False),
        ("2026-01-10T21:59", "22:00", "07:00", "UTC", False),
        ("2026-01-10T05:30", "22:00", "07:00", "America/New_York", True),
        ("2026-01-10T21:30", "22:00", "07:00", "Europe/Stockholm", True),
        ("2026-07-10T20:30", "22:00", "07:00", "Europe/Stockholm", True),  # summer time
        ("2026-07-10T05:30", "22:00", "07:00", "Europe/Stockholm", False),
        ("2026-01-10T23:30", "22:00", "07:00", "Nowhere/Town", True),
        ("2026-01-10T23:30", "22:00", "07:00", "../etc", True),
    ],
)
def test_quiet(now, start, end, zone, quiet):
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert is_quiet(moment, time.fromisoformat(start), time.fromisoformat(end), zone) is quiet


def test_without_hours_it_is_never_quiet():
    assert is_quiet(datetime.now(UTC), None, None, "UTC") is False
