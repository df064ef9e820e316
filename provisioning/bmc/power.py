"""The one decision about power: what is seen, what is wanted and what was sent say what to do next. Pure.

Acts only on a confirmed state: unknown is not off (M20), On is never a cycle, and a state in between is waited out.
Whether a wait has lasted too long, and whether to try once more, is for the step: it has the deadline, and a second
attempt is a call without marker.
"""

from dataclasses import dataclass
from typing import Final, Literal, cast

from provisioning.bmc.types import ResetKind, SystemState

Want = Literal["on", "off", "shutdown", "restart", "restart_gracefully", "power_cycle"]


@dataclass(frozen=True, slots=True)
class Marker:
    """That a reset was sent, with what the BMC said of the last reset just before."""

    last_reset_at: str | None


@dataclass(frozen=True, slots=True)
class Decision:
    """do: "send" has a reset, the others have none. words: why, for the log of the step."""

    do: Literal["done", "send", "wait", "unknown"]
    words: str
    reset: ResetKind | None = None


# For a host that is on, strongest wish first; the first one that the BMC offers is taken.
_WHEN_ON: Final[dict[Want, tuple[ResetKind, ...]]] = {
    "off": ("ForceOff",),
    "shutdown": ("GracefulShutdown",),
    "restart": ("ForceRestart", "PowerCycle"),
    "restart_gracefully": ("GracefulRestart",),
    "power_cycle": ("PowerCycle", "ForceRestart"),
}


def decide(state: SystemState | None, want: Want, marker: Marker | None = None) -> Decision:
    """What to do so that `want` comes true.

    state: as just read, None if it could not be read. marker: None until a reset was sent for this wish.
    A wish to boot anew ("restart" and its kin) is met by a reset that the BMC reports after the marker; for a host that
    is off it is met by On.
    """
    if state is None or state.power is None:
        return Decision("unknown", "power state is not known, so nothing is done")
    if state.power in ("PoweringOn", "PoweringOff"):
        return Decision("wait", f"power state is {state.power}")
    if want == "on":
        return Decision("done", "is on") if state.power == "On" else _switch_on(marker)
    if want in ("off", "shutdown"):
        return Decision("done", "is off") if state.power == "Off" else _act(state, want, marker)
    if marker is not None:
        return _booted_anew(state, marker)
    return _switch_on(None) if state.power == "Off" else _act(state, want, None)


def _switch_on(marker: Marker | None) -> Decision:
    if marker is not None:
        return Decision("wait", "On was sent, the host is still off")
    return Decision("send", "is off", "On")


def _act(state: SystemState, want: Want, marker: Marker | None) -> Decision:
    if marker is not None:
        return Decision("wait", "a reset was sent, the host is still on")
    offered = [kind for kind in _WHEN_ON[want] if not state.reset_kinds or kind in state.reset_kinds]
    if not offered:
        return Decision("unknown", f"BMC offers none of {', '.join(_WHEN_ON[want])}")
    return Decision("send", "is on", offered[0])


def _booted_anew(state: SystemState, marker: Marker) -> Decision:
    if state.power != "On":
        return Decision("wait", f"a reset was sent, power state is {state.power}")
    if state.last_reset_at is None:
        return Decision("unknown", "BMC does not report its last reset; another witness must tell")
    if state.last_reset_at == marker.last_reset_at:
        return Decision("wait", "a reset was sent, no new one is reported yet")
    return Decision("done", f"reset at {state.last_reset_at}")


_MEETS: Final[dict[ResetKind, frozenset[str]]] = {
    "On": frozenset({"On", "PoweringOn"}),
    "ForceOff": frozenset({"Off", "PoweringOff"}),
    "GracefulShutdown": frozenset({"Off", "PoweringOff"}),
}


def already_there(kind: ResetKind, state: SystemState) -> bool:
    """Whether a refused reset asked for what is so already (quirk power-409-already). A restart never is."""
    return cast(str, state.power) in _MEETS.get(kind, frozenset())
