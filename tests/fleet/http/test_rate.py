"""Rate limits: per token or person, reading and acting apart; without Redis nobody is counted."""

import pytest
import time_machine
from redis import Redis

from fleet.http import rate
from tests.support import make, people


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(rate, "LIMITS", {"read": 3, "act": 2})


@pytest.fixture
def at_a_minute(db):
    with time_machine.travel("2030-01-01T12:00:40Z", tick=False) as now:
        yield now


def statuses(call, n):
    return [call().status_code for _ in range(n)]


def test_too_many_is_429_and_says_when_to_come_again(at_a_minute):
    program = people.program("viewer")
    assert statuses(lambda: program.get("/summary"), 4) == [200, 200, 200, 429]
    refused = program.get("/summary")
    assert refused["Retry-After"] == "20" and refused["Content-Type"] == "application/problem+json"
    assert refused.json()["code"] == "too_many" and "3 times a minute" in refused.json()["title"]
    at_a_minute.shift(20)
    assert program.get("/summary").status_code == 200


def test_each_token_and_person_has_its_own_and_acting_is_counted_apart(at_a_minute):
    one, two, person = people.program("operator"), people.program("operator"), people.signed_in("viewer")
    statuses(lambda: one.get("/summary"), 4)
    assert two.get("/summary").status_code == 200
    assert person.get("/api/v1/summary").status_code == 200
    hold = {"kind": "debug", "reason": "look at it"}
    path = f"/hosts/{make.host().pk}/holds"
    assert statuses(lambda: one.post(path, hold), 3) == [201, 201, 429]


def test_pages_and_booting_machines_are_not_counted(at_a_minute, client):
    person = people.signed_in("viewer")
    assert statuses(lambda: person.get("/hosts/"), 6) == [200] * 6
    assert 429 not in statuses(lambda: client.get("/boot/ipxe"), 6)


def test_without_redis_nobody_is_counted_and_nobody_waits(db, monkeypatch):
    monkeypatch.setattr(rate, "_redis", lambda: Redis.from_url("unix:///nowhere"))
    monkeypatch.setattr(rate, "_away_until", 0.0)
    program = people.program("viewer")
    assert statuses(lambda: program.get("/summary"), 6) == [200] * 6
