"""The safety oracle: nothing may disturb hardware while it is written; every breach is on record."""

from provisioning.simulator import jobs
from provisioning.simulator.host import Host
from provisioning.simulator.job import Job

KEPT_INTENTS = 64
_PENDING = "pending:"


def check_reset(host: Host, kind: str, intent: str | None) -> None:
    """A power action was applied: was an intent used twice, was anything being written?"""
    if intent is not None:
        used = host.reset_intents.pop(intent, 0) + 1
        host.reset_intents[intent] = used
        if len(host.reset_intents) > KEPT_INTENTS:
            del host.reset_intents[next(iter(host.reset_intents))]
        if used > 1:
            host.world.journal.violation(host.name, "intent_twice", f"{kind} again for one intent", intent=intent)
    if host.is_copying():
        host.world.journal.violation(
            host.name, "power_during_copy", f"{kind} while the HGX board copied", intent=intent
        )
    for job in _endangered(host):
        words = f"{kind} while {job.name} was {job.state}"
        host.world.journal.violation(host.name, "power_during_job", words, intent=intent, job=job.id)
        jobs.move(host, job, "Failed", 100, "RED007")
    for job in jobs.open_jobs(host, "Downloading"):
        jobs.move(host, job, "Failed", 100, "RED021")
    if kind == "PowerCycle":
        activate(host, "powercycle")


def check_write(host: Host, what: str, intent: str | None) -> None:
    """A write that must not happen while a job is at work: BMC reset, queue clear, BIOS settings, another update."""
    for job in _endangered(host):
        words = f"{what} while {job.name} was {job.state}"
        host.world.journal.violation(host.name, "write_during_job", words, intent=intent, job=job.id)


def activate(host: Host, how: str) -> None:
    """Power was away ("powercycle", or "ac", which does more): versions that waited for it run now."""
    for key in [key for key in host.board_firmware if key.startswith(_PENDING)]:
        _, needs, part = key.split(":")
        if needs == how or how == "ac":
            version = host.board_firmware.pop(key)
            for fqdd in jobs.FLASHES[part].fqdds:
                host.board_firmware[fqdd] = version
            host.world.journal.write("activated", host.name, part=part, version=version)


def _endangered(host: Host) -> list[Job]:
    """Jobs that a disturbance would harm: all that run, and downloads for parts that cannot be saved."""
    return [
        job
        for job in jobs.open_jobs(host, "Running", "Downloading")
        if job.state == "Running" or jobs.FLASHES[job.part].guarded
    ]
