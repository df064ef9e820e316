"""Many programs that write on the same few hosts at once: no update is lost, and every refusal says why."""

import json
import random
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.db import connection
from django.db.models import Count

from fleet import findings, lifecycle
from fleet.findings import Found
from fleet.models import Device, Finding, Hold, Transition
from provisioning.models import Operation
from tests.support import make, people, web

HOSTS = 4
EACH = 6
_keys = count(1)

Send = tuple[str, dict[str, Any] | None]


@dataclass
class Scene:
    """What the writers fight about. hosts: by id. findings: open ones."""

    hosts: list[int]
    findings: list[int]


def scene() -> Scene:
    """A few hosts that may be moved, held, operated on, each with open findings."""
    hosts = [h.pk for h in make.hosts(HOSTS, "cabled")]
    findings.open([Found("health", f"fan{n}", "warning", "a fan", h) for h in hosts for n in range(3)])
    return Scene(hosts, list(Finding.objects.values_list("pk", flat=True)))


def _wishes(seen: Scene, chance: random.Random) -> list[Callable[[], Send]]:
    """What one writer may want next; ids of what others have made are read as they are now."""
    host = chance.choice(seen.hosts)
    why = {"reason": f"because {chance.random()}"}
    return [
        lambda: ("/operations", {"kind": chance.choice(["identify", "power"]), **_params(chance), "host": host, **why}),
        lambda: ("/operations", {"kind": "identify", "hosts": chance.sample(seen.hosts, 2), **why}),
        lambda: ("/transitions", {"host": host, "to": chance.choice(["quarantined", "cabled"]), **why}),
        lambda: ("/transitions", {"host": host, "to": "quarantined", "force": True, **why}),
        lambda: (f"/hosts/{host}/holds", {"kind": "debug", **why}),
        lambda: (f"/holds/{chance.randint(1, 60)}/lift", None),
        lambda: (f"/operations/{chance.randint(1, 60)}/cancel", why),
        lambda: (f"/operations/{chance.randint(1, 60)}/retry", why),
        lambda: (f"/findings/{chance.choice(seen.findings)}/close", why),
        lambda: ("/findings/acknowledge", {"findings": chance.sample(seen.findings, 3), **why}),
        lambda: ("/campaigns", {"kind": "bring_up", "select": {"state": "cabled"}, **why}),
    ]


def _params(chance: random.Random) -> dict[str, Any]:
    return {"params": {}} if chance.random() < 0.5 else {"params": {"action": "restart"}}


@dataclass
class Answer:
    """What a writer sent and got."""

    path: str
    status: int
    body: dict[str, Any]


def _write(site: web.Site, seen: Scene, token: str, seed: int) -> list[Answer]:
    chance, answers = random.Random(seed), []
    for _ in range(EACH):
        path, body = chance.choice(_wishes(seen, chance))()
        answers.append(_post(site.url, path, body, token))
    return answers


def _post(url: str, path: str, body: dict[str, Any] | None, token: str) -> Answer:
    headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": f"writer-{next(_keys):06}"}
    headers["Content-Type"] = "application/json"
    data = b"" if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"{url}/api/v1{path}", data, headers, method="POST")
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return Answer(path, answer.status, json.load(answer))
    except urllib.error.HTTPError as error:
        return Answer(path, error.code, json.load(error))


def run(site: web.Site, writers: int, within: int = 0) -> Counter[int]:
    """Let so many write at once. Raises AssertionError when anything was lost, doubled or refused without words."""
    seen = scene()
    tokens = [people.program("admin").token for _ in range(writers)]
    with ThreadPoolExecutor(within or writers) as pool:
        parts = pool.map(lambda n: _write(site, seen, tokens[n], n), range(writers))
        answers = [answer for part in parts for answer in part]
    for answer in answers:
        _is_in_words(answer)
    _nothing_is_lost(answers)
    return Counter(answer.status for answer in answers)


def _is_in_words(answer: Answer) -> None:
    """Done, or refused with what was wrong: 503 is a row that somebody else had for longer than three seconds."""
    assert answer.status in (200, 201, 202, 404, 409, 422, 503), answer
    if answer.status >= 400:
        assert answer.body["title"] and answer.body["code"], answer
    if answer.status == 409:
        assert answer.body["code"] != "conflict" and len(answer.body["title"]) > 15, answer


def _nothing_is_lost(answers: list[Answer]) -> None:
    """What was answered is what stands, and what stands fits together."""
    done = [a for a in answers if a.status < 300]
    assert Hold.objects.count() == sum(a.path.endswith("/holds") for a in done)
    assert Hold.objects.exclude(ended_at=None).count() == sum(a.path.endswith("/lift") for a in done)
    standing = dict(Hold.objects.filter(ended_at=None).values_list("device").annotate(n=Count("id")))
    for pk, held in Device.objects.values_list("pk", "held"):
        assert held == standing.get(pk, 0), pk
    assert Finding.objects.exclude(closed_at=None).count() == sum("/close" in a.path for a in done)
    seen = sum(len(a.body["findings"]) for a in done if a.path == "/findings/acknowledge")
    assert Finding.objects.exclude(acknowledged_at=None).count() == seen
    moved = [a.body["id"] for a in done if a.path == "/transitions" and "id" in a.body]
    assert Transition.objects.filter(pk__in=moved, subject_kind="host").count() == len(moved)
    alive = Operation.objects.filter(mutating=True, after=None).exclude(state__in=("succeeded", "failed", "cancelled"))
    assert not alive.values("device").annotate(n=Count("id")).filter(n__gt=1).exists()
    _chains_are_whole()
    assert lifecycle.verify()["ok"]


def _chains_are_whole() -> None:
    """Each subject's numbers run from 1 to its last without a gap."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT subject_kind, subject_id FROM fleet_transition GROUP BY 1, 2 "
            "HAVING count(*) <> max(seq) OR count(DISTINCT seq) <> count(*)"
        )
        assert cursor.fetchall() == []
