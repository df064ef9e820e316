"""What the fixtures of conftest promise."""

import psycopg
import pytest
from django.contrib.auth.models import Group
from django.db import OperationalError, connection

from tests.support import servers
from tests.support.database import RealDatabase, check_constraints
from tests.support.waiting import eventually

NAME = "written by a test"


@pytest.mark.parametrize("round_", [1, 2])
def test_db_is_rolled_back(db: None, round_: int) -> None:
    assert not Group.objects.filter(name=NAME).exists()
    Group.objects.create(name=NAME)
    check_constraints()


def test_db_connects_as_the_application(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_database()")
        assert cursor.fetchone() == ("muster_app", servers.OWN)


def test_without_a_fixture_there_is_no_database() -> None:
    """The process's own database exists only once a test has asked for it, and never in a pure test run."""
    connection.close()
    name, connection.settings_dict["NAME"] = connection.settings_dict["NAME"], "no_such_database"
    try:
        with pytest.raises(OperationalError):
            Group.objects.exists()
    finally:
        connection.settings_dict["NAME"] = name


def test_real_db_is_committed_and_seen_by_other_processes(real_db: RealDatabase) -> None:
    Group.objects.create(name=NAME)
    with psycopg.connect(real_db.env["DATABASE_URL"]) as other:
        assert other.execute("SELECT name FROM auth_group WHERE name = %s", [NAME]).fetchone() == (NAME,)
    shell = real_db.manage(
        "shell", "-v", "0", "-c", "from django.contrib.auth.models import Group; print(*Group.objects.all())"
    )
    assert eventually(lambda: shell.poll() is not None, within_s=120)
    assert NAME in real_db.output()


def test_real_db_begins_empty_each_time(real_db: RealDatabase) -> None:
    assert not Group.objects.filter(name=NAME).exists()
    Group.objects.create(name=NAME)
