"""`make bench-plan`: what it costs to load the reference plan into an empty database, with validation and history.

CPU is that of the command with its start and of PostgreSQL. Limits: 10 s of wall time for the whole fleet, 0.5 ms of
CPU a cable. NetBox 4.7 took 102 to 165 ms a cable by its own means, 2.9 ms by a raw bulk insert without history.

    python -m bench.plan [--hosts 511]
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from deploy import embedded, processes
from deploy.place import CHECKOUT, Place

WALL_LIMIT_S = 10.0
CPU_LIMIT_MS = 0.5  # a cable


def say(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


def main() -> int:
    """Prints one line of JSON; 1 when a limit does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=511)
    asked = parser.parse_args()
    place = Place("bench-plan")
    place.remove()
    try:
        with tempfile.TemporaryDirectory() as folder, embedded.running(place) as servers:
            found = verdict(measure(Path(folder), asked.hosts, servers, embedded.Postgres(place)))
    finally:
        place.remove()
    print(json.dumps(found))
    return 0 if found["holds"] else 1


def measure(folder: Path, hosts: int, servers: dict[str, str], postgres: embedded.Postgres) -> dict[str, Any]:
    """Generate, check, migrate, load twice, export."""
    env = {**os.environ, **servers, "DJANGO_SETTINGS_MODULE": "deploy.settings", "MUSTER_DEMO": "1"}
    plan, again = folder / "plan", folder / "again"

    def manage(*words: object) -> dict[str, Any]:
        say("manage.py " + " ".join(map(str, words)))
        argv = [sys.executable, "manage.py", *map(str, words)]
        done = subprocess.run(argv, check=True, env=env, cwd=CHECKOUT, stdout=subprocess.PIPE)
        answer = done.stdout.decode().strip().splitlines()
        return dict(json.loads(answer[-1])) if answer else {}

    embedded.grant_rights(servers["MUSTER_OWNER_DATABASE_URL"])
    manage("migrate", "-v", "0")
    generated = manage("plan", "generate", "--hosts", hosts, "-o", plan)
    checked = manage("plan", "check", plan, "--json")
    cpu_s, start = _cpu_s(postgres), time.perf_counter()
    manage("plan", "load", plan, "--as", "cabled")
    wall_s, cpu_s = time.perf_counter() - start, _cpu_s(postgres) - cpu_s
    second = manage("plan", "load", plan, "--as", "cabled")
    exported = manage("plan", "export", again)
    cables = sum(generated["cables"].values())
    return {
        "hosts": hosts,
        "cables": cables,
        "load_wall_s": round(wall_s, 2),
        "load_wall_limit_s": WALL_LIMIT_S,
        "load_cpu_s": round(cpu_s, 2),
        "cpu_ms_per_cable": round(1000 * cpu_s / cables, 3),
        "cpu_ms_per_cable_limit": CPU_LIMIT_MS,
        "second_load_wall_s": second["wall_s"],
        "second_load_writes": second["version"] is not None,
        "generate_wall_s": generated["wall_s"],
        "check_wall_s": checked["wall_s"],
        "check_ok": checked["ok"],
        "export_wall_s": exported["wall_s"],
        "export_equals_folder": all((again / n).read_bytes() == (plan / n).read_bytes() for n in generated["files"]),
    }


def verdict(figures: dict[str, Any]) -> dict[str, Any]:
    """The line that the benchmark prints: the figure nearest to its limit, divided by it."""
    ratio = max(figures["load_wall_s"] / WALL_LIMIT_S, figures["cpu_ms_per_cable"] / CPU_LIMIT_MS)
    right = figures["check_ok"] and figures["export_equals_folder"] and not figures["second_load_writes"]
    return {
        "bench": "plan",
        "ratio": round(ratio, 3),
        "peer": "limits of the plan",
        "limit": 1.0,
        "better": "lower",
        "holds": ratio <= 1 and right,
        "unit": "figure / its limit",
        "figures": figures,
    }


def _cpu_s(postgres: embedded.Postgres) -> float:
    """CPU of the commands that have ended and of PostgreSQL with all its processes."""
    mine = resource.getrusage(resource.RUSAGE_CHILDREN)
    return mine.ru_utime + mine.ru_stime + (processes.cpu_s(postgres.pid) if postgres.pid else 0.0)


if __name__ == "__main__":
    sys.exit(main())
