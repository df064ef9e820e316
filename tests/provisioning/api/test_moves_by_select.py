"""POST /transitions for all hosts that match."""

from fleet.models import Device
from tests.support import make, people


def test_all_that_match_are_moved_or_none(db):
    hosts, program = make.hosts(3, "racked"), people.program("technician")
    other = make.host("received")
    body = {"select": {"state": "racked"}, "to": "cabled", "reason": "cables are in"}
    answer = program.post("/transitions", body)
    assert answer.status_code == 201
    assert sorted(t["subject_id"] for t in answer.json()["transitions"]) == [h.pk for h in hosts]
    assert Device.objects.get(pk=other.pk).state == "received"
    assert program.post("/transitions", body).status_code == 404, "nothing matches any more"
    names = {"select": {"hosts": [hosts[0].name, other.name]}, "to": "cabled", "reason": "these two"}
    assert program.post("/transitions", names).status_code == 409
    for wrong in ({"host": other.name, **body}, {k: v for k, v in body.items() if k != "select"}):
        assert program.post("/transitions", wrong).status_code == 422
