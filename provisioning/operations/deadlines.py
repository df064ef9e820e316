"""How long a step and a whole operation may take: the kinds' tables, the profile, the scale. All in real seconds."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from provisioning.operations import pace
from provisioning.operations.kinds import MINUTE, Kind, Step

# Tests may take a tenth longer than the profile says (lifecycle.md).
SLACK = 1.1


def of_step(step: Step, profile: Mapping[str, Any]) -> float:
    """From the step's first claim."""
    return pace.deadline(_field_s(step, profile))


def of_kind(kind: Kind, profile: Mapping[str, Any]) -> float:
    """From the operation's first claim. The profile's `deadlines` stand over the kind's own.

    On a scaled installation what the machine itself is slow at is divided by nothing, and each step's deadline has a
    grace for it; there the whole lasts at least as long as its steps together, so it fails nothing that they allow.
    """
    own = profile.get("deadlines", {}).get(kind.name)
    tests_s = sum(_tests_s(step, profile) for step in kind.steps)
    whole = pace.deadline(kind.deadline_s + tests_s if own is None else float(own) * MINUTE)
    if settings.TIME_SCALE == 1:
        return whole
    return max(whole, sum(of_step(step, profile) for step in kind.steps))


def _field_s(step: Step, profile: Mapping[str, Any]) -> float:
    return step.deadline_s + _tests_s(step, profile)


def _tests_s(step: Step, profile: Mapping[str, Any]) -> float:
    tests = profile.get(step.tests, {}).get("tests", []) if step.tests else []
    return SLACK * sum(float(test.get("minutes", 0)) for test in tests) * MINUTE
