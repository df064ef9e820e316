"""A whole small installation for a real_db test: simulated hosts, the web with the boot service, and workers.

lab = start(real_db, hosts=8, faults={"host-003": "clock_wrong"})
lab.worker()
"""

import json
import random
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from subprocess import Popen
from typing import Any

from fleet import lifecycle, profiles
from fleet.models import Device, Profile
from fleet.plan import files
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from fleet.plan.load import load
from provisioning.engine import hint
from tests.support import web
from tests.support.database import RealDatabase
from tests.support.waiting import eventually

# The reference profile, with tests that are over soon.
SHORT = {
    "burn_in": {"tests": [{"name": "gpu_stress", "minutes": 2}]},
    "validate": {"tests": [{"name": "nvlink", "minutes": 1}]},
}
START_S = 120


@dataclass
class Lab:
    """control: address of the simulator's control API."""

    database: RealDatabase
    control: str

    def worker(self, kill_at: str = "") -> "Popen[bytes]":
        """Start a turn worker; with a kill point it ends itself there as by kill -9."""
        return self.database.worker(env={"MUSTER_KILL_AT": kill_at} if kill_at else None)

    def nudge(self) -> None:
        """Say "look", as the beat does every two seconds."""
        hint._send()

    def stats(self) -> dict[str, Any]:
        """The simulator's numbers: resets, violations, sessions_open."""
        return ask(f"{self.control}/stats")

    def inject(self, host: str, fault: str) -> None:
        """Break a host now."""
        ask(f"{self.control}/inject", {"host": host, "fault": fault})

    def journal(self, event: str) -> list[dict[str, Any]]:
        """What really happened, by the simulator: lines of this event."""
        with urllib.request.urlopen(f"{self.control}/journal", timeout=30) as answer:
            lines = [json.loads(line) for line in answer.read().splitlines()]
        return [line for line in lines if line["event"] == event]


def ask(url: str, body: Any = None) -> Any:
    """GET, or POST with a body; JSON out."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def start(
    database: RealDatabase,
    *,
    hosts: int,
    faults: Mapping[str, str] | None = None,
    scale: float = 600,
    state: str = "cabled",
) -> Lab:
    """Everything but workers. The hosts stand in `state`, as imported; time runs `scale` times as fast."""
    database.env["MUSTER_TIME_SCALE"] = str(scale)
    site = web.serve(database)
    setup = database.manage("demo_setup")
    assert setup.wait(START_S) == 0, database.output()
    reference = Profile.objects.filter(name="XE9680").latest("version")
    profiles.store("XE9680", {**reference.spec, **SHORT})
    plan = generate(Wanted(hosts=hosts))
    load(plan=plan, actor=lifecycle.system("test"), start=state)
    assert Device.objects.filter(kind="host", state=state).count() == hosts
    files.write(plan, database.logs / "plan")
    (database.logs / "faults.json").write_text(json.dumps(dict(faults or {})))
    return _simulated(database, scale, f"{site.url}/boot")


def _simulated(database: RealDatabase, scale: float, boot_url: str) -> Lab:
    """The hosts, on the first ports that nobody has."""
    for bmc, agent, control in _ports():
        words = {"--plan": database.logs / "plan", "--faults": database.logs / "faults.json", "--time-scale": scale}
        words |= {"--bmc-port": bmc, "--agent-port": agent, "--control": f"127.0.0.1:{control}"}
        words |= {"--journal": database.logs / "journal.jsonl", "--boot-url": boot_url}
        arguments = [str(word) for pair in words.items() for word in pair]
        simulator = database.spawn([sys.executable, "-m", "provisioning.simulator", *arguments])
        lab = Lab(database, f"http://127.0.0.1:{control}")
        if _stays(simulator, lab):
            database.env |= {"MUSTER_BMC_PORT": str(bmc), "MUSTER_AGENT_PORT": str(agent)}
            return lab
    raise AssertionError(database.output())


def _ports() -> Iterator[tuple[int, ...]]:
    """Three ports at a time below those that the kernel hands out to whoever connects.

    By a generator of its own: pytest-randomly seeds the usual one alike in every process, and the simulator would share
    a port with another one.
    """
    draw = random.SystemRandom()
    for _ in range(5):
        yield tuple(draw.sample(range(20_000, 32_000), 3))


def _stays(simulator: "Popen[bytes]", lab: Lab) -> bool:
    def answers() -> bool:
        try:
            return bool(lab.stats())
        except OSError:
            return False

    eventually(lambda: answers() or simulator.poll() is not None, within_s=START_S)
    return simulator.poll() is None
