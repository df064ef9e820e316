"""Steps shared by every kind that boots its host from the network: window, address, override, reset, agent."""

from collections.abc import Callable
from typing import Any

from fleet import secrets
from provisioning.operations import pace, reset
from provisioning.operations.context import Context, WindowSnapshot
from provisioning.operations.kinds import MINUTE, Step
from provisioning.operations.outcomes import Done, Fail, OpenWindow, Outcome, Retry, Wait

# A host that asks this often without ever getting on is in a loop (eight boots in six minutes were seen).
LOOP_ASKS = 5
NO_ASK_S = 30 * MINUTE
POST_LIMIT_S = 45 * MINUTE
BOOT_TRIES = 2
# Stage of a window whose session came from a ramdisk that was up already; it asks for its orders within minutes.
ADOPTED = "adopted"
ADOPTED_S = 6 * MINUTE
ADOPTED_REAL_S = 8
# BootProgress values (Redfish) that mean: still in POST. Hardware that is initialized looks for a boot device already.
IN_POST = {
    "PrimaryProcessorInitializationStarted",
    "BusInitializationStarted",
    "MemoryInitializationStarted",
    "SecondaryProcessorInitializationStarted",
    "PCIResourceConfigStarted",
}
NOT_NEEDED = "not needed: the ramdisk is up"


def open_window(mode: str, orders: Callable[[Context], dict[str, Any]]) -> Step:
    """The step that lets the host boot from the network, with the orders it will get."""

    async def run(ctx: Context) -> Outcome:
        """Opens the window with the outcome; a second run opens a new one and kills the older tokens."""
        delivery = str(ctx.profile.get("delivery", "uefi_http"))
        window = OpenWindow(mode, delivery, orders(ctx), secrets.digest(uri_token(ctx)))
        return Done(f"boot window open for {mode} by {delivery}", {"boot_tries": 0}, (window,))

    return Step("window", run, 10 * MINUTE)


def uri_token(ctx: Context) -> str:
    """The path token of this operation's one-time address: derived, so that it is stored nowhere."""
    return secrets.derive("boot-uri", str(ctx.operation_id), ctx.host.serial)


async def set_uri(ctx: Context) -> Outcome:
    """The one-time address into the firmware's settings. Looks first; PXE and a BMC without it need none."""
    if ctx.result.get("adopted"):
        return Done(NOT_NEEDED)
    if ctx.profile.get("delivery") == "pxe":
        return Done("by PXE: no address to set")
    uri = f"{ctx.boot_url}/u/{uri_token(ctx)}/ipxe.efi"
    boot = await ctx.bmc.http_boot()
    if boot.pending_uri == uri and boot.pending_enabled:
        return Done("the one-time address is set")
    permit = await ctx.intend("set the one-time UEFI HTTP address")
    await ctx.bmc.set_http_boot(permit, uri, str(ctx.profile.get("http_interface", "")))
    # No read-back: the proof is that the host asks with this token.
    return Done("one-time address set")


async def set_override(ctx: Context) -> Outcome:
    """One network boot. Looks first; what it sees is the mark by which a reset is known later."""
    if ctx.result.get("adopted"):
        return Done(NOT_NEEDED)
    target = "Pxe" if ctx.profile.get("delivery") == "pxe" else "UefiHttp"
    state = await ctx.bmc.system()
    mark = {"last_reset_at": state.last_reset_at, "power": state.power, "seen_at": ctx.now.isoformat()}
    if state.override.enabled == "Once" and state.override.target == target:
        return Done(f"override is set: {target}, once", {"before_reset": mark})
    permit = await ctx.intend(f"set boot override: {target}, once")
    await ctx.bmc.set_boot_once(permit, target)  # type: ignore[arg-type]
    return Done(f"boot override set: {target}, once", {"before_reset": mark})


async def restart(ctx: Context) -> Outcome:
    """Restart the host, or switch it on: the one power function of every kind."""
    if ctx.result.get("adopted"):
        return Done(NOT_NEEDED)
    return await reset.act(ctx, "restart")


async def booted(ctx: Context) -> Outcome:
    """The host asked the boot service and its agent took its orders. Reads only."""
    window = ctx.window
    if window is None:
        return Wait(30, "the boot window is being opened")
    if window.failed_code:
        return Fail(window.words or window.failed_code, window.failed_code)
    if ctx.result.get("adopted"):
        return _took_over(ctx, window)
    if window.boot_used_at is not None and window.asks > int(ctx.result.get("asks_before", 0)):
        return Done(f"agent is up (boot id {window.boot_id[:8]}), {window.asks} asks")
    waited = (ctx.now - ctx.step_started_at).total_seconds()
    asks_now = window.asks - int(ctx.result.get("asks_before", 0))
    if asks_now >= LOOP_ASKS:
        return Fail(f"asked {asks_now} times in {pace.field_minutes(waited):.0f} min and never got on", "boot_loop")
    if asks_now:
        return Wait(MINUTE, f"asked {asks_now} times, last stage {window.stage or 'none'}", poked=True)
    if (left_s := pace.silence(NO_ASK_S) - waited) > 0:
        return Wait(max(pace.field_s(left_s), 30), "no ask yet", poked=True)
    return await _never_asked(ctx, waited)


def _took_over(ctx: Context, window: WindowSnapshot) -> Outcome:
    """The ramdisk that was up has its new orders; if it went away meanwhile, boot it anew."""
    if window.stage != ADOPTED:
        return Done(f"the ramdisk that was up took its orders (boot id {window.boot_id[:8]})")
    waited = (ctx.now - ctx.step_started_at).total_seconds()
    if waited < max(pace.seconds(ADOPTED_S), ADOPTED_REAL_S):
        return Wait(2 * MINUTE, "the ramdisk of the burn-in is to ask for its orders")
    gone = {"adopted": False, "asks_before": window.asks}
    return Retry("the ramdisk of the burn-in is gone", "no_network_boot", result=gone, back_to="uri")


async def _never_asked(ctx: Context, waited: float) -> Outcome:
    state = await ctx.bmc.system()
    minutes = pace.field_minutes(waited)
    if state.boot_progress in IN_POST:
        if waited < pace.silence(POST_LIMIT_S):
            return Wait(5 * MINUTE, f"still in POST ({state.boot_progress}) after {minutes:.0f} min")
        return Fail(f"in POST ({state.boot_progress}) for {minutes:.0f} min", "post_hang")
    words = (
        f"no network boot in {minutes:.0f} min: power {state.power}, {state.boot_progress or 'progress unknown'}, "
        f"override {state.override.target or 'None'} {state.override.enabled or ''}"
    ).strip()
    tries = int(ctx.result.get("boot_tries", 0)) + 1
    if tries >= BOOT_TRIES:
        return Fail(words, "no_network_boot")
    asks = ctx.window.asks if ctx.window else 0
    return Retry(words, "no_network_boot", result={"boot_tries": tries, "asks_before": asks}, back_to="override")


async def adopt(ctx: Context) -> Outcome:
    """See whether the window that was just opened has taken over a ramdisk that is up: it saves a whole POST.

    The first run only comes back with a fresh look. Reads only.
    """
    if ctx.now == ctx.step_started_at:
        return Wait(1, "looking for a ramdisk that is up")
    up = ctx.window is not None and ctx.window.boot_used_at is not None
    return Done("the ramdisk of the burn-in is still up" if up else "no ramdisk is up", {"adopted": up})


ADOPT = Step("adopt", adopt, 10 * MINUTE)
URI = Step("uri", set_uri, 20 * MINUTE, "bmc_refused")
OVERRIDE = Step("override", set_override, 20 * MINUTE, "bmc_refused")
RESET = Step("reset", restart, 30 * MINUTE, "power_no_effect")
BOOTED = Step("booted", booted, 90 * MINUTE, "no_network_boot")
