"""Cursors: opaque, whole, and never an error of ours whatever is sent."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleet.errors import BadValue
from fleet.http import paging
from tests.support import make, people


@given(st.text(max_size=30).filter(lambda t: "\0" not in t and t.isprintable()))
def test_a_cursor_gives_back_its_values(value):
    assert paging.decode(paging.encode(value), [str]) == [value]


@given(st.text(max_size=60))
def test_anything_else_is_refused_in_words(cursor):
    with contextlib.suppress(BadValue):
        (value,) = paging.decode(cursor, [int])
        assert abs(value) <= paging.BIGINT


@pytest.mark.parametrize("values", [["a\0b"], [1], [["x"]], ["x", "y"], [None], [10**30], ["\ud800"]])
def test_a_forged_cursor_is_refused(values):
    with pytest.raises(BadValue):
        paging.decode(paging.encode(*values), [str])


def test_pages_hold_every_row_once(db):
    names = [h.name for h in make.hosts(7)]
    program, seen, cursor = people.program("viewer"), [], None
    while True:
        query = {"limit": 3, **({"cursor": cursor} if cursor else {})}
        answer = program.get("/hosts", **query).json()
        seen += [h["name"] for h in answer["items"]]
        cursor = answer["next"]
        if cursor is None:
            break
    assert seen == sorted(names)


def test_the_last_page_that_is_full_has_no_next(db):
    make.hosts(3)
    assert people.program("viewer").get("/hosts", limit=3).json()["next"] is None


@pytest.mark.parametrize("limit", [0, 1001, -1, "x", 10**30])
def test_limits_are_1_to_1000(db, limit):
    answer = people.program("viewer").get("/hosts", limit=limit)
    assert answer.status_code == 422
    assert answer.json()["field"] == "limit"
