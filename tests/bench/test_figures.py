"""The arithmetic of the benchmarks: limits, ratios, differences. Times are measured by the benchmarks alone."""

import math
import os
import time

import pytest

from bench.rig import figures, meters
from bench.rig.figures import Limit


@pytest.mark.parametrize(
    ("limit", "ratio", "holds"),
    [
        (Limit("cost", 0.08, 0.16), 0.5, True),
        (Limit("cost", 0.16, 0.16), 1.0, True),
        (Limit("cost", 0.24, 0.16), 1.5, False),
        (Limit("rate", 1100, 550, more_is_better=True), 0.5, True),
        (Limit("rate", 275, 550, more_is_better=True), 2.0, False),
        (Limit("rate", 0, 550, more_is_better=True), math.inf, False),
        (Limit("doubled", 0, 0), 0.0, True),
        (Limit("doubled", 1, 0), math.inf, False),
    ],
)
def test_a_ratio_of_at_most_one_holds(limit, ratio, holds):
    assert (limit.ratio, limit.holds) == (ratio, holds)


def test_the_line_has_the_nearest_limit_and_names_what_is_broken():
    limits = [Limit("cost", 0.08, 0.16), Limit("rate", 500, 550, more_is_better=True), Limit("doubled", 0, 0)]
    found = figures.line("x", limits=limits, right={"all there": True, "none lost": False}, figures={"n": 1})
    assert (found["ratio"], found["nearest"]) == (1.1, "rate")
    assert found["broken"] == ["rate", "none lost"] and found["holds"] is False
    assert {"bench", "ratio", "peer", "limit", "better", "holds", "unit", "figures"} <= set(found)


def test_a_breach_of_a_limit_of_zero_has_no_ratio():
    found = figures.line("x", limits=[Limit("doubled", 2, 0)], right={}, figures={})
    assert found["ratio"] is None and found["holds"] is False


def test_cpu_is_counted_for_the_product_alone():
    before = {"web": 1.0, "worker": 2.0, "simulator": 5.0}
    after = {"web": 1.5, "worker": 4.0, "simulator": 9.0, "postgres": 0.25}
    spent = figures.spent(before, after)
    assert spent == {"web": 0.5, "worker": 2.0, "simulator": 4.0, "postgres": 0.25}
    assert figures.product_cpu_s(spent) == 2.75


def test_memory_and_the_machines_time_are_read():
    assert meters.pss_mib([os.getpid()]) > 1
    assert meters.pss_mib([2**22 + 1]) == 0
    before, until = meters.machine_busy_s(), time.monotonic() + 30
    while meters.machine_busy_s() <= before and time.monotonic() < until:
        sum(range(100_000))
    assert meters.machine_busy_s() > before
