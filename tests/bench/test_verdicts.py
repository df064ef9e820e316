"""What the benchmarks of a bring-up and of rest make of their figures."""

import pytest

from bench import idle, install

A = {
    "cpu_s_per_host": 0.04,
    "bmc_requests_per_host": 18.0,
    "bmc_requests_per_s": 900.0,
    "accept_s": 0.3,
    "peak_pss_mib": 400.0,
    "installed": 511,
}
B = {
    "cpu_s_per_host": 0.1,
    "bmc_requests_per_host": 54.0,
    "accept_s": 0.6,
    "peak_pss_mib": 500.0,
    "in_service": 511,
    "violations": 0,
    "history_ok": True,
}
C = {
    "running_when_killed": 120,
    "enough": 89,
    "stuck_after_60_s": 0,
    "ends": {"succeeded": 200},
    "resets_wrong": 0,
    "violations": 0,
}


def verdict(hosts=511, **more):
    return install.verdict({"hosts": hosts, "A": A, "B": B, "C": C, **more})


def test_all_right():
    found = verdict()
    assert found["holds"] and (found["nearest"], found["ratio"]) == ("A: BMC requests a host", 0.9)


@pytest.mark.parametrize(
    ("letter", "wrong", "broken"),
    [
        ("A", {"cpu_s_per_host": 0.17}, "A: CPU s a host, enrol to deployed"),
        ("A", {"installed": 510}, "A: all installed"),
        ("B", {"history_ok": False}, "B: history"),
        ("B", {"in_service": 510}, "B: all in service"),
        ("C", {"stuck_after_60_s": 1}, "C: stuck after 60 s"),
        ("C", {"ends": {"succeeded": 199, "lost": 1}}, "C: all succeeded"),
        ("C", {"running_when_killed": 88}, "C: enough were running"),
    ],
)
def test_what_does_not_hold_is_named(letter, wrong, broken):
    found = verdict(**{letter: {"A": A, "B": B, "C": C}[letter] | wrong})
    assert not found["holds"] and found["broken"] == [broken]


def test_a_larger_fleet_is_held_to_the_cost_of_a_host():
    large = {"installed": 5110, "peak_pss_mib": 900.0, "accept_s": 2.0}
    found = verdict(5110, A=A | large, B=B | {"in_service": 5110}, reference={"A": A})
    assert found["holds"] and found["limits"]["A: cost a host beside that of 511"] == {"figure": 1.0, "limit": 1.1}
    dear = verdict(5110, A=A | large | {"cpu_s_per_host": 0.05}, B=B | {"in_service": 5110}, reference={"A": A})
    assert dear["broken"] == ["A: cost a host beside that of 511"]


def test_rest():
    figures = {"hosts": 511, "in_service": 511, "percent_of_a_core": 1.5}
    assert idle.verdict(figures)["ratio"] == 0.5
    assert not idle.verdict(figures | {"percent_of_a_core": 3.3})["holds"]
    assert not idle.verdict(figures | {"in_service": 510})["holds"]
