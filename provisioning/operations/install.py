"""install, image mode: the ramdisk writes the profile's image to the right disk, and the new system phones home."""

from typing import Any

from fleet import secrets
from provisioning.agent.client import AgentError
from provisioning.operations import netboot, pace, preflight
from provisioning.operations.context import Context
from provisioning.operations.kinds import MINUTE, Kind, Step
from provisioning.operations.outcomes import CloseWindow, Done, Evidence, Fail, HostSeen, Outcome, Retry, Wait

# POST takes 15 min at p99, a first boot some more.
HOME_S = 25 * MINUTE


def orders(ctx: Context) -> dict[str, Any]:
    """What the ramdisk is told: which image onto which disk, by role or serial and never by name."""
    return {
        "mode": "install",
        "serial": ctx.host.serial,
        "disk": ctx.profile.get("disk", {"role": "os"}),
        "image": ctx.profile.get("image_file", {}),
        "hostname": ctx.host.name,
    }


async def has_image(ctx: Context) -> Outcome:
    """The profile names an image that is in the catalogue. Reads nothing from the hardware."""
    image = ctx.profile.get("image_file")
    if not image:
        return Fail(f"image {ctx.profile.get('image')!r} of the profile is not in the catalogue", "no_image")
    return Done(f"image {image['name']}, {image['sha256'][:12]}", {"image": image["sha256"]})


async def boot_from_disk(ctx: Context) -> Outcome:
    """While the image is written: the next boot is from disk, whatever the firmware's order. Looks first."""
    override = (await ctx.bmc.system()).override
    if override.enabled == "Once" and override.target == "Hdd":
        return Done("next boot is from disk already")
    permit = await ctx.intend("set boot override: Hdd, once")
    await ctx.bmc.set_boot_once(permit, "Hdd")
    return Done("next boot is from disk")


async def written(ctx: Context) -> Outcome:
    """The image is on the disk and its digest is the catalogue's. Reads only."""
    window = ctx.window
    if window is None:
        return Wait(MINUTE, "no boot window")
    if window.failed_code:
        return Fail(window.words or window.failed_code, window.failed_code)
    if window.written is None:
        return Wait(10 * MINUTE, f"writing, {window.done} %", progress=(window.done, window.total or 100), poked=True)
    if window.written.get("sha256") != ctx.result.get("image"):
        return Fail(f"wrote {window.written.get('sha256')}, ordered {ctx.result.get('image')}", "image_write")
    return Done(f"image written to disk {window.written.get('disk_serial')}")


async def phone_home(ctx: Context) -> Outcome:
    """The new system reported: another boot id than the ramdisk's, the ordered image. Reads only."""
    window = ctx.window
    home = window.phone_home if window else None
    if window is None or home is None:
        return await _not_home(ctx)
    if home.get("boot_id") == window.boot_id:
        return Fail("phoned home with the ramdisk's boot id: it did not reboot", "no_phone_home")
    if home.get("image") != ctx.result.get("image"):
        return Fail(f"runs image {home.get('image')}, ordered {ctx.result.get('image')}", "image_mismatch")
    evidence = Evidence("phone_home", f"boot id {home.get('boot_id')}", dict(home))
    seen = HostSeen({"boot_id": home.get("boot_id")})
    return Done("phoned home", {"boot_id": home.get("boot_id")}, (evidence, seen, CloseWindow()))


async def _not_home(ctx: Context) -> Outcome:
    """Time for a POST and a first boot; longer only for a host that is still in POST."""
    waited = (ctx.now - ctx.step_started_at).total_seconds()
    minutes = pace.field_minutes(waited)
    words = f"rebooted {minutes:.0f} min ago, no phone-home yet"
    if (left_s := pace.silence(HOME_S) - waited) > 0:
        return Wait(pace.field_s(left_s) + 1, words, poked=True)
    state = await ctx.bmc.system()
    words = f"{words}; power {state.power}, {state.boot_progress or 'progress unknown'}"
    if state.boot_progress in netboot.IN_POST:
        return Wait(5 * MINUTE, words)
    return Fail(words, "no_phone_home")


def agent_token(serial: str, boot_id: str) -> str:
    """The token that an installed host's agent got when it phoned home."""
    return secrets.derive("agent", serial, boot_id)


async def facts(ctx: Context) -> Outcome:
    """The installed system is reachable and is what was ordered. Reads only."""
    boot_id = str(ctx.result.get("boot_id") or "")
    try:
        now = await ctx.agent.facts(ctx.host.address, agent_token(ctx.host.serial, boot_id))
    except AgentError as error:
        return Retry(error.words, "unreachable", counts=not error.passing)
    want = {"serial": ctx.host.serial, "hostname": ctx.host.name, "image": ctx.result.get("image"), "boot_id": boot_id}
    wrong = [f"{k} is {getattr(now, k)!r}, should be {v!r}" for k, v in want.items() if getattr(now, k) != v]
    if wrong:
        return Fail("; ".join(wrong), "facts_differ")
    return Done("reachable, facts equal", effects=(Evidence("facts", "as ordered", {"versions": now.versions}),))


KIND = Kind(
    name="install",
    steps=(
        Step("image", has_image, 10 * MINUTE, "no_image"),
        preflight.CHECK,
        preflight.CLOCK,
        netboot.open_window("install", orders),
        netboot.ADOPT,
        netboot.URI,
        netboot.OVERRIDE,
        netboot.RESET,
        netboot.BOOTED,
        Step("boot_disk", boot_from_disk, 20 * MINUTE, "bmc_refused"),
        Step("written", written, 30 * MINUTE, "image_write"),
        Step("phone_home", phone_home, 60 * MINUTE, "no_phone_home"),
        Step("facts", facts, 20 * MINUTE, "unreachable"),
    ),
    from_states=frozenset({"burned_in", "installed", "validated", "quarantined"}),
    deadline_s=90 * MINUTE,  # decision 13
    becomes="installed",
)
