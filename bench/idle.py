"""`make bench-idle`: what a fleet in service costs while nothing happens, without the sweep.

    python -m bench.idle [--hosts 511] [--seconds 120]

The fleet is brought into service with BMCs that answer at once; then web, worker and beat are started anew at time
scale 1, as on a real site, and left alone. Limit: 3 % of one core for web, worker, beat, PostgreSQL and Valkey.
OpenStack Ironic 39 used 11.7 CPU s a minute, its sweep of every 60 s counted.
"""

import argparse
import json
import os
import sys
import time
from typing import Any

from bench.rig import figures
from bench.rig.figures import Limit
from bench.rig.meters import PeakMemory
from bench.rig.system import Rig, running, say

LIMIT_PERCENT = 3.0


def main() -> int:
    """Prints one line of JSON; 1 when the limit does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=int(os.environ.get("HOSTS") or 511))
    parser.add_argument("--seconds", type=float, default=120.0)
    asked = parser.parse_args()
    with running("bench-idle", hosts=asked.hosts) as rig:
        found = verdict(measure(rig, asked.hosts, asked.seconds))
    print(json.dumps(found))
    return 0 if found["holds"] else 1


def measure(rig: Rig, hosts: int, seconds: float) -> dict[str, Any]:
    """Bring all into service, start anew, wait, measure."""
    rig.post("campaigns", {"kind": "bring_up", "select": {"state": "cabled"}})
    rig.wait(rig.at_rest)
    in_service = rig.states().get("in_service", 0)
    rig.restart(scale=1)
    rig.settle()
    say(f"{in_service} of {hosts} hosts are in service; at rest for {seconds:.0f} s")
    cpu_s, start = rig.cpu_s(), time.monotonic()
    time.sleep(seconds)
    wall_s, cpu_s = time.monotonic() - start, figures.spent(cpu_s, rig.cpu_s())
    with PeakMemory(rig) as memory:
        time.sleep(1)
    return {
        "hosts": hosts,
        "in_service": in_service,
        "time_scale": 1,
        "wall_s": round(wall_s, 1),
        "cpu_s": cpu_s,
        "percent_of_a_core": round(100 * figures.product_cpu_s(cpu_s) / wall_s, 3),
        **memory.as_dict(),
    }


def verdict(found: dict[str, Any]) -> dict[str, Any]:
    """The line that the benchmark prints."""
    limits = [Limit("percent of one core at rest", found["percent_of_a_core"], LIMIT_PERCENT)]
    return figures.line(
        "idle", limits=limits, right={"all in service": found["in_service"] == found["hosts"]}, figures=found
    )


if __name__ == "__main__":
    sys.exit(main())
