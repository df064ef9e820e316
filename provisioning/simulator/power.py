"""The power machine: what a reset asks for, when it is applied, and what it interrupts."""

from collections.abc import Callable

from provisioning.simulator import boot, draw, safety
from provisioning.simulator.host import Host

KINDS = (
    "On",
    "ForceOff",
    "ForceRestart",
    "GracefulRestart",
    "GracefulShutdown",
    "PushPowerButton",
    "Nmi",
    "PowerCycle",
)
LAG_S = (1.0, 11.0)  # between the answer and the effect [q:power-state-lag]
OFF_PAUSE_S = 10.0
SHUTDOWN_S = (15.0, 60.0)
_UP = ("On", "PoweringOn")

Effect = Callable[[Host], None]


def conflict(host: Host, kind: str) -> str | None:
    """The state that stands against this kind of reset ("ON" or "OFF"), or None."""
    if kind == "On":
        return "ON" if host.power in _UP else None
    return "OFF" if kind != "PushPowerButton" and host.power == "Off" else None


def ask(host: Host, kind: str, intent: str | None) -> None:
    """Take a reset that the BMC has accepted; it is applied 1 to 11 simulated seconds later."""
    host.reset_requests += 1
    if host.fire("power_noop", once=True, kind=kind):
        return
    lag = draw.between(*LAG_S, host.world.options.seed, host.name, "power lag", host.reset_requests)
    host.world.clock.at(lag, apply, host, kind, intent)


def apply(host: Host, kind: str, intent: str | None) -> None:
    """Do it now, unless the host is already there. Applied actions are counted and checked for safety."""
    if kind == "PushPowerButton":
        kind = "On" if host.power == "Off" else "GracefulShutdown"
    if conflict(host, kind):
        host.world.journal.write("reset_moot", host.name, kind=kind, intent=intent, power=host.power)
        return
    host.resets += 1
    host.world.journal.write(
        "reset_applied", host.name, kind=kind, intent=intent, power=host.power, phase=host.phase, resets=host.resets
    )
    safety.check_reset(host, kind, intent)
    host.bmc.log("Lclog", "SYS1001" if kind == "ForceOff" else "SYS1003", f"System power action {kind} was applied.")
    _ACTIONS[kind](host)


def cut(host: Host) -> None:
    """Power is gone at once."""
    host.stop()
    host.power = "Off"
    host.enter("off", "None")


def switch_on(host: Host, *, pause_s: float = 0.0, after_ac: bool = False) -> None:
    """Start the machine, `pause_s` later."""
    host.stop()
    host.task = host.world.spawn(boot.run(host, pause_s=pause_s, after_ac=after_ac))


def ac_cycle(host: Host, *, final_on: bool, intent: str | None, off_s: float = 30.0) -> None:
    """Take all power away and give it back: the BMC restarts, what waited for it becomes active."""
    host.resets += 1
    host.world.journal.write(
        "reset_applied",
        host.name,
        kind="ACCycle",
        intent=intent,
        power=host.power,
        phase=host.phase,
        resets=host.resets,
    )
    safety.check_reset(host, "ACCycle", intent)
    cut(host)
    safety.activate(host, "ac")
    host.bmc.restart("power was cut")
    if final_on:
        switch_on(host, pause_s=off_s, after_ac=True)


def _cycle(host: Host) -> None:
    cut(host)
    switch_on(host, pause_s=OFF_PAUSE_S)


def _restart(host: Host) -> None:
    host.stop()
    switch_on(host)


def _shut_down(host: Host) -> None:
    _when_shut_down(host, cut)


def _restart_gracefully(host: Host) -> None:
    _when_shut_down(host, _restart)


def _when_shut_down(host: Host, then: Effect) -> None:
    """Ask the operating system to end; without one nothing happens, as on the real thing."""
    if host.boot_progress != "OSRunning":
        host.world.journal.write("shutdown_ignored", host.name, phase=host.phase)
        return
    host.agent_is_up = False
    host.say("systemd-shutdown: Powering off.")
    if then is cut:
        host.power = "PoweringOff"
    boots = host.boots

    def finish() -> None:
        if host.boots == boots and host.power != "Off":
            then(host)

    wait_s = draw.between(*SHUTDOWN_S, host.world.options.seed, host.name, "shutdown", host.resets)
    host.world.clock.at(wait_s, finish)


def _interrupt(host: Host) -> None:
    host.say("NMI received for unknown reason")


_ACTIONS: dict[str, Effect] = {
    "On": switch_on,
    "ForceOff": cut,
    "ForceRestart": _restart,
    "GracefulRestart": _restart_gracefully,
    "GracefulShutdown": _shut_down,
    "PowerCycle": _cycle,
    "Nmi": _interrupt,
}
