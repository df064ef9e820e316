"""Programs that repeat every POST with its key, blindly, while web, workers and Redis are killed and start again."""

import json
import threading
import time
import urllib.error
import urllib.request
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from signal import SIGKILL
from subprocess import Popen

from deploy import processes
from fleet.models import Finding, Hold, IdempotencyKey, Review, Token, Transition
from provisioning.models import Campaign, Operation
from tests.support import people, servers, web
from tests.support.asks import ASKS
from tests.support.database import RealDatabase
from tests.support.waiting import eventually

THREADS = 8
RESTARTS = 4
PATIENCE_S = 120


@dataclass
class Caller:
    """One POST, sent again and again with one key and one token. answers: every final one that it got."""

    path: str
    body: bytes
    token: str
    key: str
    answers: Counter[tuple[int, str]] = field(default_factory=Counter)

    def send(self, url: str) -> None:
        """Until there is a final answer: no connection, 503 and "still running" are none."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            status, text = self._once(url)
            if status not in (0, 503) and '"code": "running"' not in text:
                self.answers[(status, text)] += 1
                return
            time.sleep(0.1)
        raise AssertionError(f"no answer to {self.path} for {PATIENCE_S} s; last: {status} {text}")

    def _once(self, url: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {self.token}", "Idempotency-Key": self.key}
        headers["Content-Type"] = "application/json"
        request = urllib.request.Request(f"{url}/api/v1{self.path}", self.body, headers, method="POST")
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except (OSError, HTTPException) as error:
            return 0, str(error)


def callers() -> dict[str, Caller]:
    """One for each POST of the API, each on something of its own."""
    owner = people.person("admin")
    made = {}
    for route, ask in ASKS.items():
        path, body = ask()
        sent = b"" if body is None else json.dumps(body).encode()
        made[route] = Caller(path, sent, people.program("admin", owner=owner).token, f"key-{len(made):06}")
    return made


def effects() -> dict[str, int]:
    """What programs have done, counted; not what the engine makes of it."""
    by_program = {"actor__kind": "token"}
    return {
        "keys": IdempotencyKey.objects.count(),
        "operations": Operation.objects.count(),
        "campaigns": Campaign.objects.count(),
        "holds": Hold.objects.count(),
        "lifted": Hold.objects.exclude(ended_at=None).count(),
        "tokens": Token.objects.count(),
        "acknowledged": Finding.objects.exclude(acknowledged_at=None).count(),
        "closed": Finding.objects.filter(closed_by__kind="token").count(),
        "reviews": Review.objects.count(),
        "transitions": Transition.objects.filter(**by_program).count(),
    }


def run(database: RealDatabase, repeats: int) -> None:
    """Send each POST so often. Raises AssertionError unless each had one effect and one answer."""
    site = web.serve(database)
    crowd = callers()
    before = effects()
    with ThreadPoolExecutor(THREADS) as pool:
        first = [pool.submit(caller.send, site.url) for caller in crowd.values()]
        _restart_web(database, site)  # in the middle of the first ones
        for future in first:
            future.result()
        after = effects()
        sent = threading.Semaphore(0)

        def repeat(caller: Caller) -> None:
            caller.send(site.url)
            sent.release()

        jobs = [pool.submit(repeat, c) for _ in range(repeats - 1) for c in crowd.values()]
        _trouble(database, site, sent, len(jobs))
        for future in jobs:
            future.result()
    for route, caller in crowd.items():
        assert len(caller.answers) == 1, (route, caller.answers)
        assert next(iter(caller.answers))[0] < 300, (route, caller.answers)
        assert caller.answers.total() == repeats
    assert after["keys"] - before["keys"] == len(crowd)
    assert after["tokens"] - before["tokens"] == after["holds"] - before["holds"] == 1
    assert after["acknowledged"] - before["acknowledged"] == 3
    assert effects() == after


def _trouble(database: RealDatabase, site: web.Site, sent: threading.Semaphore, total: int) -> None:
    """Restart everything a few times while the repeats go on: at even parts of them."""
    worker = database.worker()
    for _ in range(RESTARTS):
        for _ in range(total // (RESTARTS + 1)):
            assert sent.acquire(timeout=PATIENCE_S), database.output()[-3000:]
        _kill(worker)
        servers.VALKEY.stop()
        _restart_web(database, site)
        servers.VALKEY.start()
        worker = database.worker()


def _restart_web(database: RealDatabase, site: web.Site) -> None:
    for child in database.processes:
        if "gunicorn" in child.args:
            _kill(child)
    port = int(site.url.rpartition(":")[2])
    eventually(lambda: web.serve(database, port), within_s=PATIENCE_S)


def _kill(child: Popen[bytes]) -> None:
    if child.poll() is None:
        family = processes.children(child.pid)
        for pid in family:
            processes.end(pid, by=[(SIGKILL, 20)])
        child.wait(20)
