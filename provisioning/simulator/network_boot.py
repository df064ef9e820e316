"""Firmware that boots from the network: address, first file, script, kernel, initrd."""

import urllib.parse
from typing import NamedTuple

from provisioning.simulator import draw, ramdisk
from provisioning.simulator.boot_client import Answer
from provisioning.simulator.host import Host
from provisioning.simulator.outcome import Outcome

DHCP_S = (4.0, 15.0)
SLOW_DHCP_S = 720.0
NO_LINK_S = 30.0
LOOP_S = 90.0
PATIENCE_S = 6.0  # real; firmware gives up soon and tries its next device
FIRST_RANGE = 65536
KERNEL_S = (60.0, 110.0)
DIAGNOSTIC_S = 600.0
_EFI = {"User-Agent": "UefiHttpBoot/1.0"}
_IPXE = {"User-Agent": "iPXE/1.21.1"}


class Script(NamedTuple):
    """What an iPXE script says: `arguments` are the kernel's, by name."""

    kernel: str
    initrd: str
    arguments: dict[str, str]


def read_script(text: str) -> Script | None:
    """The parts of a script, or None when it boots nothing."""
    kernel, initrd, arguments = "", "", {}
    for words in (line.split() for line in text.splitlines()):
        if words[:1] == ["kernel"] and len(words) > 1:
            kernel = words[1]
            arguments = dict(word.partition("=")[::2] for word in words[2:])
        if words[:1] == ["initrd"] and len(words) > 1:
            initrd = words[-1]
    return Script(kernel, initrd, arguments) if text.startswith("#!ipxe") and kernel else None


async def by_http(host: Host) -> Outcome:
    """UEFI HTTP boot from the URI of the BIOS settings; without one, what DHCP gives (as PXE)."""
    uri = str(host.bios.get("HttpDev1Uri", ""))
    if not uri or host.bios.get("HttpDev1EnDis") != "Enabled":
        return await by_pxe(host)
    if not await _network(host, f"UEFI HTTP: {_without_token(uri)}"):
        return Outcome.NEXT_DEVICE
    if not await _firmware_get(host, uri, _EFI):
        return Outcome.NEXT_DEVICE
    return await _run_script(host, urllib.parse.urljoin(uri, "autoexec.ipxe"))


async def by_pxe(host: Host) -> Outcome:
    """PXE boot: DHCP names the script's address."""
    if not await _network(host, "PXE"):
        return Outcome.NEXT_DEVICE
    return await _run_script(host, f"{host.world.options.boot_url.rstrip('/')}/script")


async def _network(host: Host, what: str) -> bool:
    """Link and address; False when there is none."""
    host.enter("network_boot", what=what)
    host.say(f">>Start {what}")
    if host.fire("ethernet_unplugged"):
        await host.world.clock.sleep(NO_LINK_S)
        host.say("NIC.Slot.39-1-1: media not present")
        return False
    seed = host.world.options.seed
    if host.fire("dhcp_slow", once=True):
        if draw.fraction(seed, host.name, "dhcp fails") < 0.5:
            await host.world.clock.sleep(120)
            host.say("PXE-E18: Server response timeout")
            return False
        await host.world.clock.sleep(SLOW_DHCP_S)
    await host.world.clock.sleep(draw.between(*DHCP_S, seed, host.name, "dhcp", host.boots))
    host.networks += 1
    host.say(f"net0: {host.boot_mac} {host.plan.os_address}")
    return True


async def _run_script(host: Host, script_url: str) -> Outcome:
    asked = urllib.parse.urlencode({"mac": host.boot_mac, "uuid": host.uuid, "serial": host.tag})
    script: Script | None = None
    while True:
        answer = await _firmware_get(host, f"{script_url}?{asked}", _IPXE)
        if answer and answer.ok:
            script = read_script(answer.body.decode("utf-8", "replace")) or script
        if not host.fire("boot_loop"):
            break
        host.say("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)")
        await host.world.clock.pause(LOOP_S)
    if script is None:
        host.say("Could not boot: no script (https://ipxe.org/2d0c613b)")
        return Outcome.NEXT_DEVICE
    for url in filter(None, (script.kernel, script.initrd)):
        first = {**_IPXE, "Range": f"bytes=0-{FIRST_RANGE - 1}"}
        if not await _firmware_get(host, urllib.parse.urljoin(script_url, url), first):
            return Outcome.NEXT_DEVICE
    return await _start_kernel(host, script, script_url)


async def _start_kernel(host: Host, script: Script, script_url: str) -> Outcome:
    host.enter("kernel", "OSBootStarted")
    host.say("Linux version 6.1.0-25-amd64")
    await host.world.clock.sleep(draw.between(*KERNEL_S, host.world.options.seed, host.name, "kernel", host.boots))
    host.boot_progress = "OSRunning"
    token = script.arguments.get("muster.token")
    if not token:
        host.enter("diagnostic")
        host.say("This machine was not expected to boot from the network. It powers off in 10 minutes.")
        await host.world.clock.sleep(DIAGNOSTIC_S)
        return Outcome.POWER_OFF
    base = script.arguments.get("muster.url") or urllib.parse.urljoin(script_url, ".")
    boot = script.arguments.get("muster.boot", "")
    return await ramdisk.run(host, base=base.rstrip("/"), token=token, boot=boot)


async def _firmware_get(host: Host, url: str, headers: dict[str, str]) -> Answer | None:
    """The answer if it is a good one, else None, with a line on the console."""
    answer = await host.world.boot.call("GET", url, headers=headers, most_bytes=FIRST_RANGE, patience_s=PATIENCE_S)
    host.world.journal.write("boot_get", host.name, path=_without_token(url), status=answer.status)
    host.say(f"{_without_token(url)}... {answer.status or 'no answer'}")
    return answer if answer.ok else None


def _without_token(url: str) -> str:
    """The path for console and journal: one-time parts and the query are left out."""
    path = urllib.parse.urlsplit(url).path
    return "/".join(part if len(part) < 20 else "..." for part in path.split("/"))
