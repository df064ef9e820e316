"""The agent on installed hosts: facts and tests, over plain HTTP at the host's own address."""

import json
from typing import Any

from provisioning.simulator import burn_in, disk_boot
from provisioning.simulator.host import Host, TestRun
from provisioning.simulator.http1 import Request, Response

_JSON = ("Content-Type: application/json",)


def handle(host: Host, request: Request) -> Response:
    """Answer one request to the agent of this host."""
    system = host.system
    if not host.agent_is_up or system is None:
        return Response(503, cut=True)
    if request.headers.get("authorization") != f"Bearer {system.agent_token}":
        return _problem(401, "token", "unknown token")
    if request.path == "/agent/v1/facts" and request.method == "GET":
        return _answer(200, _facts(host))
    if request.path == "/agent/v1/tests" and request.method == "POST":
        return _start_tests(host, request)
    if request.path.startswith("/agent/v1/tests/") and request.method == "GET":
        run = host.test_runs.get(request.path.rpartition("/")[2])
        return _answer(200, _progress(host, run)) if run else _problem(404, "unknown", "no such tests")
    return _problem(404, "unknown", f"nothing at {request.path}")


def _facts(host: Host) -> dict[str, Any]:
    assert host.system is not None
    return {
        "boot_id": host.boot_id,
        "serial": host.tag,
        "uuid": host.uuid,
        "hostname": host.system.hostname,
        "image": host.system.image,
        "time": host.utc(),
        "versions": disk_boot.versions(),
    }


def _start_tests(host: Host, request: Request) -> Response:
    try:
        asked = json.loads(request.body)
        name, tests = str(asked["id"]), [dict(test) for test in asked["tests"]]
        minutes = [float(test.get("minutes") or 0) for test in tests]
    except (ValueError, TypeError, KeyError) as error:
        return _problem(400, "body", f"want {{id, tests: [{{name, minutes}}]}}: {error!r}")
    if name not in host.test_runs:
        host.test_runs[name] = TestRun(tests, host.world.clock.now_s())
        host.world.journal.write("tests_started", host.name, id=name, minutes=sum(minutes))
    return _answer(202, _progress(host, host.test_runs[name]))


def _progress(host: Host, run: TestRun) -> dict[str, Any]:
    """Finish the tests whose time is over; a poll is the only thing that looks."""
    passed_s = host.world.clock.now_s() - run.started_s
    end_s = 0.0
    for index, test in enumerate(run.tests):
        end_s += 60.0 * float(test.get("minutes") or 0) if host.world.clock.delays else 0.0
        if passed_s < end_s:
            break
        if len(run.results) == index:
            run.results.append(burn_in.result(host, str(test.get("name"))))
    done, total = len(run.results), len(run.tests)
    return {"state": "done" if done == total else "running", "done": done, "total": total, "results": run.results}


def _answer(status: int, content: dict[str, Any]) -> Response:
    return Response(status, json.dumps(content).encode(), _JSON)


def _problem(status: int, code: str, detail: str) -> Response:
    return _answer(status, {"type": "about:blank", "title": detail, "status": status, "code": code, "detail": detail})
