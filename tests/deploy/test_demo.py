"""`make demo ONCE=1` from outside: the whole system, small and fast, through its command line."""

import json
import os
import subprocess
import sys

import pytest

from deploy.place import CHECKOUT

pytestmark = pytest.mark.workers


def demo(*words: str) -> tuple[int, dict[str, object], str]:
    """Exit code, summary, what was said."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("MUSTER_", "DATABASE_", "REDIS_"))}
    argv = [sys.executable, "-m", "deploy.demo", "once=1", *words]
    done = subprocess.run(argv, cwd=CHECKOUT, env=env, capture_output=True, text=True, timeout=600, check=False)
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
