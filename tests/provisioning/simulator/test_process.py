"""The simulator as a process: command line, control API, state over restarts, a clean end."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import eventually

pytestmark = pytest.mark.workers


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    rows = [f"host-{number},host,TAG000{number},127.64.0.{number},02:00:00:00:00:0{number}" for number in (1, 2, 3)]
    (tmp_path / "devices.csv").write_text("\n".join(["name,role,serial,bmc_address,bmc_mac", *rows, ""]))
    return tmp_path


def command(plan: Path, *more: str) -> list[str]:
    ports = ["--bmc-port", str(free_port()), "--agent-port", str(free_port())]
    return [sys.executable, "-m", "provisioning.simulator", "--plan", str(plan), *ports, *more]


class Simulator:
    """A running process and its control API."""

    def __init__(self, process: "subprocess.Popen[str]", control: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{control}"

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=10) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any = None) -> Any:
        data = json.dumps(body or {}).encode()
        request = urllib.request.Request(self.url + path, data, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def answers(self) -> bool:
        try:
            return bool(self.get("/stats"))
        except OSError:
            return False


@contextmanager
def running(plan: Path, *more: str) -> Iterator[Simulator]:
    control = free_port()
    with subprocess.Popen(
        command(plan, "--control", f"127.0.0.1:{control}", *more), stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            simulator = Simulator(process, control)
            eventually(simulator.answers)
            yield simulator
        finally:
            process.kill()


def test_bad_input_is_one_line_and_exit_2(plan: Path, tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('{"host-1": "on_fire"}')
    cases = (
        (["--faults", str(faults)], "unknown fault 'on_fire' of host 'host-1'"),
        (["--plan", str(tmp_path / "nowhere")], "cannot be read"),
    )
    for more, words in cases:
        done = subprocess.run(command(plan, *more), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2 and words in done.stderr and done.stderr.count("\n") == 1


def test_control_tells_the_truth_and_mends_as_hands_would(plan: Path, tmp_path: Path) -> None:
    faults = tmp_path / "faults.json"
    faults.write_text('{"host-2": "gpu_missing"}')
    with running(plan, "--faults", str(faults)) as simulator:
        stats = simulator.get("/stats")
        assert (stats["hosts"], stats["bmc_requests"], stats["violations"], stats["sessions_open"]) == (3, 0, 0, {})
        truth = simulator.get("/truth")
        assert truth["host-1"]["fault"] is None and truth["host-1"]["expected"]["state"] == "in_service"
        assert truth["host-2"]["expected"] == {"state": "quarantined", "cause": "part_missing"}
        assert truth["host-2"]["detail"]["kind"] == "gpu"
        host = simulator.get("/host/host-2")
        assert (host["power"], host["phase"], host["os"], host["tag"]) == ("Off", "off", None, "TAG0002")
        for wrong in ({"host": "host-2", "fault": "psu_dead"}, {"host": "nobody"}):
            with pytest.raises(urllib.error.HTTPError):
                simulator.post("/fix", wrong)
        assert simulator.post("/fix", {"host": "host-2", "fault": None}) == {"host": "host-2", "fixed": "gpu_missing"}
        assert simulator.get("/truth")["host-2"]["fault"] is None
        assert simulator.post("/inject", {"host": "host-3", "fault": "post_hang"})["fault"] == "post_hang"
        with urllib.request.urlopen(f"{simulator.url}/journal?host=host-2", timeout=10) as answer:
            events = [json.loads(line)["event"] for line in answer.read().splitlines()]
        assert events == ["fault_set", "fault_mended"]
        assert simulator.post("/reset-stats") == {"reset": True}
        assert simulator.post("/shutdown") == {"stopping": True}
        assert simulator.process.wait(timeout=30) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_soon_with_a_whole_journal(plan: Path, tmp_path: Path, number: signal.Signals) -> None:
    journal = tmp_path / "journal.jsonl"
    with running(plan, "--journal", str(journal)) as simulator:
        begun = time.monotonic()
        os.kill(simulator.process.pid, number)
        assert simulator.process.wait(timeout=30) == 0
        assert time.monotonic() - begun < 10, "2 s on a machine that is not busy"
    assert [json.loads(line)["event"] for line in journal.read_text().splitlines()] == ["start", "stop"]


def test_state_goes_on_for_the_same_seed_and_faults_only(plan: Path, tmp_path: Path) -> None:
    state, faults = tmp_path / "state.json", tmp_path / "faults.json"
    faults.write_text('{"host-1": "gpu_missing", "host-2": "post_hang"}')
    same = ("--faults", str(faults), "--state", str(state))
    with running(plan, *same) as simulator:
        simulator.post("/fix", {"host": "host-1"})
        simulator.post("/inject", {"host": "host-3", "fault": "disk_readonly"})
        simulator.process.send_signal(signal.SIGTERM)
        assert simulator.process.wait(timeout=30) == 0
    with running(plan, *same) as simulator:
        truth = simulator.get("/truth")
        assert [truth[f"host-{number}"]["fault"] for number in (1, 2, 3)] == [None, "post_hang", "disk_readonly"]
    with running(plan, *same, "--seed", "2") as simulator:
        assert simulator.get("/truth")["host-1"]["fault"] == "gpu_missing"
    state.write_text("{")
    done = subprocess.run(command(plan, *same), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "remove it to start anew" in done.stderr
