"""`make demo ONCE=1` from outside: the whole system, small and fast, through its command line."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy import embedded, options, processes
from deploy.launcher import Demo
from deploy.place import CHECKOUT, Place
from tests.support.waiting import eventually

pytestmark = pytest.mark.workers


ENV = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "DATABASE_", "REDIS_"))}


def demo(*words: str) -> tuple[int, dict[str, object], str]:
    """Exit code, summary, what was said."""
    argv = [sys.executable, "-m", "deploy.demo", "once=1", *words]
    done = subprocess.run(argv, cwd=CHECKOUT, env=ENV, capture_output=True, text=True, timeout=600, check=False)
    last = done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "{}"
    return done.returncode, json.loads(last), done.stderr


def test_a_small_fleet_ends_as_its_faults_say_whatever_is_killed(tmp_path) -> None:
    """One healthy host, one with a dead PSU; the workers are killed by -9 and Redis is flushed on the way."""
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps({"host-002": "psu_dead"}))
    code, found, said = demo("hosts=2", "speed=1000", f"faults={faults}", "chaos=1")
    assert code == 0, said
    assert (found["in_service"], found["by_cause"]) == (1, {"part_missing": 1})
    assert found["wrong"] == [] and found["violations"] == 0 and found["history_ok"] is True
    assert "chaos: workers killed" in said


def test_a_fault_that_does_not_exist_ends_with_2_and_its_name(tmp_path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text(json.dumps({"host-001": "haunted"}))
    code, found, said = demo("hosts=1", "speed=1000", f"faults={faults}")
    assert (code, found) == (2, {})
    assert "unknown fault 'haunted'" in said
    assert "starting PostgreSQL" not in said, "it is said before anything is started"


@contextlib.contextmanager
def empty_demo(run: Path) -> Iterator[Demo]:
    """A demo without hosts, in this process."""
    place = Place(f"launcher-test-{os.getpid()}")
    made = Demo(options.parse(["hosts=0"]), run, place)
    try:
        made.start()
        yield made
    finally:
        made.stop()
        place.remove()


def test_servers_that_are_killed_are_started_again(tmp_path, monkeypatch) -> None:
    for name in os.environ.keys() - ENV.keys():
        monkeypatch.delenv(name)
    with empty_demo(tmp_path) as running:
        looks = running.looks()
        next(looks)
        for server in (embedded.Postgres(running.place), embedded.Valkey(running.place)):
            killed = server.pid
            os.kill(killed, signal.SIGKILL)
            eventually(lambda: next(looks) and server.pid not in (None, killed), within_s=120)  # noqa: B023 (called now)


def test_a_demo_whose_words_nobody_reads_any_more_ends_and_leaves_nothing() -> None:
    argv = [sys.executable, "-m", "deploy.demo", "once=1", "hosts=1", "speed=1"]
    with subprocess.Popen(argv, cwd=CHECKOUT, env=ENV, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as child:
        assert any(b"migrating" in line for line in child.stderr)
        started = [pid for pid in processes.children(child.pid) if pid != child.pid]
        child.stderr.close()
        assert child.wait(180) == 1
    assert len(started) >= 2, "the servers"
    assert not [pid for pid in started if processes.alive(pid)]
