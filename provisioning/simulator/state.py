"""The truth over restarts: one JSON file, written beside itself and renamed, so that it is whole or the old one."""

import dataclasses
import json
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from provisioning.simulator import boot, power
from provisioning.simulator.fleet import Fleet
from provisioning.simulator.host import Host, Installed, Override, RamdiskRun, TestRun
from provisioning.simulator.job import Job
from provisioning.simulator.plan import BadInput

VERSION = 1
_HOST = (
    "power",
    "phase",
    "boot_id",
    "boots",
    "networks",
    "resets",
    "reset_requests",
    "reset_intents",
    "bios",
    "board_firmware",
    "clock_offset_s",
    "boot_target",
    "boot_progress",
)
_BMC = ("clock_offset_s", "ntp", "led", "attributes", "accounts", "media", "next_entry", "next_job", "next_session")


def save(path: Path, fleet: Fleet, faults: Mapping[str, str]) -> None:
    """Write the state of all hosts. `faults`: what was chosen at the start, which a later start must share."""
    content = {
        "version": VERSION,
        "seed": fleet.world.options.seed,
        "faults": dict(faults),
        "hosts": {name: _host(host) for name, host in fleet.hosts.items()},
    }
    beside = path.with_name(path.name + ".new")
    with beside.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def load(path: Path, fleet: Fleet, faults: Mapping[str, str]) -> bool:
    """Bring the fleet to where it was. False: there is no state, or it is of another seed or other faults.

    Hosts whose system or ramdisk ran go on as if nothing had been; those in their firmware start it anew.
    Raises BadInput when the file cannot be read.
    """
    if not path.exists():
        return False
    try:
        content = json.loads(path.read_text("utf-8"))
        if (content["version"], content["seed"], content["faults"]) != (VERSION, fleet.world.options.seed, {**faults}):
            return False
        for name, saved in content["hosts"].items():
            if name in fleet.hosts:
                _restore(fleet.hosts[name], saved)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadInput(f"--state {path}: not a state of this simulator ({error!r}); remove it to start anew") from error
    return True


def _host(host: Host) -> dict[str, Any]:
    bmc, now_s, runs = host.bmc, host.world.clock.now_s(), host.test_runs.items()
    return {
        **{name: getattr(host, name) for name in _HOST},
        "last_reset_at": host.last_reset_at.isoformat() if host.last_reset_at else None,
        "override": dataclasses.asdict(host.override),
        "system": dataclasses.asdict(host.system) if host.system else None,
        "ramdisk": dataclasses.asdict(host.ramdisk) if host.ramdisk else None,
        "test_runs": {name: {**dataclasses.asdict(run), "started_s": run.started_s - now_s} for name, run in runs},
        "fault": host.fault.name if host.fault else None,
        "fired": host.fault.fired if host.fault else 0,
        "bmc": {name: getattr(bmc, name) for name in _BMC},
        "login": [bmc.user, bmc.password],
        "jobs": [_job(job) for job in bmc.jobs.values() if job.state in ("Scheduled", "Running")],
    }


def _job(job: Job) -> dict[str, Any]:
    """A job that runs waits again: the POST that it ran in begins anew."""
    return {**dataclasses.asdict(job), "created_at": job.created_at.isoformat(), "state": "Scheduled"}


def _restore(host: Host, saved: dict[str, Any]) -> None:
    bmc = host.bmc
    if host.fault is not None and host.fault.name != saved["fault"]:
        host.mend()
    if saved["fault"] and host.fault is None:
        host.break_by(saved["fault"])
    if host.fault is not None:
        host.fault.fired = saved["fired"]
    for name in _HOST:
        setattr(host, name, saved[name])
    for name in _BMC:
        setattr(bmc, name, saved["bmc"][name])
    bmc.set_login(*saved["login"])
    host.last_reset_at = datetime.fromisoformat(saved["last_reset_at"]) if saved["last_reset_at"] else None
    host.override = Override(**saved["override"])
    host.system = Installed(**saved["system"]) if saved["system"] else None
    host.ramdisk = RamdiskRun(**saved["ramdisk"]) if saved["ramdisk"] else None
    for name, run in saved["test_runs"].items():
        host.test_runs[name] = TestRun(**{**run, "started_s": run["started_s"] + host.world.clock.now_s()})
    for job in saved["jobs"]:
        bmc.jobs[job["id"]] = Job(**{**job, "created_at": datetime.fromisoformat(job["created_at"])})
    _go_on(host)


def _go_on(host: Host) -> None:
    """Run again what ran: system and ramdisk from where they were, anything before them from its POST."""
    if host.power not in ("On", "PoweringOn"):
        host.power, host.phase = "Off", "off"
    elif host.phase in ("os", "os_mute"):
        host.power, host.agent_is_up = "On", host.phase == "os"
    elif host.ramdisk is not None:
        host.power = "On"
        host.task = host.world.spawn(boot.resume(host))
    else:
        if host.override.enabled == "Disabled" and host.boot_target != "None":
            host.override = Override("Once", host.boot_target)  # this boot used it up and begins anew
        power.switch_on(host)
