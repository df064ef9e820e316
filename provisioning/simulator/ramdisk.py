"""The ramdisk: claims its orders, finds out what the machine is, and does what it was told."""

import hashlib
import urllib.parse
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any

from provisioning.simulator import burn_in, draw, parts
from provisioning.simulator.boot_client import Answer
from provisioning.simulator.host import Host, Installed, RamdiskRun
from provisioning.simulator.outcome import Outcome

WRITE_S = 150.0
WRITE_STEPS = (25, 50, 75)
WRITE_FAILS_AFTER = 25
RANGE = 65536
PIECE = 8 << 20
INVENTORY_S = (10.0, 25.0)
IDLE_ASKS_S = (20.0, 20.0, 30.0, 60.0, 120.0, 240.0, *[300.0] * 10)
WIPE_S = 120.0
LOG_LINES = 200
BMC_AWAY_S = 240.0


class GaveUp(Exception):
    """The boot service refused, or a task failed for good. The machine powers off."""


class Ramdisk:
    """A host's ramdisk as it speaks with the boot service."""

    def __init__(self, host: Host, run: RamdiskRun) -> None:
        self.host = host
        self.run = run
        self.orders = run.orders

    async def call(self, method: str, path: str, body: dict[str, Any] | None = None, **more: Any) -> Answer:
        """A call below the base URL (or to a whole URL), with the session if there is one."""
        url = urllib.parse.urljoin(f"{self.run.base}/", path)
        headers = dict(more.pop("headers", {}))
        if self.run.session:
            headers["Authorization"] = f"Bearer {self.run.session}"
        return await self.host.world.boot.call(method, url, body=body, headers=headers, **more)

    async def event(self, stage: str, words: str, **facts: Any) -> None:
        """Report a stage. An answer that is not good does not stop the work, a refused session does."""
        self.host.say(f"muster: {words}")
        self.host.enter(f"ramdisk {stage}")
        body = {"stage": stage, "words": words, "step": self.orders.get("step"), **facts}
        answer = await self.call("POST", "event", body)
        if answer.status in (401, 403):
            raise GaveUp(f"event {stage} was refused with {answer.status}")

    async def fail(self, code: str, words: str) -> None:
        """Report the failure and the last lines, then give up."""
        await self.event("failed", words, data={"code": code})
        await self.call("POST", "log", {"lines": list(self.host.console)[-LOG_LINES:]})
        raise GaveUp(words)


async def run(host: Host, *, base: str, token: str, boot: str) -> Outcome:
    """From the started kernel to what the orders end with. boot: the number of this boot, for the service's record."""
    host.enter("ramdisk")
    ramdisk = Ramdisk(host, RamdiskRun(base, session="", orders={}))
    try:
        await _set_clock(ramdisk, boot)
        await _claim(ramdisk, token)
    except GaveUp as end:
        return _give_up(host, end)
    host.ramdisk = ramdisk.run
    return await go_on(host)


async def go_on(host: Host) -> Outcome:
    """Do what the orders say, from where the ramdisk was."""
    assert host.ramdisk is not None
    ramdisk = Ramdisk(host, host.ramdisk)
    try:
        mode = str(ramdisk.orders.get("mode"))
        if mode not in _MODES:
            await ramdisk.fail("orders", f"unknown mode {mode!r} in the orders")
        if not ramdisk.run.has_introduced_itself:
            await _introduce(ramdisk)
            ramdisk.run.has_introduced_itself = True
        outcome = Outcome.STAY if ramdisk.run.is_done else await _MODES[mode](ramdisk)
        ramdisk.run.is_done = True
        if mode == "burn-in" and await _more_orders(ramdisk):
            return await go_on(host)
        return outcome
    except GaveUp as end:
        return _give_up(host, end)


def _give_up(host: Host, end: GaveUp) -> Outcome:
    host.say(f"muster: {end}; powering off")
    host.world.journal.write("gave_up", host.name, words=str(end))
    return Outcome.POWER_OFF


async def _set_clock(ramdisk: Ramdisk, boot: str) -> None:
    answer = await ramdisk.call("GET", f"time?boot={boot}")
    try:
        datetime.fromisoformat(str(answer.json().get("time")))
    except ValueError as error:
        raise GaveUp(f"no time from the boot service ({answer.status})") from error
    ramdisk.host.clock_offset_s = 0.0


async def _claim(ramdisk: Ramdisk, token: str) -> None:
    host = ramdisk.host
    who = {"token": token, "mac": host.boot_mac, "uuid": host.uuid, "serial": host.tag, "boot_id": host.boot_id}
    answer = await ramdisk.call("POST", "claim", who)
    host.world.journal.write("claim", host.name, status=answer.status)
    ramdisk.run.session = str(answer.json().get("session") or "")
    if not answer.ok or not ramdisk.run.session:
        raise GaveUp(f"the claim was refused with {answer.status}")
    answer = await ramdisk.call("GET", "orders")
    if not answer.ok:
        raise GaveUp(f"no orders: {answer.status}")
    ramdisk.run.orders = ramdisk.orders = answer.json()


async def _more_orders(ramdisk: Ramdisk) -> bool:
    """An idle ramdisk asks, ever more seldom, whether it gets further orders instead of a reboot."""
    for wait_s in IDLE_ASKS_S:
        await ramdisk.host.world.clock.sleep(wait_s)
        answer = await ramdisk.call("GET", "orders")
        if not answer.ok:
            return False
        orders = answer.json()
        if orders.get("mode") != "wait":
            ramdisk.run.orders = ramdisk.orders = orders
            ramdisk.run.is_done, ramdisk.run.results = False, []
            return True
    return False


async def _introduce(ramdisk: Ramdisk) -> None:
    host = ramdisk.host
    await ramdisk.event("kernel", "kernel is up", data={"boot_id": host.boot_id})
    await ramdisk.event("agent", "agent is up")
    await ramdisk.event("network", f"network is up: {host.plan.os_address}")
    await host.world.clock.sleep(
        draw.between(*INVENTORY_S, host.world.options.seed, host.name, "inventory", host.boots)
    )
    await ramdisk.event("inventory", "inventory is done", data=parts.inventory(host))
    wanted = ramdisk.orders.get("serial")
    if wanted and wanted != host.tag:
        await ramdisk.fail("identity", f"orders are for {wanted}, this is {host.tag}")


async def _install(ramdisk: Ramdisk) -> Outcome:
    host, orders = ramdisk.host, ramdisk.orders
    disk = parts.os_drive(host, orders.get("disk") or {"role": "os"})
    if disk is None:
        await ramdisk.fail("disk", f"no drive, or more than one, is {orders.get('disk')}")
    assert disk is not None
    image = orders.get("image") or {}
    await _write(ramdisk, image)
    phone = orders.get("phone_home") or {}
    seed = await _seed(ramdisk)
    host.system = Installed(
        image=str(image.get("sha256", "")),
        hostname=seed.get("local-hostname") or host.name,
        phone_home_url=urllib.parse.urljoin(f"{ramdisk.run.base}/", str(phone.get("url") or "phone-home")),
        phone_home_token=str(phone.get("token") or ""),
        ssh_host_key=f"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI{draw.code(43, host.uuid, host.boot_id)}",
    )
    await ramdisk.event("written", "image is written", data={"sha256": image.get("sha256"), "disk_serial": disk.serial})
    await ramdisk.event("rebooting", "rebooting to disk")
    return Outcome.RESET


async def _write(ramdisk: Ramdisk, image: dict[str, Any]) -> None:
    host = ramdisk.host
    host.system = None  # what was on the disk is gone as soon as the first block is written
    if host.fire("bmc_reboot_mid_install", once=True):
        host.bmc.restart("restarted by itself", away_s=BMC_AWAY_S)
    await _fetch(ramdisk, image)
    done = 0
    for percent in WRITE_STEPS:
        await host.world.clock.sleep(WRITE_S * (percent - done) / 100)
        done = percent
        await ramdisk.event("write", f"writing image: {percent} %", done=percent, total=100)
        if percent >= WRITE_FAILS_AFTER and host.fire("disk_readonly"):
            host.say("nvme0n1: I/O error, dev nvme0n1, op 0x1:(WRITE): Access Denied, namespace is write protected")
            await ramdisk.fail("image_write", "write to nvme0n1 failed: read-only file system")
    await host.world.clock.sleep(WRITE_S * (100 - done) / 100)


async def _seed(ramdisk: Ramdisk) -> dict[str, str]:
    """What cloud-init will find of its meta-data, by name; user-data is fetched as well, and not obeyed."""
    base = str((ramdisk.orders.get("seed") or {}).get("url") or "")
    found: dict[str, str] = {}
    for name in ("user-data", "meta-data"):
        answer = await ramdisk.call("GET", f"{base}{name}")
        if not answer.ok:
            await ramdisk.fail("seed", f"{name} of the seed: {answer.status}")
        found[name] = answer.body.decode("utf-8", "replace")
    pairs = (line.partition(":") for line in found["meta-data"].splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


async def _fetch(ramdisk: Ramdisk, image: dict[str, Any]) -> None:
    """A few ranges of the image, or all of it on one host of many, whose digest is then compared."""
    host, digest, size = ramdisk.host, str(image.get("sha256", "")), int(image.get("size_bytes") or 0)
    url = str(image.get("url") or f"image/{digest}")
    share = host.world.options.whole_image_share
    if draw.number(host.world.options.seed, host.name, "whole image") % share == 0:
        actual = hashlib.sha256()
        for start in range(0, size, PIECE):
            actual.update(await _range(ramdisk, url, start, min(start + PIECE, size)))
        if actual.hexdigest() != digest:
            await ramdisk.fail("image_digest", f"image digest is {actual.hexdigest()}, orders say {digest}")
        return
    await _range(ramdisk, url, 0, min(RANGE, size))
    if size > RANGE:
        await _range(ramdisk, url, max(size - RANGE, RANGE), size)


async def _range(ramdisk: Ramdisk, url: str, start: int, end: int) -> bytes:
    answer = await ramdisk.call("GET", url, headers={"Range": f"bytes={start}-{end - 1}"}, most_bytes=end - start)
    if not answer.ok or len(answer.body) != end - start:
        await ramdisk.fail(
            "image_fetch", f"bytes {start} to {end - 1} of the image: {answer.status}, {len(answer.body)} bytes"
        )
    return answer.body


async def _burn_in(ramdisk: Ramdisk) -> Outcome:
    host, results = ramdisk.host, ramdisk.run.results
    for test in list(ramdisk.orders.get("tests") or [])[len(results) :]:
        await host.world.clock.sleep(60.0 * float(test.get("minutes") or 0))
        result = burn_in.result(host, str(test.get("name")))
        results.append(result)
        await ramdisk.event("test", f"test {result['name']}: {result['words']}", data=result)
    passed = all(result["passed"] for result in results)
    words = "all tests passed" if passed else "tests failed"
    await ramdisk.event("tested", words, data={"passed": passed, "results": results})
    return Outcome.STAY


async def _wait_idle(ramdisk: Ramdisk) -> Outcome:
    """The inventory is all that was wanted."""
    return Outcome.STAY


async def _wipe(ramdisk: Ramdisk) -> Outcome:
    host = ramdisk.host
    host.system = None
    await host.world.clock.sleep(WIPE_S)
    drives = parts.inventory(host)["drives"]
    await ramdisk.event("wiped", "all drives are wiped", data={"drives": drives})
    return Outcome.STAY


_MODES: dict[str, Callable[[Ramdisk], Awaitable[Outcome]]] = {
    "install": _install,
    "burn-in": _burn_in,
    "inspect": _wait_idle,
    "wipe": _wipe,
    "diagnostic": _wait_idle,
}
