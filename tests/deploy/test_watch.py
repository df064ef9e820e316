"""The summary's judgement, and chaos at its shares."""

from deploy import watch
from deploy.chaos import Chaos

TRUTH = {
    "host-001": {"fault": None, "expected": {"state": "in_service", "cause": None}, "may_also": [], "finding": None},
    "host-002": {
        "fault": "firmware_wrong",
        "expected": {"state": "quarantined", "cause": "firmware_drift"},
        "may_also": [{"state": "in_service", "cause": None}],
        "finding": None,
    },
    "host-003": {
        "fault": "clock_wrong",
        "expected": {"state": "in_service", "cause": None},
        "may_also": [],
        "finding": "clock_corrected",
    },
}


def wrong(**got: tuple[str, str | None, set[str]]) -> list[str]:
    ends = [watch.End(name.replace("_", "-"), *end) for name, end in got.items()]
    return [row["host"] for row in watch.wrong_ends(ends, TRUTH)]


RIGHT = {"host_001": ("in_service", None, set()), "host_002": ("quarantined", "firmware_drift", set())}
CLOCK = {"host_003": ("in_service", None, {"clock_corrected"})}


def test_right_ends_are_right() -> None:
    assert wrong(**RIGHT, **CLOCK) == []
    assert wrong(**{**RIGHT, "host_002": ("in_service", None, set())}, **CLOCK) == []


def test_a_wrong_state_a_wrong_cause_a_missing_finding_and_a_missing_host_are_wrong() -> None:
    assert wrong(**{**RIGHT, "host_001": ("quarantined", "no_network_boot", set())}, **CLOCK) == ["host-001"]
    assert wrong(**{**RIGHT, "host_002": ("quarantined", "part_missing", set())}, **CLOCK) == ["host-002"]
    assert wrong(**RIGHT, host_003=("in_service", None, set())) == ["host-003"]
    assert wrong(**RIGHT) == ["host-003"]


def test_a_host_that_never_got_on_is_wrong_though_nothing_was_injected() -> None:
    assert wrong(**{**RIGHT, "host_001": ("cabled", None, set())}, **CLOCK) == ["host-001"]


def test_a_summary_holds_only_when_all_three_do() -> None:
    good = {"wrong": [], "violations": 0, "history_ok": True}
    assert watch.holds(good)
    for bad in ({"wrong": [{"host": "host-001"}]}, {"violations": 1}, {"history_ok": False}):
        assert not watch.holds({**good, **bad})


def test_share_of_hosts_done() -> None:
    look = watch.Look({"cabled": 6, "in_service": 3, "quarantined": 1}, under_way=5, transitions=9)
    assert look.done == 0.4
    assert str(look) == "6 cabled, 3 in_service, 1 quarantined; 5 operations under way"
    assert watch.Look({}, under_way=0, transitions=0).done == 1.0


def test_chaos_strikes_each_once_in_order() -> None:
    struck: list[str] = []
    chaos = Chaos(kill=lambda: struck.append("kill"), flush=lambda: struck.append("flush"))
    for done in (0.0, 0.19, 0.21, 0.21, 0.5, 0.5, 1.0, 1.0):
        chaos.look(done)
    assert struck == ["kill", "flush", "kill", "flush", "kill", "flush"]
