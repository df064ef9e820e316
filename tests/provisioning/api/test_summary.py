"""GET /summary: the fleet in numbers."""

from tests.support import make, people


def test_numbers(db):
    make.hosts(2, "cabled")
    make.host("quarantined", cause="clock")
    make.switch()
    make.operation("identify", make.host("cabled"), state="active")
    body = people.program("viewer").get("/summary").json()
    assert body["hosts"] == 4
    assert body["by_state"] == {"cabled": 3, "quarantined": 1}
    assert body["by_cause"] == {"clock": 1}
    assert body["active_operations"] == body["operations"] == 1
    assert body["transitions"] > 4


def test_an_empty_fleet(db):
    body = people.program("viewer").get("/summary").json()
    assert (body["hosts"], body["by_state"], body["by_cause"], body["transitions"]) == (0, {}, {}, 0)
