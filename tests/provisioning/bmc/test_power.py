"""The power decision, row by row, and its rules for every state."""

import itertools
from typing import get_args

import pytest

from provisioning.bmc.power import Marker, Want, already_there, decide
from provisioning.bmc.types import Override, Power, ResetKind, SystemState

ALL = ("On", "ForceOff", "ForceRestart", "GracefulShutdown", "GracefulRestart", "PowerCycle")
WANTS = get_args(Want)
OLD, NEW = "2026-11-02T10:00:00-06:00", "2026-11-02T10:05:00-06:00"


def seen(power, last=OLD, kinds=ALL):
    return SystemState(power, None, last, "ok", Override(None, None, None), None, None, reset_kinds=kinds)


@pytest.mark.parametrize(
    ("power", "want", "do", "reset"),
    [
        ("On", "on", "done", None),
        ("Off", "on", "send", "On"),
        ("On", "off", "send", "ForceOff"),
        ("Off", "off", "done", None),
        ("On", "shutdown", "send", "GracefulShutdown"),
        ("Off", "shutdown", "done", None),
        ("On", "restart", "send", "ForceRestart"),
        ("Off", "restart", "send", "On"),
        ("On", "restart_gracefully", "send", "GracefulRestart"),
        ("On", "power_cycle", "send", "PowerCycle"),
        ("Off", "power_cycle", "send", "On"),
    ],
)
def test_first_look(power, want, do, reset):
    decision = decide(seen(power), want)
    assert (decision.do, decision.reset) == (do, reset)


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("marker", [None, Marker(OLD)])
@pytest.mark.parametrize("state", [None, seen(None)])
def test_unknown_power_is_no_reason_to_act(state, marker, want):
    """M20: unknown was taken as off, and healthy hosts were rebooted."""
    assert decide(state, want, marker).do == "unknown"


@pytest.mark.parametrize("want", WANTS)
@pytest.mark.parametrize("power", ["PoweringOn", "PoweringOff"])
def test_a_state_in_between_is_waited_out(power, want):
    assert decide(seen(power), want).do == "wait"


def test_on_is_never_a_cycle():
    """M20: whatever is seen, a wish for on sends On or nothing."""
    sent = {
        decide(seen(power), "on", marker).reset
        for power, marker in itertools.product(get_args(Power), [None, Marker(OLD)])
    }
    assert sent == {None, "On"}


@pytest.mark.parametrize(("want", "power"), itertools.product(WANTS, get_args(Power)))
def test_nothing_is_sent_twice_for_one_wish(want, power):
    assert decide(seen(power), want, Marker(OLD)).do != "send"
    assert decide(seen(power, NEW), want, Marker(OLD)).do != "send"


@pytest.mark.parametrize("want", ["restart", "restart_gracefully", "power_cycle"])
def test_a_restart_is_done_when_the_bmc_reports_a_new_reset(want):
    assert decide(seen("On", OLD), want, Marker(OLD)).do == "wait"
    assert decide(seen("Off", NEW), want, Marker(OLD)).do == "wait"
    assert decide(seen("On", NEW), want, Marker(OLD)).do == "done"
    assert decide(seen("On", NEW), want, Marker(None)).do == "done"


def test_a_bmc_that_reports_no_reset_proves_no_restart():
    assert decide(seen("On", None), "restart", Marker(None)).do == "unknown"
    assert decide(seen("Off", None), "restart", Marker(None)).do == "wait"


def test_what_is_not_offered_is_not_sent():
    assert decide(seen("On", kinds=("On", "ForceOff", "PowerCycle")), "restart").reset == "PowerCycle"
    assert decide(seen("On", kinds=("On", "ForceOff")), "restart").do == "unknown"
    assert decide(seen("On", kinds=()), "restart").reset == "ForceRestart"


@pytest.mark.parametrize(
    ("kind", "power", "there"),
    [
        ("On", "On", True),
        ("On", "PoweringOn", True),
        ("On", "Off", False),
        ("ForceOff", "Off", True),
        ("GracefulShutdown", "PoweringOff", True),
        ("ForceOff", "On", False),
        ("ForceRestart", "On", False),
        ("PowerCycle", "Off", False),
        ("On", None, False),
    ],
)
def test_a_conflict_is_success_only_if_the_wish_is_met(kind: ResetKind, power, there):
    assert already_there(kind, seen(power)) is there
