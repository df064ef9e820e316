"""The embedded servers are what the design says that they are."""

import os
import subprocess
import sys

import psycopg
import pytest

from deploy import embedded, processes
from deploy.place import Place
from tests.support import servers

pytestmark = pytest.mark.db


@pytest.fixture(scope="module")
def place(postgres: None) -> Place:
    return servers.PLACE


def test_postgres_runs_without_root_and_listens_on_no_port(place: Place) -> None:
    pid = embedded.Postgres(place).pid
    assert pid
    assert os.stat(f"/proc/{pid}").st_uid == place.user.pw_uid != 0
    with psycopg.connect(servers.url("app", servers.TEMPLATE)) as app:
        assert app.execute("SHOW listen_addresses").fetchone() == ("",)
    assert place.sockets.stat().st_mode & 0o777 == 0o700
    assert len(str(place.sockets / ".s.PGSQL.5432")) < 60


def test_the_application_may_write_rows_but_makes_no_tables(place: Place) -> None:
    with psycopg.connect(servers.url("app", "muster")) as app, pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.execute("CREATE TABLE refused (n int)")
    with psycopg.connect(servers.url("owner", "muster")) as owner:
        owner.execute("CREATE TABLE allowed (n int)")
    try:
        with psycopg.connect(servers.url("app", "muster")) as app:
            app.execute("INSERT INTO allowed VALUES (1)")
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                app.execute("TRUNCATE allowed")
    finally:
        with psycopg.connect(servers.url("owner", "muster")) as owner:
            owner.execute("DROP TABLE allowed")


def test_nobody_else_may_connect(place: Place) -> None:
    """Peer authentication: a role that the ident map does not give to the caller is refused."""
    with pytest.raises(psycopg.OperationalError, match=r"Peer authentication failed|does not exist"):
        psycopg.connect(f"postgresql://somebody@/muster?host={place.sockets}")
    assert "trust" not in (place.data / "postgres" / "pg_hba.conf").read_text()


def test_a_second_start_finds_the_servers_running(place: Place) -> None:
    before = embedded.Postgres(place).pid, servers.VALKEY.pid
    embedded.Postgres(place).start()
    servers.VALKEY.start()
    assert (embedded.Postgres(place).pid, servers.VALKEY.pid) == before


def test_data_outlive_stop_and_start() -> None:
    """A pair of its own, stopped and started again: rows, keys and roles are there; then nothing is left."""
    place = Place("again" + servers.RUN)
    try:
        with embedded.running(place):
            with psycopg.connect(place.database_url("muster_owner")) as owner:
                owner.execute("CREATE TABLE kept AS SELECT 7 AS n")
            assert embedded.Valkey(place).say("SET kept 7") == b"+OK\r\n"
            pids = [embedded.Postgres(place).pid, embedded.Valkey(place).pid]
        assert not any(processes.alive(pid) for pid in pids if pid)
        with embedded.running(place), psycopg.connect(place.database_url("muster_app")) as app:
            assert app.execute("SELECT n FROM kept").fetchone() == (7,)
            assert embedded.Valkey(place).say("GET kept").endswith(b"7\r\n")
    finally:
        embedded.stop(place)
        place.remove()
    assert not place.data.exists() and not place.sockets.exists()


def test_valkey_listens_on_no_port(postgres: None) -> None:
    assert servers.VALKEY.say("CONFIG GET port").split(b"\r\n")[4] == b"0"


def test_the_command_line_says_where_the_servers_are() -> None:
    argv = [sys.executable, "-m", "deploy.embedded", "--name", "shown", "env"]
    shown = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    assert [line.split("=")[0] for line in shown.splitlines()] == [
        "export DATABASE_URL",
        "export MUSTER_OWNER_DATABASE_URL",
        "export REDIS_URL",
    ]
