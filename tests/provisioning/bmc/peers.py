"""Two Redfish servers that are not ours to bend: sushy-emulator, and the fleet simulator. Each is a real process."""

import csv
import hashlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import bcrypt

from provisioning.bmc import Target
from tests.provisioning.bmc import certificates
from tests.support.waiting import eventually

USER, PASSWORD = "root", "calvin"
EMULATED = "27946b59-9e44-4fa7-8e91-f3527a1ef094"
STARTS_WITHIN_S = 60


@dataclass
class Peer:
    """A running server. target: its first BMC, certificate pinned."""

    name: str
    process: subprocess.Popen[bytes]
    target: Target
    journal: Path | None = None

    def stop(self) -> None:
        """End the process by its pid."""
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(20)


def free_port() -> int:
    """A port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _spawn(arguments: list[str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("wb") as file:
        return subprocess.Popen(arguments, stdout=file, stderr=file, cwd=os.getcwd())


def _fingerprint(address: str, port: int) -> str:
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate((address, port)))).hexdigest()


def _until_it_answers(peer: str, process: subprocess.Popen[bytes], log: Path, port: int, address: str) -> str:
    def answers() -> str:
        assert process.poll() is None, f"{peer} ended:\n{log.read_text()}"
        try:
            return _fingerprint(address, port)
        except OSError as error:
            raise AssertionError(f"{peer}: {error}\n{log.read_text()}") from error

    return eventually(answers, within_s=STARTS_WITHIN_S, every_s=0.2)


def start_emulator(folder: Path) -> Peer:
    """sushy-emulator with its fake driver, TLS and Basic auth; one system, which is off."""
    public, private, _ = certificates.write(folder, "emulator")
    accounts = folder / "accounts"
    accounts.write_text(f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()}\n")
    port = free_port()
    settings = {
        "SUSHY_EMULATOR_LISTEN_IP": "127.0.0.1",
        "SUSHY_EMULATOR_LISTEN_PORT": port,
        "SUSHY_EMULATOR_SSL_CERT": str(public),
        "SUSHY_EMULATOR_SSL_KEY": str(private),
        "SUSHY_EMULATOR_AUTH_FILE": str(accounts),
        "SUSHY_EMULATOR_FAKE_DRIVER": True,
        "SUSHY_EMULATOR_STATE_DIR": str(folder),
        "SUSHY_EMULATOR_FAKE_SYSTEMS": [
            {"uuid": EMULATED, "name": "fake", "power_state": "Off", "nics": [{"mac": "00:5c:52:31:3a:9c", "ip": ""}]}
        ],
    }
    disk = {"Id": "32ADF365C6C1B7BD", "Name": "Sample", "CapacityBytes": 899527000000, "Protocol": "SAS"}
    controller = {"Id": "1", "Name": "Local", "StorageControllers": [{"MemberId": "0", "Name": "C", "SpeedGbps": 12}]}
    settings["SUSHY_EMULATOR_STORAGE"] = {EMULATED: [{**controller, "Drives": [disk["Id"]]}]}
    settings["SUSHY_EMULATOR_DRIVES"] = {(EMULATED, "1"): [disk]}
    config, log = folder / "emulator.conf", folder / "emulator.log"
    config.write_text("".join(f"{key} = {value!r}\n" for key, value in settings.items()))
    program = str(Path(sys.executable).with_name("sushy-emulator"))
    process = _spawn([program, "--config", str(config)], log)
    pin = _until_it_answers("sushy-emulator", process, log, port, "127.0.0.1")
    return Peer("emulator", process, Target("fake", f"https://127.0.0.1:{port}", USER, PASSWORD, pin))


def start_simulator(folder: Path) -> Peer:
    """The fleet simulator with one host, faultless, a thousand times faster than life."""
    with (folder / "devices.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [("name", "role", "serial", "bmc_address"), ("host-001", "host", "7XK2LM4", "127.64.0.1")]
        )
    journal, log = folder / "journal.jsonl", folder / "simulator.log"
    options = ["--plan", str(folder), "--time-scale", "1000", "--bmc-port", "0", "--agent-port", "0"]
    options += ["--control", "127.0.0.1:0", "--journal", str(journal), "--user", USER, "--password", PASSWORD]
    process = _spawn([sys.executable, "-m", "provisioning.simulator", *options], log)

    def port() -> int:
        assert process.poll() is None, log.read_text()
        found = re.search(r"BMCs on port (\d+)", log.read_text())
        return int(found[1]) if found else 0

    number = eventually(port, within_s=STARTS_WITHIN_S, every_s=0.2)
    pin = _until_it_answers("simulator", process, log, number, "127.64.0.1")
    return Peer("simulator", process, Target("host-001", f"https://127.64.0.1:{number}", USER, PASSWORD, pin), journal)


START = {"emulator": start_emulator, "simulator": start_simulator}
