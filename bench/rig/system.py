"""A whole system for a benchmark: what `make demo` starts, of its own place, with BMCs that answer at once."""

import contextlib
import json
import random
import shutil
import signal
import socket
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg

from bench.rig import figures
from deploy import embedded, options, processes, programs, watch
from deploy.launcher import Demo
from deploy.place import CHECKOUT, Place

SCALE = 100_000.0  # "BMCs answer at once": with simulator delays of 0
_LOOK_S = 1.0
_STALL_S = 600.0  # nothing has moved for so long: give up
_QUIET_S, _QUIET_CPU_S = 3.0, 0.3  # so little in so long is rest

WORKERS = "SELECT count(*) FROM provisioning_workerprocess"
MOVED = "SELECT coalesce(max(id), 0) FROM provisioning_step"
BY_STATE = "SELECT state, count(*) FROM fleet_device WHERE kind = 'host' GROUP BY 1"
# What waits for one of its chain that has not succeeded does not move by itself.
OPERATIONS = """
SELECT state, count(*) FROM provisioning_operation WHERE state IN ('queued', 'active') AND after_id IS NULL GROUP BY 1
"""


class Stalled(RuntimeError):
    """Nothing moves any more; the words say how it stood."""


def say(words: str) -> None:
    """Progress; stdout is for the last line alone."""
    print(words, file=sys.stderr, flush=True)


class Rig(Demo):
    """Servers, web, one turn worker, beat and simulator, no faults, no campaign until one is asked for."""

    def __init__(self, name: str, *, hosts: int, scale: float = SCALE) -> None:
        asked = options.Options(
            hosts=hosts, speed=scale, seed=1, faults="none", port=None, once=False, chaos=False, fresh=True
        )
        super().__init__(asked, CHECKOUT / ".run" / name, Place(name))
        self.token = ""

    def _program(
        self, name: str, *argv: str, counted: bool = True, env: dict[str, str] | None = None
    ) -> programs.Program:
        at_once = ("--delays", "0") if name == "simulator" else ()
        return super()._program(name, *argv, *at_once, counted=counted, env=env)

    def _settings(self) -> dict[str, str]:
        self.ports = options.Ports(*_free_ports(4))
        return super()._settings()

    def _say_where(self, setup: dict[str, Any]) -> None:
        self.token = setup["token"]

    def _bring_up(self) -> None:
        """Benchmarks ask themselves, once the start of the programs is over."""
        self.settle()

    def settle(self) -> None:
        """Wait until the worker is up and the programs of ours rest."""
        before = self.cpu_s()
        while True:
            time.sleep(_QUIET_S)
            now = self.cpu_s()
            if self.rows(WORKERS)[0][0] and figures.product_cpu_s(figures.spent(before, now)) < _QUIET_CPU_S:
                return
            before = now

    # -- acts

    def post(self, noun: str, body: dict[str, Any]) -> tuple[Any, float]:
        """One POST to the API: its answer and the seconds until it came."""
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": uuid.uuid4().hex}
        url = f"http://127.0.0.1:{self.ports.web}/api/v1/{noun}"
        start = time.perf_counter()
        answer = watch.ask(url, body={"reason": "benchmark", **body}, headers=headers)
        return answer, time.perf_counter() - start

    def shell(self, code: str) -> str:
        """Run Python in the product's own setting, as web and workers have it."""
        return self._manage("shell", "-v", "0", "-c", code)

    def manage(self, *words: str) -> str:
        """Run a command of manage.py that may answer with 0 or 1."""
        return self._manage(*words, right=(0, 1))

    def kill_worker(self) -> None:
        """kill -9; the supervision starts a new one."""
        self._kill_workers()

    def restart(self, *, scale: float) -> None:
        """End web, beat and workers, and start them at another time scale."""
        self.programs.stop([("web", "beat", "worker")])
        self.workers.clear()
        self.env["MUSTER_TIME_SCALE"] = f"{scale:g}"
        self._start_web()
        self._start_workers()

    # -- looks

    def rows(self, sql: str, arguments: Any = None) -> list[tuple[Any, ...]]:
        """Look into the database, as the application's role."""
        with psycopg.connect(self.env["DATABASE_URL"], autocommit=True) as link:
            return link.execute(sql, arguments).fetchall()

    def stats(self) -> dict[str, Any]:
        """What the simulator counts."""
        return dict(watch.ask(f"{self.control}/stats"))

    def journal(self, *, after: int = 0) -> list[dict[str, Any]]:
        """Lines of the simulator's journal, without the first `after`."""
        self.stats()
        time.sleep(1.5)  # it flushes each second
        return [json.loads(line) for line in (self.run / "journal.jsonl").read_text().splitlines()[after:]]

    def pids(self) -> dict[str, int]:
        """The process of each program; workers by the name `worker`."""
        found = {p.name.partition("-")[0]: p.process.pid for p in self.programs.programs if p.process is not None}
        servers = {"postgres": embedded.Postgres(self.place).pid, "valkey": embedded.Valkey(self.place).pid}
        return found | {name: pid for name, pid in servers.items() if pid}

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds so far of each program, all its processes and those before it included."""
        self.programs.look()
        found = {p.name.partition("-")[0]: p.cpu_s for p in self.programs.programs}
        pids = self.pids()
        return found | {name: processes.cpu_s(pids[name]) for name in ("postgres", "valkey")}

    def wait(self, done: Callable[[], bool]) -> float:
        """Wait until `done()`, while all is supervised; returns the seconds. Raises Stalled."""
        start = time.monotonic()
        moved, moved_at = -1, start
        told_at = start
        while not done():
            now = time.monotonic()
            if (at := self.rows(MOVED)[0][0]) != moved:
                moved, moved_at = at, now
            if now - moved_at > _STALL_S:
                raise Stalled(self.words())
            if now - told_at > 10:
                told_at = now
                say(f"{now - start:6.0f} s  {self.words()}")
            self.programs.look()
            time.sleep(_LOOK_S)
        return time.monotonic() - start

    def at_rest(self) -> bool:
        """Whether no operation is under way."""
        return not self.rows(OPERATIONS)

    def states(self) -> dict[str, int]:
        """Hosts by state."""
        return {str(state): int(n) for state, n in self.rows(BY_STATE)}

    def words(self) -> str:
        """How it stands."""
        return f"hosts {self.states()}, operations {dict(self.rows(OPERATIONS))}"


@contextlib.contextmanager
def running(name: str, *, hosts: int) -> Iterator[Rig]:
    """A fresh system for as long as the block lasts; nothing is left of it but the logs in .run/NAME/log."""
    rig = Rig(name, hosts=hosts)
    _remove(rig)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
        rig.place.remove()


def _free_ports(n: int) -> list[int]:
    """Different free ports that neither a demo nor the kernel would take: below the range for outgoing connections."""
    with contextlib.ExitStack() as held:
        found: list[int] = []
        while len(found) < n:
            port, probe = random.randrange(20_000, 30_000), held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                probe.bind(("", port))
                found.append(port)
    return found


def _end(number: int, frame: object) -> None:
    raise SystemExit(1)


def _remove(rig: Rig) -> None:
    embedded.stop(rig.place)
    rig.place.remove()
    shutil.rmtree(Path(rig.run), ignore_errors=True)
