"""Boot from disk: first boot, phone-home, and the agent that answers from then on."""

import random

from provisioning.simulator import draw, reference
from provisioning.simulator.host import Host, Installed
from provisioning.simulator.outcome import Outcome

KERNEL_S = (30.0, 50.0)
FIRST_BOOT_S = (60.0, 90.0)
PHONE_EVERY_S = 10.0
PHONE_TRIES = 30
PATIENCE_S = 5.0  # real, for each try: a restart of the boot service takes its time whatever the scale
REFUSALS = 3  # an answer that will not change is asked for no longer


async def run(host: Host) -> Outcome:
    """The installed system, if there is one."""
    system = host.system
    if system is None:
        await host.world.clock.sleep(5)
        return Outcome.NEXT_DEVICE
    seed = host.world.options.seed
    host.enter("disk_boot", "OSBootStarted")
    host.say(f"Linux version {reference.KERNEL_VERSION}")
    await host.world.clock.sleep(draw.between(*KERNEL_S, seed, host.name, "disk kernel", host.boots))
    host.boot_progress = "OSRunning"
    if system.agent_token is None:
        host.say("cloud-init: generating ed25519 host key")
        await host.world.clock.sleep(draw.between(*FIRST_BOOT_S, seed, host.name, "first boot", host.boots))
        if host.fire("no_phone_home") or not await _phone_home(host, system):
            host.say(f"{system.hostname} login:")
            host.enter("os_mute")
            return Outcome.STAY
    host.clock_offset_s = 0.0
    host.agent_is_up = True
    host.say(f"{system.hostname} login:")
    host.enter("os")
    return Outcome.STAY


def versions() -> dict[str, str]:
    """What runs on an installed host."""
    return {"kernel": reference.KERNEL_VERSION, "nvidia": reference.DRIVER_VERSION, "agent": "1"}


async def _phone_home(host: Host, system: Installed) -> bool:
    body = {
        "token": system.phone_home_token,
        "serial": host.tag,
        "uuid": host.uuid,
        "mac": host.boot_mac,
        "boot_id": host.boot_id,
        "image": system.image,
        "ssh_host_key": system.ssh_host_key,
        "versions": versions(),
    }
    refused = 0
    for _ in range(PHONE_TRIES):
        answer = await host.world.boot.call("POST", system.phone_home_url, body=body, patience_s=PATIENCE_S)
        host.world.journal.write("phone_home", host.name, status=answer.status, boot_id=host.boot_id)
        if answer.ok:
            system.agent_token = str(answer.json().get("agent_token") or "")
            return True
        refused += not answer.is_passing
        if refused >= REFUSALS:
            break
        host.say(f"muster-phone-home: {answer.status or 'no answer'}, trying again")
        await host.world.clock.pause(PHONE_EVERY_S * random.uniform(0.7, 1.3))
    return False
