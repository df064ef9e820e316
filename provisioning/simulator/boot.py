"""From power on to whatever runs: POST, the lifecycle controller's jobs, boot devices."""

import asyncio
from collections.abc import Awaitable, Callable
from enum import Enum

from provisioning.simulator import disk_boot, draw, jobs, network_boot, ramdisk, reference
from provisioning.simulator.host import Host, Override
from provisioning.simulator.outcome import Outcome

POST_P50_S, POST_P99_S = 480.0, 900.0
AFTER_AC = 1.3
SLOW_POST = 2.2
AFTER_JOBS = 0.2  # the reset after a configuration job trains no memory
RETRY_ORDER_S = 300.0
RETRIES = 12


class Stage(Enum):
    """Stages of POST: share of its time, what BootProgress says meanwhile, console line."""

    CPU = (0.10, "PrimaryProcessorInitializationStarted", "Initializing processors")
    MEMORY = (0.50, "MemoryInitializationStarted", "Configuring memory: 32 x 64 GiB")
    PCI = (0.40, "PCIResourceConfigStarted", "Configuring PCIe: 8 GPUs, 8 InfiniBand adapters")


async def run(host: Host, *, pause_s: float = 0.0, after_ac: bool = False) -> None:
    """The life of a machine from power on until something else decides over its power."""
    if pause_s:
        await host.world.clock.sleep(pause_s)
    if host.power == "Off":
        host.power = "PoweringOn"
        await host.world.clock.sleep(3)
    host.power = "On"
    while True:
        host.note_reset()
        await _post(host, after_ac=after_ac)
        after_ac = False
        if await _is_off(host, await _devices(host)):
            return


async def resume(host: Host) -> None:
    """As `run`, from the middle of a ramdisk's work."""
    if not await _is_off(host, await ramdisk.go_on(host)):
        await run(host)


async def _is_off(host: Host, outcome: Outcome) -> bool:
    """Do what the boot ended with: True when the machine is off now, False when it starts anew."""
    if outcome is Outcome.POWER_OFF:
        host.task = None
        host.power = "Off"
        host.enter("off", "None")
        return True
    if outcome is Outcome.STAY:
        await asyncio.get_running_loop().create_future()
    host.world.journal.write("guest_reset", host.name, boot=host.boots)
    return False


async def _post(host: Host, *, after_ac: bool) -> None:
    await _post_once(host, _post_s(host, after_ac=after_ac))
    if await jobs.run_in_post(host):
        host.note_reset()
        await _post_once(host, _post_s(host, after_ac=False) * AFTER_JOBS)
    host.enter("boot", "SystemHardwareInitializationComplete")


def _post_s(host: Host, *, after_ac: bool) -> float:
    if host.fire("slow_post", once=True):
        return POST_P99_S * SLOW_POST
    warm = draw.lognormal(POST_P50_S, POST_P99_S, host.world.options.seed, host.name, "POST", host.boots)
    return warm * (AFTER_AC if after_ac else 1.0)


async def _post_once(host: Host, length_s: float) -> None:
    host.enter("post", planned_s=round(length_s))
    host.say(f"Dell Inc. {reference.MODEL}  BIOS Version {host.bios_version}  Service Tag {host.tag}")
    for stage in Stage:
        share, host.boot_progress, line = stage.value
        host.say(line)
        if stage is Stage.PCI and host.fire("post_hang"):
            host.say("UEFI0067: A PCIe link training failure is observed. System halted")
            await asyncio.get_running_loop().create_future()
        await host.world.clock.sleep(length_s * share)


async def _devices(host: Host) -> Outcome:
    """Try the boot devices in order, and all of them again while none is found."""
    order = _order(host)
    for _ in range(RETRIES):
        for target in order:
            host.world.journal.write("boot_device", host.name, device=target, boot=host.boots)
            outcome = await _DEVICES.get(target, _nothing)(host)
            if outcome is not Outcome.NEXT_DEVICE:
                return outcome
        host.say("No boot device available.")
        host.enter("no_boot_device", "SystemHardwareInitializationComplete")
        await host.world.clock.pause(RETRY_ORDER_S)
    return Outcome.STAY


def _order(host: Host) -> list[str]:
    """The override, which is used up by this boot, then the disk."""
    override = host.override
    if override.enabled == "Disabled" or override.target == "None":
        return ["Hdd"]
    if override.enabled == "Once":
        host.override, host.boot_target = Override(), override.target
        if host.fire("once_ignored", once=True, target=override.target):
            return ["Hdd"]
    return list(dict.fromkeys([override.target, "Hdd"]))


async def _nothing(host: Host) -> Outcome:
    """A device without medium."""
    await host.world.clock.sleep(5)
    return Outcome.NEXT_DEVICE


async def _setup(host: Host) -> Outcome:
    host.enter("bios_setup", "SetupEntered")
    return Outcome.STAY


_DEVICES: dict[str, Callable[[Host], Awaitable[Outcome]]] = {
    "UefiHttp": network_boot.by_http,
    "Pxe": network_boot.by_pxe,
    "Hdd": disk_boot.run,
    "BiosSetup": _setup,
}
