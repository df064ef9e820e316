"""Databases for tests: one in a transaction that is rolled back, or one of its own that is committed for real."""

import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from signal import SIGKILL, SIGTERM
from subprocess import Popen

from django.db import connection, connections, transaction

from deploy import processes
from deploy.place import CHECKOUT
from tests.support import servers

_numbers = count(1)


def check_constraints() -> None:
    """Check now what the database would check at the commit, such as deferred triggers. Raises IntegrityError."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")


@contextlib.contextmanager
def rolled_back() -> Iterator[None]:
    """A transaction around a test; at its end deferred constraints are checked, then all is rolled back."""
    atomic = transaction.atomic()
    atomic._from_testcase = True  # type: ignore[attr-defined]  # as TestCase does: durable=True is allowed inside
    with atomic:
        try:
            yield
            if not connection.needs_rollback:
                check_constraints()
        finally:
            transaction.set_rollback(True)


@dataclass
class RealDatabase:
    """A database of the test's own, and the processes that the test starts on it.

    env: the environment of a process that works on it. logs: folder with what the processes printed.
    """

    name: str
    logs: Path
    env: dict[str, str]
    processes: list[Popen[bytes]] = field(default_factory=list)

    def spawn(self, argv: Sequence[str], *, env: Mapping[str, str] | None = None) -> Popen[bytes]:
        """Start a process on this database; it is ended with the test."""
        log = self.logs / f"{len(self.processes)}.log"
        child = processes.spawn(argv, log=log, env={**self.env, **(env or {})}, cwd=CHECKOUT)
        self.processes.append(child)
        return child

    def worker(self, *arguments: str, env: Mapping[str, str] | None = None) -> Popen[bytes]:
        """Start a turn worker as the demo does."""
        return self.spawn([sys.executable, "-m", "celery", *WORKER, *arguments], env=env)

    def manage(self, *arguments: str, env: Mapping[str, str] | None = None) -> Popen[bytes]:
        """Start a command of manage.py."""
        return self.spawn([sys.executable, "manage.py", *arguments], env=env)

    def output(self) -> str:
        """What the processes have printed so far."""
        return "\n".join(log.read_text(errors="replace") for log in sorted(self.logs.glob("*.log")))

    def end(self) -> None:
        """End the processes that still run."""
        for child in self.processes:
            if child.poll() is None:
                processes.end(child.pid, by=[(SIGTERM, 20), (SIGKILL, 20)])
            child.wait(20)


WORKER = (
    *("-A", "deploy.celery", "worker", "-P", "threads", "-c", "2", "-Q", "turn", "-l", "INFO"),
    *("--without-gossip", "--without-mingle", "--without-heartbeat"),
)


@contextlib.contextmanager
def real(logs: Path, template: str = servers.TEMPLATE) -> Iterator[RealDatabase]:
    """A fresh copy of a template database, to which this process's Django and the test's processes connect."""
    name = f"{servers.OWN}_{next(_numbers)}"
    servers.clone(name, template)
    servers.VALKEY.say("FLUSHALL")
    default = connections.settings["default"]
    before = default["NAME"]
    connections.close_all()
    default["NAME"] = name
    database = RealDatabase(name, logs, {**os.environ, **servers.environment(name)})
    try:
        yield database
    finally:
        database.end()
        connections.close_all()
        default["NAME"] = before
        servers.drop(name)
