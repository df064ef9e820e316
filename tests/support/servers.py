"""The PostgreSQL and Valkey of a test run.

One PostgreSQL a run, started by the first test that asks for it; in it a template database, migrated once as the owner;
of that one copy for each pytest process (tests in a transaction) and one for each test that commits for real. One
Valkey for each pytest process. With MUSTER_TEST_EXTERNAL=1 the PostgreSQL of DATABASE_URL and MUSTER_OWNER_DATABASE_URL
is used instead (its owner needs CREATEDB), and Debian's redis-server.
"""

import contextlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from deploy import embedded, processes
from deploy.place import CHECKOUT, Place

EXTERNAL = os.environ.get("MUSTER_TEST_EXTERNAL") == "1"
# The first process of a run names it; the processes of xdist inherit the name.
RUN = os.environ.setdefault("MUSTER_TEST_RUN", f"test-{os.getpid()}")
PROCESS = os.environ.get("PYTEST_XDIST_WORKER", "main")
PLACE = Place(RUN, durable=False, valkey_bin=Path(shutil.which("redis-server") or "") if EXTERNAL else None)
VALKEY = embedded.Valkey(PLACE, name=f"valkey-{PROCESS}")
_PREFIX = RUN.replace("-", "_")
TEMPLATE = f"{_PREFIX}_template"
OWN = f"{_PREFIX}_{PROCESS}"
# Kept under other names: conftest points the real ones at this run's databases, and xdist's processes inherit that.
_GIVEN = {
    role: os.environ.setdefault(f"MUSTER_TEST_{role.upper()}_URL", os.environ.get(name, ""))
    for role, name in (("app", "DATABASE_URL"), ("owner", "MUSTER_OWNER_DATABASE_URL"))
}


def url(role: str, database: str) -> str:
    """Address of a database of this run; role is `app` or `owner`."""
    if not EXTERNAL:
        return PLACE.database_url(f"muster_{role}", database)
    return urlunsplit(urlsplit(_GIVEN[role])._replace(path=f"/{database}"))


def environment(database: str) -> dict[str, str]:
    """What a process needs to work on this database with this process's Valkey."""
    return {
        "DATABASE_URL": url("app", database),
        "MUSTER_OWNER_DATABASE_URL": url("owner", database),
        "REDIS_URL": f"unix://{VALKEY.socket}",
    }


def _home() -> str:
    return embedded.DATABASE if not EXTERNAL else urlsplit(_GIVEN["owner"]).path.strip("/")


def start() -> None:
    """Start the servers and migrate the template, unless another process of this run has done so."""
    with embedded.starting(PLACE):
        VALKEY.start()
        if not EXTERNAL:
            embedded.Postgres(PLACE).start()
        with psycopg.connect(url("owner", _home()), autocommit=True) as owner:
            if owner.execute("SELECT 1 FROM pg_database WHERE datname = %s", [TEMPLATE]).fetchone():
                return
            half = f"{TEMPLATE}_half"
            owner.execute(f"DROP DATABASE IF EXISTS {half}")
            owner.execute(f"CREATE DATABASE {half}")
            migrate(half)
            owner.execute(f"ALTER DATABASE {half} RENAME TO {TEMPLATE}")


def migrate(database: str, *arguments: str) -> None:
    """`manage.py migrate` on this database, as the owner."""
    embedded.grant_rights(url("owner", database))
    argv = [sys.executable, str(CHECKOUT / "manage.py"), "migrate", "-v", "0", *arguments]
    done = subprocess.run(
        argv, check=False, env={**os.environ, **environment(database)}, cwd=CHECKOUT, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"migrate failed:\n{done.stdout}{done.stderr}")


def clone(database: str, template: str = TEMPLATE) -> None:
    """Make a database as a copy of another to which nobody is connected."""
    with psycopg.connect(url("owner", _home()), autocommit=True) as owner:
        # Copies files instead of writing every block to the log: with fsync off the faster of the two.
        owner.execute(f'CREATE DATABASE "{database}" TEMPLATE "{template}" STRATEGY FILE_COPY')


def drop(database: str) -> None:
    """End what the application's role still has open there, and drop the database."""
    with psycopg.connect(url("app", _home()), autocommit=True) as app:
        ours = "datname = %s AND usename = current_user"
        app.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {ours}", [database])
    with psycopg.connect(url("owner", _home()), autocommit=True) as owner:
        owner.execute(f'DROP DATABASE IF EXISTS "{database}"')


def stop() -> None:
    """Stop and remove everything of this run; called by the first process when the others have ended."""
    if EXTERNAL:
        _drop_external()
    _stop_place(PLACE)


def _drop_external() -> None:
    with psycopg.connect(url("owner", _home()), autocommit=True) as owner:
        mine = owner.execute("SELECT datname FROM pg_database WHERE starts_with(datname, %s)", [_PREFIX]).fetchall()
    for (database,) in mine:
        with contextlib.suppress(psycopg.Error):
            drop(database)


def _stop_place(place: Place) -> None:
    for pid_file in place.data.glob("valkey*/pid"):
        embedded.Valkey(place, name=pid_file.parent.name).stop()
    embedded.Postgres(place).stop()
    place.remove()


def sweep() -> None:
    """Stop and remove what runs left behind whose first process was killed."""
    for folder in PLACE.base.glob("servers-test-*"):
        pid = folder.name.rpartition("-")[2]
        if pid.isdigit() and not processes.alive(int(pid)):
            _stop_place(Place(folder.name.removeprefix("servers-"), durable=False))
