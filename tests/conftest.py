"""What every test gets: Django set up on a database that is there when a test asks for it, and nothing but loopback.

    db        PostgreSQL in a transaction that is rolled back; mark `db`
    real_db   a database of its own, committed for real, with worker processes; mark `workers`
    site      the web of such a database, running; mark `workers`
    page      a page of headless Chromium; mark `browser`
    client    Django's test client
Tests that ask for neither database cannot reach one; they are marked `pure`.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support import loopback, servers

if TYPE_CHECKING:
    from playwright.sync_api import Page

_HOME = Path(tempfile.mkdtemp(prefix="muster-test-"))
_KEY = "bXVzdGVyLXRlc3RzLW11c3Rlci10ZXN0cy1tdXN0ZXI="
(_HOME / "keys").write_text(_KEY + "\n")
os.environ.update(
    servers.environment(servers.OWN),
    DJANGO_SETTINGS_MODULE="deploy.settings",
    MUSTER_DEMO="1",
    MUSTER_SECRET_KEY="only-for-tests-" * 4,
    MUSTER_KEYS_FILE=str(_HOME / "keys"),
    MUSTER_FILES=str(_HOME / "files"),
    MUSTER_BOOT_DIR=str(_HOME / "boot"),
)

import django  # noqa: E402

django.setup()

from django.db import connections  # noqa: E402
from django.test import Client  # noqa: E402
from django.test.utils import setup_test_environment, teardown_test_environment  # noqa: E402

from tests.support import database, web  # noqa: E402

_MARKS = {"page": "browser", "real_db": "workers", "db": "db"}
_NEEDS = ("e2e", "browser", "api", "workers", "db", "pure")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give each test the mark of what it needs, so that a mark cannot be forgotten."""
    for item in items:
        fixtures = set(getattr(item, "fixturenames", ()))
        if "e2e" in Path(item.path).parts:
            item.add_marker("e2e")
        elif not any(item.get_closest_marker(name) for name in _NEEDS):
            item.add_marker(next((mark for name, mark in _MARKS.items() if name in fixtures), "pure"))


def pytest_sessionstart(session: pytest.Session) -> None:
    loopback.guard()
    setup_test_environment()
    if servers.PROCESS == "main":
        servers.sweep()


def pytest_sessionfinish(session: pytest.Session) -> None:
    connections.close_all()
    teardown_test_environment()
    shutil.rmtree(_HOME, ignore_errors=True)
    if servers.PROCESS == "main":
        servers.stop()


@pytest.fixture(scope="session")
def postgres() -> None:
    """The servers run and the template is migrated."""
    servers.start()


@pytest.fixture(scope="session")
def _own_database(postgres: None) -> None:
    servers.clone(servers.OWN)


@pytest.fixture
def db(_own_database: None) -> Iterator[None]:
    """PostgreSQL as the application's role, in a transaction that is rolled back."""
    with database.rolled_back():
        yield


@pytest.fixture
def real_db(postgres: None, tmp_path: Path) -> Iterator[database.RealDatabase]:
    """A database of the test's own, committed for real; `worker()` starts a worker process on it."""
    with database.real(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def client() -> Client:
    """A browser without a sign-in."""
    return Client()


@pytest.fixture
def site(real_db: database.RealDatabase) -> web.Site:
    """The web, running on the test's own database."""
    return web.serve(real_db)


@pytest.fixture
def page() -> Iterator["Page"]:
    """A page of a new headless Chromium."""
    with web.browsing() as new:
        yield new
