"""Bounds of the application's own sessions, wherever its database runs."""

import pytest
from django.db import connection


@pytest.mark.parametrize(("name", "is_"), [("lock_timeout", "3s"), ("idle_in_transaction_session_timeout", "30s")])
def test_no_session_of_ours_waits_or_rests_for_long(db, name: str, is_: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SHOW {name}")
        assert cursor.fetchone() == (is_,)
