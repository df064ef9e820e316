"""GET /hosts, its filters and histories."""

from itertools import pairwise

import pytest

from fleet.models import Bmc, Rack, Row
from tests.support import make, people


@pytest.fixture
def fleet(db):
    """Three hosts that differ in all that can be filtered by."""
    row = Row.objects.create(site=make.site(), name="A")
    rack = Rack.objects.create(row=row, name="A01")
    profile = make.profile()
    one = make.host("cabled", name="host-001", serial="AAA111", rack=rack, unit=7, pod="s01", profile=profile)
    two = make.host("quarantined", name="host-002", serial="BBB222", cause="gpu_missing")
    make.host("in_service", name="host-003", serial="CCC333")
    Bmc.objects.create(device=two, address="127.64.0.2")
    make.switch()
    return {"host": one, "profile": profile.name}


def names(answer):
    assert answer.status_code == 200, answer.content
    return [h["name"] for h in answer.json()["items"]]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, ["host-001", "host-002", "host-003"]),
        ({"state": "cabled"}, ["host-001"]),
        ({"state": "retired"}, []),
        ({"cause": "gpu_missing"}, ["host-002"]),
        ({"pod": "s01"}, ["host-001"]),
        ({"rack": "A01"}, ["host-001"]),
        ({"row": "A"}, ["host-001"]),
        ({"q": "HOST-00"}, ["host-001", "host-002", "host-003"]),
        ({"q": "bbb"}, ["host-002"]),
        ({"q": "127.64.0.2"}, ["host-002"]),
        ({"q": "127.64.0.20"}, []),
        ({"state": "cabled", "q": "host-003"}, []),
    ],
)
def test_filters(fleet, query, found):
    assert names(people.program("viewer").get("/hosts", **query)) == found


def test_filter_by_profile(fleet):
    assert names(people.program("viewer").get("/hosts", profile=fleet["profile"])) == ["host-001"]


def test_a_state_that_does_not_exist_is_422_and_lists_those_that_do(fleet):
    answer = people.program("viewer").get("/hosts", state="happy")
    assert answer.status_code == 422
    assert "in_service" in answer.json()["title"]


def test_a_row_says_what_the_page_says(fleet):
    (row,) = people.program("viewer").get("/hosts", q="host-001").json()["items"]
    assert row["id"] == fleet["host"].pk
    assert (row["site"], row["row"], row["rack"], row["unit"], row["pod"]) == ("site-1", "A", "A01", 7, "s01")
    assert (row["state"], row["health"], row["holds"], row["active_operation"]) == ("cabled", "unknown", 0, None)
    assert row["state_since"].endswith("Z")


def test_the_history_of_a_host_is_in_order_and_whole(fleet):
    program = people.program("viewer")
    host_id = program.get("/hosts", q="host-003").json()["items"][0]["id"]
    seen, cursor = [], ""
    while cursor is not None:
        query = {"cursor": cursor} if cursor else {}
        page = program.get(f"/hosts/{host_id}/transitions", limit=2, **query).json()
        seen += page["items"]
        cursor = page["next"]
    assert [t["seq"] for t in seen] == list(range(1, len(seen) + 1))
    assert [t["to_state"] for t in seen][-1] == "in_service"
    assert all(a["to_state"] == b["from_state"] for a, b in pairwise(seen))


def test_transitions_by_subject(fleet):
    program = people.program("viewer")
    every = program.get("/transitions").json()["items"]
    assert [t["id"] for t in every] == sorted(t["id"] for t in every)
    chain = program.get("/transitions", subject_kind="host", subject_id=fleet["host"].pk).json()["items"]
    assert {t["subject_id"] for t in chain} == {fleet["host"].pk}
    assert program.get("/transitions", subject_kind="fish").status_code == 422
    answer = program.get("/transitions", subject_id=1)
    assert answer.status_code == 422
    assert answer.json()["field"] == "subject_kind"
