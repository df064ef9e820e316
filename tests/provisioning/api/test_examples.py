"""The clients of docs/examples, as a user would run them, against a live server."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.place import CHECKOUT
from fleet.models import Device, IdempotencyKey
from provisioning.models import Operation
from tests.support import make, people
from tests.support.waiting import eventually

EXAMPLES = CHECKOUT / "docs" / "examples"
PYTHON = [sys.executable, "-I", str(EXAMPLES / "muster.py")]
SHELL = [str(EXAMPLES / "muster.sh")]


@pytest.fixture
def run(site):
    """Runs an example with a token in its environment; gives exit code, stdout and stderr."""
    env = {"PATH": os.environ["PATH"], "MUSTER_URL": site.url, "MUSTER_TOKEN": people.program("operator").token}

    def example(argv, *arguments, **more):
        done = subprocess.run(
            [*argv, *arguments], env={**env, **more}, capture_output=True, text=True, timeout=120, check=False
        )
        return done.returncode, done.stdout, done.stderr

    return example


class TestPython:
    def test_hosts(self, run):
        make.hosts(3, "cabled")
        bad = make.host("quarantined", cause="gpu_missing")
        assert len(run(PYTHON, "hosts")[1].splitlines()) == 4
        code, out, _ = run(PYTHON, "hosts", "--state", "quarantined")
        assert (code, out.split()) == (0, [bad.name, "quarantined", "gpu_missing"])

    def test_ask_and_wait_and_be_refused(self, run):
        one, two = make.hosts(2, "cabled")
        code, out, err = run(PYTHON, "ask", "identify", one.name, two.name, "--reason", "look at them")
        assert (code, err) == (0, "") and out.count("queued") == 2
        assert Operation.objects.count() == 2 and IdempotencyKey.objects.count() == 1
        code, _, err = run(PYTHON, "ask", "identify", one.name, two.name, "--reason", "once more")
        assert code == 2 and one.name in err and two.name in err
        failed = run(PYTHON, "ask", "dance", one.name, "--reason", "no such thing")
        assert failed[0] == 2 and "burn_in" in failed[2]

    def test_move(self, run):
        host = make.host("in_service")
        assert run(PYTHON, "move", host.name, "draining", "--reason", "planned work")[0] == 0
        assert Device.objects.get(pk=host.pk).state == "draining"

    def test_events_are_read_on_from_the_cursor_of_the_last_one(self, run):
        host = make.host("racked")

        def events(after):
            code, out, err = run(PYTHON, "events", "--once", "--kinds", "host_state", "--after", after)
            assert code == 0, err
            return [json.loads(line) for line in out.splitlines()]

        first = eventually(lambda: events(""), within_s=60)
        assert {e["device"] for e in first} == {host.name}
        make.bring("host", [host.pk], "cabled", start="racked")
        seen = eventually(lambda: events(first[-1]["cursor"]), within_s=60)
        assert [e["data"]["to_state"] for e in seen] == ["cabled"]

    def test_without_a_token_it_says_so(self, run):
        assert run(PYTHON, "hosts", MUSTER_TOKEN="wrong")[2].startswith("no such token")


class TestShell:
    def test_get_post_and_follow(self, run):
        host = make.host("cabled")
        assert json.loads(run(SHELL, "get", "/hosts?state=cabled")[1])["items"][0]["name"] == host.name
        body = {"kind": "identify", "host": host.name, "reason": "look at it"}
        made = json.loads(run(SHELL, "post", "/operations", json.dumps(body))[1])
        assert made["state"] == "queued"
        code, out, _ = run(SHELL, "post", "/operations", json.dumps(body))
        assert code == 22 and json.loads(out)["status"] == 409
        assert json.loads(run(SHELL, "follow", ONCE="1")[1])["items"] == []


def test_the_client_needs_nothing_but_python_and_its_types_hold():
    file = str(EXAMPLES / "muster.py")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", file], cwd=CHECKOUT, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout.decode()
    assert Path(file).stat().st_mode & 0o111
