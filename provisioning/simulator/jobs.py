"""Jobs of the lifecycle controller: BIOS settings and firmware, from the request to the version that runs."""

import re
from typing import Any, NamedTuple

from provisioning.simulator import draw, reference
from provisioning.simulator.host import Host
from provisioning.simulator.job import DONE, MESSAGES, Job

CONFIG_S = (60.0, 100.0)
DOWNLOAD_S = 60.0
COPY_S = 600.0
KEPT = 64
MOST_IMAGE = 1 << 20  # bytes of a package that are really fetched
PERCENTS = (1, 20, 98)  # jumps as in the field


class Flash(NamedTuple):
    """How a kind of part is flashed.

    direct: needs no reset of the host. activation: what makes the new version run ("job" its end, "bmc" a BMC
    restart that follows by itself, as the one of the CPLD's virtual AC cycle, "powercycle", "ac").
    guarded: nothing may disturb the download either.
    """

    pattern: str
    p50_s: float
    p99_s: float
    direct: bool
    activation: str
    guarded: bool
    fqdds: tuple[str, ...]


FLASHES: dict[str, Flash] = {
    "bios": Flash("BIOS", 480, 1500, False, "job", False, ("BIOS.Setup.1-1",)),
    "bmc": Flash("iDRAC|RAC", 480, 1500, True, "bmc", True, ("iDRAC.Embedded.1-1",)),
    "cpld": Flash("CPLD", 720, 1800, False, "bmc", True, ("CPLD.Embedded.1",)),
    "hgx": Flash("HGX", 1500, 3600, True, "ac", True, tuple(reference.HGX_FIRMWARE)),
    "hca": Flash(
        "ConnectX-?7|CX7|HCA", 900, 2400, False, "powercycle", False, tuple(f"{hca}-1" for hca in reference.HCAS)
    ),
    "psu": Flash("PSU|Power", 1800, 3600, False, "job", True, reference.PSUS),
    "nvme": Flash("NVMe|SSD", 300, 900, False, "job", False, reference.DATA_DRIVES),
}


def add(host: Host, name: str, part: str, **facts: Any) -> Job:
    """Queue a new job."""
    bmc = host.bmc
    number = 450_000_000_000 + draw.number(host.name, "job") % 10**9 + bmc.next_job
    bmc.next_job += 1
    job = Job(f"JID_{number}", name, part, bmc.now(), **facts)
    bmc.jobs[job.id] = job
    for old in [key for key, known in bmc.jobs.items() if not known.is_open][: max(len(bmc.jobs) - KEPT, 0)]:
        del bmc.jobs[old]
    return job


def move(host: Host, job: Job, state: str, percent: int, message_id: str) -> None:
    """Set where the job is, with a journal line; an ended job also gets a line in the lifecycle log."""
    job.state, job.percent = state, percent
    job.message_id, job.message = message_id, MESSAGES[message_id]
    host.world.journal.write("job", host.name, job=job.id, part=job.part, state=state, percent=percent)
    if state in DONE:
        job.ended_at = host.bmc.now()
        severity = "OK" if state == "Completed" else "Warning"
        host.bmc.log("Lclog", job.message_id, f"{job.name} {job.id}: {job.message}", severity)


def open_jobs(host: Host, *states: str) -> list[Job]:
    """Jobs that are not over, oldest first; only those in `states` when any are given."""
    return [job for job in host.bmc.jobs.values() if job.is_open and (not states or job.state in states)]


def configure(host: Host, settings: dict[str, Any]) -> Job:
    """A job that sets BIOS settings at the next POST."""
    job = add(host, "ConfigBIOS:BIOS.Setup.1-1", "config", settings=dict(settings))
    move(host, job, "Scheduled", 0, "JCP001")
    return job


async def run_in_post(host: Host) -> bool:
    """Run what is scheduled for POST, one job after the other; whether there was anything."""
    waiting = open_jobs(host, "Scheduled")
    if not waiting:
        return False
    host.enter("lifecycle_jobs", jobs=[job.id for job in waiting])
    host.say("Lifecycle Controller: Applying updates and configuration")
    for job in waiting:
        await (_run_config(host, job) if job.part == "config" else run_flash(host, job))
    return True


async def _run_config(host: Host, job: Job) -> None:
    move(host, job, "Running", 1, "JCP002")
    await host.world.clock.sleep(draw.between(*CONFIG_S, host.world.options.seed, host.name, job.id))
    host.bios.update(job.settings)
    move(host, job, "Completed", 100, "PR19")


async def run_flash(host: Host, job: Job) -> None:
    """Write the part; what then makes the version run is up to the kind."""
    flash = FLASHES[job.part]
    length_s = draw.lognormal(flash.p50_s, flash.p99_s, host.world.options.seed, host.name, job.id)
    move(host, job, "Running", 0, "RED020")
    for percent in PERCENTS:
        await host.world.clock.sleep(length_s / len(PERCENTS))
        if job.state != "Running":
            return  # somebody cut the power
        move(host, job, "Running", percent, "RED020")
    if flash.activation in ("job", "bmc"):
        become(host, job)
    else:
        host.board_firmware[f"pending:{flash.activation}:{job.part}"] = job.version
    move(host, job, "Completed", 100, "RED001" if flash.activation in ("job", "bmc") else "RED030")
    if job.part == "hgx" and host.world.clock.delays:
        host.copies_until_s = host.world.clock.now_s() + COPY_S
    if flash.activation == "bmc":
        host.bmc.restart("its own update")


def become(host: Host, job: Job) -> None:
    """The new version runs now."""
    for fqdd in FLASHES[job.part].fqdds:
        host.board_firmware[fqdd] = job.version
    fault = host.fault
    if fault is not None and fault.part == "firmware" and fault.slot in FLASHES[job.part].fqdds:
        host.mend()


async def update(host: Host, job: Job, uri: str) -> None:
    """Download from `uri` (unless the package was pushed), then run at once or wait for a reset."""
    if uri:
        move(host, job, "Downloading", 1, "RED002")
        answer = await host.world.boot.call("GET", uri, headers={"Range": f"bytes=0-{MOST_IMAGE - 1}"})
        await host.world.clock.sleep(DOWNLOAD_S)
        if job.state != "Downloading":
            return
        if not answer.ok:
            move(host, job, "Failed", 100, "RED016")
            return
    move(host, job, "Downloaded", 20, "RED003")
    if FLASHES[job.part].direct:
        await run_flash(host, job)
    else:
        move(host, job, "Scheduled", 0, "JCP001")


def recognise(file_name: str) -> tuple[str, str] | None:
    """(part, version) of a package by its file name, as the real one does; None when it is refused."""
    version = re.search(r"(\d+(?:\.\d+){2,})", file_name)
    for part, flash in FLASHES.items():
        if version and re.search(flash.pattern, file_name, re.IGNORECASE):
            return part, version.group(1)
    return None
