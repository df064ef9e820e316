"""`make bench-install`: CPU, BMC requests, memory and safety of bringing up a fleet whose BMCs answer at once.

    python -m bench.install [--hosts 511] [--phases ACB]        HOSTS=5110 make bench-install

A   every host is identified, then installed, without inspection: OpenStack Ironic 39 needs 0.80 CPU s a host for the
    way from enrolled to deployed, its key derivation patched out, and 6.4 as shipped.
C   kill -9 of the worker in the middle of running installs; a new one is started.
B   on a fresh database: one request brings every host from cabled into service, inspection and all.
With more than 511 hosts, 511 are measured first, and the cost of a host is compared with theirs; installs and bring-up
are then campaigns of at most 511 hosts at once, since hosts that need no time to boot would all ask the boot service in
the same moment. Limits of time and memory are those of 511 hosts.

CPU: user and system, of all processes, database included, simulator apart. Requests per second are those of `identify`
through the one worker process, from the first claim to the last end by the database's clock. Requests by the worker's
own CPU second stand beside them, and how many cores other programs of the machine used meanwhile (`others_cores`): they
slow the clock.
"""

import argparse
import json
import os
import sys
import time
from typing import Any

from bench.rig import figures, resets
from bench.rig.figures import Limit
from bench.rig.meters import PeakMemory, machine_busy_s
from bench.rig.system import Rig, Stalled, running, say

REFERENCE = 511
KILLED_AMONG = 200  # installs that are asked for; at least this many are active when the worker is killed:
RUNNING = 89
AT_ONCE = 25  # more hosts that hold data ask for a second person
SETTLE_S = 60.0
GROWTH = 11.0 / 10  # ten times the hosts may cost eleven times as much

# From discovered to burned_in without the hardware: what phase A leaves out.
PASS = """
from fleet import lifecycle
from fleet.models import Device
ids = list(Device.objects.filter(kind="host", role="host", state="discovered").values_list("id", flat=True))
for state in ("inspected", "baselined", "burned_in"):
    lifecycle.move("host", ids, to=state, actor=lifecycle.system("bench"), reason="benchmark: passed without hardware")
"""

ACTIVE = "SELECT id, fence FROM provisioning_operation WHERE kind = 'install' AND state = 'active' AND id > %s"
LAST = "SELECT coalesce(max(id), 0) FROM provisioning_operation"
SENT = "SELECT count(*) FROM provisioning_intent WHERE power AND operation_id > %s"
UNENDED = "SELECT count(*) FROM provisioning_operation WHERE id = ANY(%s) AND state IN ('queued', 'active', 'lost')"
CAUSES = """
SELECT kind || ', ' || step_name || ': ' || cause, count(*) FROM provisioning_operation WHERE cause <> '' GROUP BY 1
"""
WORKED = """
SELECT extract(epoch FROM max(ended_at) - min(started_at))::float8 FROM provisioning_operation
WHERE ended_at IS NOT NULL AND id > %s
"""
ENDS = "SELECT state, count(*) FROM provisioning_operation WHERE id > %s GROUP BY 1"
INTENTS = """
SELECT d.name, count(*) FROM provisioning_intent i JOIN fleet_device d ON d.id = i.device_id
WHERE i.power AND i.operation_id > %s GROUP BY 1
"""
RETRIES = """
SELECT d.name, count(*) FROM provisioning_step s JOIN provisioning_operation o ON o.id = s.operation_id
JOIN fleet_device d ON d.id = o.device_id WHERE s.outcome = 'retry' AND o.id > %s GROUP BY 1
"""


def main() -> int:
    """Prints one line of JSON; 1 when a limit does not hold."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--hosts", type=int, default=int(os.environ.get("HOSTS") or REFERENCE))
    parser.add_argument("--phases", default="ACB", help="of A, B and C; C follows A")
    asked = parser.parse_args()
    found: dict[str, Any] = {"hosts": asked.hosts}
    if asked.hosts > REFERENCE:
        found["reference"] = measure(REFERENCE, asked.phases.replace("C", ""))
    found |= measure(asked.hosts, asked.phases)
    print(json.dumps(verdict(found)))
    return 0 if verdict(found)["holds"] else 1


def measure(hosts: int, phases: str) -> dict[str, Any]:
    """The phases asked for, each with its figures under its letter."""
    found: dict[str, Any] = {}
    if "A" in phases:
        with running("bench-install", hosts=hosts) as rig:
            found["A"] = deploy(rig, hosts)
            if "C" in phases:
                found["C"] = kill(rig, min(hosts, KILLED_AMONG))
        say(json.dumps(found))
    if "B" in phases:
        with running("bench-install", hosts=hosts) as rig:
            found["B"] = bring_up(rig, hosts)
    return found


def deploy(rig: Rig, hosts: int) -> dict[str, Any]:
    """Phase A: identify all, pass what is between, install all."""
    with PeakMemory(rig) as memory:
        identify = run(rig, "operations", {"kind": "identify", "select": {"state": "cabled"}})
        identify["discovered"] = rig.states().get("discovered", 0)
        rig.shell(PASS)
        install = run(rig, *_at_once("operations", {"kind": "install", "select": {"state": "burned_in"}}, hosts))
    ended = rig.states()
    requests = identify["bmc_requests"] + install["bmc_requests"]
    return {
        "identify": identify,
        "install": install,
        "installed": ended.get("installed", 0),
        "cpu_s_per_host": round((identify["product_cpu_s"] + install["product_cpu_s"]) / hosts, 4),
        "bmc_requests_per_host": round(requests / hosts, 2),
        "bmc_requests_per_s": round(identify["bmc_requests"] / identify["worked_s"], 1),
        "bmc_requests_per_worker_cpu_s": round(identify["bmc_requests"] / identify["cpu_s"]["worker"], 1),
        "accept_s": max(identify["accept_s"], install["accept_s"]),
        **memory.as_dict(),
    }


def bring_up(rig: Rig, hosts: int) -> dict[str, Any]:
    """Phase B: one request, every host into service."""
    with PeakMemory(rig) as memory:
        found = run(rig, *_at_once("campaigns", {"kind": "bring_up", "select": {"state": "cabled"}}, hosts))
    history = json.loads(rig.manage("history", "verify", "--json").strip().splitlines()[-1])
    return {
        **found,
        "in_service": rig.states().get("in_service", 0),
        "cpu_s_per_host": round(found["product_cpu_s"] / hosts, 4),
        "bmc_requests_per_host": round(found["bmc_requests"] / hosts, 2),
        "violations": rig.stats()["violations"],
        "history_ok": history["ok"],
        **memory.as_dict(),
    }


def _at_once(noun: str, body: dict[str, Any], hosts: int) -> tuple[str, dict[str, Any]]:
    return (noun, body) if hosts <= REFERENCE else ("campaigns", {**body, "at_once": REFERENCE})


def run(rig: Rig, noun: str, body: dict[str, Any]) -> dict[str, Any]:
    """One request, and what it costs until no operation is under way any more."""
    say(f"POST /{noun} {json.dumps(body)}")
    last, stats, cpu_s, start = rig.rows(LAST)[0][0], rig.stats(), rig.cpu_s(), time.monotonic()
    busy_s = machine_busy_s()
    _, accept_s = rig.post(noun, body)
    rig.wait(rig.at_rest)
    wall_s, cpu_s, after = time.monotonic() - start, figures.spent(cpu_s, rig.cpu_s()), rig.stats()
    others_s = machine_busy_s() - busy_s - sum(cpu_s.values())
    say(f"{wall_s:6.0f} s  {rig.words()}")
    return {
        "accept_s": round(accept_s, 3),
        "failures": dict(rig.rows(CAUSES)),
        "wall_s": round(wall_s, 1),
        "worked_s": round(rig.rows(WORKED, [last])[0][0], 2),
        "others_cores": round(max(others_s, 0) / wall_s, 2),
        "cpu_s": cpu_s,
        "product_cpu_s": round(figures.product_cpu_s(cpu_s), 2),
        "bmc_requests": after["bmc_requests"] - stats["bmc_requests"],
        "boot_requests": after["boot_calls"] - stats["boot_calls"],
    }


def kill(rig: Rig, hosts: int) -> dict[str, Any]:
    """Phase C: kill -9 while installs are at work and some have sent their reset; a new worker is started."""
    last = rig.rows(LAST)[0][0]
    lines = len(rig.journal())
    names = [row[0] for row in rig.rows("SELECT name FROM fleet_device WHERE role = 'host' ORDER BY name")][:hosts]
    for n in range(0, len(names), AT_ONCE):
        rig.post("operations", {"kind": "install", "hosts": names[n : n + AT_ONCE]})
    enough = min(RUNNING, hosts * RUNNING // KILLED_AMONG)
    until = time.monotonic() + SETTLE_S
    while len(active := rig.rows(ACTIVE, [last])) < enough or rig.rows(SENT, [last])[0][0] < enough // 2:
        if time.monotonic() > until:
            raise Stalled(f"there were never {enough} installs at work at once: {rig.words()}")
        time.sleep(0.02)
    rig.kill_worker()
    killed_at = time.monotonic()
    say(f"killed the worker amid {len(active)} running installs")
    ops = [op for op, _ in active]
    stuck, ended_s = len(ops), None
    while (now := time.monotonic()) - killed_at < SETTLE_S and stuck:
        rig.programs.look()
        stuck = rig.rows(UNENDED, [ops])[0][0]
        ended_s = round(now - killed_at, 1)
        time.sleep(0.25)
    rig.wait(rig.at_rest)
    found = resets.judge(
        rig.journal(after=lines), intents=_counts(rig, INTENTS, last), retries=_counts(rig, RETRIES, last)
    )
    return {
        "running_when_killed": len(ops),
        "enough": enough,
        "stuck_after_60_s": stuck,
        "ended_after_s": ended_s,
        "ends": dict(rig.rows(ENDS, [last])),
        "resets": found.as_dict(),
        "resets_wrong": found.wrong,
        "violations": rig.stats()["violations"],
    }


def _counts(rig: Rig, sql: str, last: int) -> dict[str, int]:
    return {str(name): int(n) for name, n in rig.rows(sql, [last])}


def verdict(found: dict[str, Any]) -> dict[str, Any]:
    """The line that the benchmark prints."""
    limits: list[Limit] = []
    right: dict[str, bool] = {}
    for letter in "ABC":
        if letter in found:
            limits += _LIMITS[letter](found[letter], found["hosts"])
            right |= _RIGHT[letter](found[letter], found["hosts"])
            if letter in found.get("reference", {}):
                growth = found[letter]["cpu_s_per_host"] / found["reference"][letter]["cpu_s_per_host"]
                limits.append(Limit(f"{letter}: cost a host beside that of {REFERENCE}", growth, GROWTH))
    return figures.line("install", limits=limits, right=right, figures=found)


def _limits_of_a(a: dict[str, Any], hosts: int) -> list[Limit]:
    return [
        Limit("A: CPU s a host, enrol to deployed", a["cpu_s_per_host"], 0.16),
        Limit("A: BMC requests a host", a["bmc_requests_per_host"], 20),
        Limit("A: BMC requests a second", a["bmc_requests_per_s"], 550, more_is_better=True),
        *_of_a_fleet_of_511("A", a, hosts),
    ]


def _limits_of_b(b: dict[str, Any], hosts: int) -> list[Limit]:
    return [
        Limit("B: CPU s a host, full bring-up", b["cpu_s_per_host"], 0.5),
        Limit("B: BMC requests a host", b["bmc_requests_per_host"], 60),
        *_of_a_fleet_of_511("B", b, hosts),
    ]


def _of_a_fleet_of_511(letter: str, found: dict[str, Any], hosts: int) -> list[Limit]:
    if hosts > REFERENCE:
        return []
    return [
        Limit(f"{letter}: seconds to accept all", found["accept_s"], 1.0),
        Limit(f"{letter}: peak PSS MiB of web, worker, beat", found["peak_pss_mib"], 600),
    ]


def _limits_of_c(c: dict[str, Any], hosts: int) -> list[Limit]:
    return [
        Limit("C: stuck after 60 s", c["stuck_after_60_s"], 0),
        Limit("C: resets doubled or without their intent", c["resets_wrong"], 0),
    ]


def _right_in_a(a: dict[str, Any], hosts: int) -> dict[str, bool]:
    return {"A: all installed": a["installed"] == hosts}


def _right_in_b(b: dict[str, Any], hosts: int) -> dict[str, bool]:
    ends = {
        "all in service": b["in_service"] == hosts,
        "no violation": b["violations"] == 0,
        "history": b["history_ok"],
    }
    return {f"B: {name}": holds for name, holds in ends.items()}


def _right_in_c(c: dict[str, Any], hosts: int) -> dict[str, bool]:
    return {
        "C: enough were running": c["running_when_killed"] >= c["enough"],
        "C: all succeeded": set(c["ends"]) == {"succeeded"},
        "C: no violation": c["violations"] == 0,
    }


_LIMITS = {"A": _limits_of_a, "B": _limits_of_b, "C": _limits_of_c}
_RIGHT = {"A": _right_in_a, "B": _right_in_b, "C": _right_in_c}


if __name__ == "__main__":
    sys.exit(main())
