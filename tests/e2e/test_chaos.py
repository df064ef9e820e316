"""The whole fleet brought up while workers are killed and Redis is flushed, held against the same seed in peace.

MUSTER_TEST_SEEDS (default 1,2,3) and MUSTER_TEST_HOSTS (511) say what is run; two bring-ups a seed.
"""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest

from deploy import embedded
from deploy.place import CHECKOUT, Place

SEEDS = os.environ.get("MUSTER_TEST_SEEDS", "1,2,3").split(",")
HOSTS = os.environ.get("MUSTER_TEST_HOSTS", "511")
WITHIN_S = 1500

RETRIES = """
SELECT d.name, count(*) FROM provisioning_step s JOIN provisioning_operation o ON o.id = s.operation_id
JOIN fleet_device d ON d.id = o.device_id WHERE s.outcome = 'retry' GROUP BY 1
"""
DOUBLE = (
    "SELECT count(*) FROM (SELECT 1 FROM fleet_transition GROUP BY subject_kind, subject_id, seq HAVING count(*) > 1) x"
)


@dataclass
class Run:
    """What one `make demo ONCE=1` left: its summary, resets by host, retries by host."""

    summary: dict[str, Any]
    resets: Counter[str]
    retries: dict[str, int]


def bring_up(seed: str, *, chaos: bool) -> Run:
    """Run the demo to its end and read the simulator's journal and the database that it left."""
    words = ["once=1", f"hosts={HOSTS}", f"seed={seed}", *(["chaos=1"] if chaos else [])]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MUSTER_")}
    for name in ("DATABASE_URL", "REDIS_URL"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo", *words],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, f"{done.stderr[-3000:]}\n{done.stdout[-3000:]}"
    found = re.search(r"\(logs: (.+)/log\)", done.stderr)
    assert found
    folder = Path(found[1])
    return Run(json.loads(done.stdout.splitlines()[-1]), _resets(folder / "journal.jsonl"), _retries(folder.name))


def _resets(journal: Path) -> Counter[str]:
    entries = (json.loads(line) for line in journal.read_text().splitlines() if "ComputerSystem.Reset" in line)
    return Counter(e["host"] for e in entries if e["event"] == "request" and e["status"] < 300)


def _retries(name: str) -> dict[str, int]:
    place = Place(name)
    url = embedded.start(place)["DATABASE_URL"]
    try:
        with psycopg.connect(url) as connection:
            assert connection.execute(DOUBLE).fetchone() == (0,)
            return dict(connection.execute(RETRIES).fetchall())
    finally:
        embedded.stop(place)


@pytest.mark.timeout(3 * WITHIN_S)
@pytest.mark.parametrize("seed", SEEDS)
def test_chaos_changes_no_end_and_costs_no_unrecorded_reset(seed: str) -> None:
    """Lessons M2, M12: the same ends; each reset permitted; none beyond those of a calm run plus recorded retries."""
    calm, wild = bring_up(seed, chaos=False), bring_up(seed, chaos=True)
    for run in (calm, wild):
        assert run.summary["wrong"] == []
        assert run.summary["violations"] == run.summary["sessions_leaked"] == run.summary["resets_unpermitted"] == 0
        assert run.summary["history_ok"] is True
    assert wild.summary["by_cause"] == calm.summary["by_cause"]
    allowed = {host: calm.resets[host] + wild.retries.get(host, 0) for host in wild.resets}
    assert {h: n for h, n in wild.resets.items() if n > allowed[h]} == {}
