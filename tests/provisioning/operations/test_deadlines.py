"""How long steps and whole operations may take: the tables, the profile, the scale."""

import pytest
from django.test import override_settings

from fleet import profiles
from provisioning.operations import deadlines
from provisioning.operations.kinds import MINUTE
from provisioning.operations.registry import KINDS

HOURS = {
    "identify": 1,
    "inspect": 0.75,
    "update": 6,
    "burn_in": 1,
    "install": 1.5,
    "validate": 1.5,
    "drain": 25,
    "power": 1,
}
TESTS = {"burn_in": {"tests": [{"name": "a", "minutes": 40}, {"name": "b", "minutes": 20}]}}


@pytest.mark.parametrize("name", KINDS)
def test_a_kind_has_as_long_as_the_table_says(name):
    assert deadlines.of_kind(KINDS[name], {}) == HOURS[name] * 60 * MINUTE


def test_tests_may_take_a_tenth_longer_than_the_profile_says():
    """A profile that burns in for two days was failed after two hours."""
    burn_in = KINDS["burn_in"]
    assert deadlines.of_kind(burn_in, TESTS) == pytest.approx((60 + 66) * MINUTE)
    steps = {s.name: deadlines.of_step(s, TESTS) for s in burn_in.steps}
    assert steps["tests"] == pytest.approx((60 + 66) * MINUTE) and steps["booted"] == 90 * MINUTE
    two_days = {"burn_in": {"tests": [{"name": "a", "minutes": 2880}]}}
    assert deadlines.of_step(burn_in.steps[-1], two_days) > 2880 * MINUTE
    assert deadlines.of_kind(KINDS["install"], TESTS) == 90 * MINUTE


def test_the_profile_stands_over_the_kind():
    profile = {**TESTS, "deadlines": {"burn_in": 30, "install": 150}}
    assert deadlines.of_kind(KINDS["burn_in"], profile) == 30 * MINUTE
    assert deadlines.of_kind(KINDS["install"], profile) == 150 * MINUTE
    assert profiles.problems(profile) == []


def test_kinds_that_profiles_may_time_are_those_that_there_are():
    assert set(profiles.TIMED) == set(KINDS)
    assert profiles.problems({"deadlines": {"instal": 60}}) == [
        f"deadlines.instal: no such kind; known are {', '.join(profiles.TIMED)}"
    ]


@pytest.mark.parametrize("minutes", [0, -5, "60", True, 1e20, float("inf"), float("nan")])
def test_what_is_no_time_is_refused_by_its_name(minutes):
    right = "more than 0, at most 527040"
    test = {"name": "gpu", "minutes": minutes}
    assert profiles.problems({"burn_in": {"tests": [test]}}) == [
        f"burn_in.tests[0]: {test!r} should be {{name: text, minutes: {right}}}"
    ]
    assert profiles.problems({"deadlines": {"install": minutes}}) == [
        f"deadlines.install: {minutes!r} should be minutes, {right}"
    ]


@pytest.mark.parametrize("scale", [2, 60, 100_000])
@pytest.mark.parametrize("name", KINDS)
def test_on_a_scaled_installation_the_whole_outlasts_its_steps(name, scale):
    """Each step has 30 s on top there; the whole must not fail a host whose steps are all in time."""
    kind = KINDS[name]
    with override_settings(TIME_SCALE=scale):
        steps = sum(deadlines.of_step(step, TESTS) for step in kind.steps)
        assert deadlines.of_kind(kind, TESTS) >= steps > 30 * len(kind.steps)
        assert deadlines.of_kind(kind, TESTS) >= HOURS[name] * 3600 / scale + 30
