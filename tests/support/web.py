"""A running web on a test's own database, and a browser to look at it with."""

import contextlib
import os
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connections

from tests.support.database import RealDatabase
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from playwright.sync_api import Page

# Chromium asks for nothing outside, and runs as root in CI.
_CHROMIUM = "/usr/bin/chromium"
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)


@dataclass(frozen=True)
class Site:
    """url: without a slash at its end. database: what it works on; its env also serves workers of the same site."""

    url: str
    database: RealDatabase


def free_port() -> int:
    """A TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


def serve(database: RealDatabase, port: int = 0) -> Site:
    """Start gunicorn as the demo does, with one process; it ends with the database. port 0: one that is free."""
    port = port or free_port()
    url = f"http://127.0.0.1:{port}"
    database.env["MUSTER_BOOT_URL"] = f"{url}/boot"
    shape = ("--worker-class", "gthread", "--workers", "1", "--threads", "8", "--bind", f"127.0.0.1:{port}")
    process = database.spawn([sys.executable, "-m", "gunicorn", "deploy.wsgi", *shape])
    eventually(lambda: _answers(url) or process.poll() is not None, within_s=120)
    assert process.poll() is None, database.output()
    return Site(url, database)


@contextlib.contextmanager
def browsing() -> Iterator["Page"]:
    """A new page of a new headless Chromium; an error in the page's script fails the test.

    Playwright keeps an event loop in this thread, in which Django would refuse to touch the database.
    """
    from playwright.sync_api import sync_playwright

    before = os.environ.get("DJANGO_ALLOW_ASYNC_UNSAFE")
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "1"
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=list(_ARGUMENTS))
            page = browser.new_page()
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            try:
                yield page
            finally:
                # Beside a running loop Django keeps connections of its own: they must not outlive their database.
                connections.close_all()
            browser.close()
            assert not errors
    finally:
        if before is None:
            os.environ.pop("DJANGO_ALLOW_ASYNC_UNSAFE")
