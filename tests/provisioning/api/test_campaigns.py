"""Campaigns by the API: review, start, pause, go on, halt, end."""

import pytest

from fleet import lifecycle
from fleet.models import IdempotencyKey
from provisioning.models import Campaign, Operation
from tests.support import make, people

BODY = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "bring them up"}


def test_a_dry_run_shows_and_starts_nothing_and_needs_no_key(db):
    one, two = make.hosts(2)
    answer = people.program().post("/campaigns", {**BODY, "dry_run": True}, key="")
    assert answer.status_code == 200
    assert answer.json()["hosts"] == [one.name, two.name]
    assert answer.json()["chain"][0] == "identify"
    assert answer.json()["refused"] == []
    assert not Campaign.objects.exists()
    assert not IdempotencyKey.objects.exists()


def test_a_dry_run_names_who_cannot_take_part(db):
    host = make.host("cabled")
    make.operation("identify", host, state="active")
    answer = people.program().post("/campaigns", {**BODY, "dry_run": True}, key="")
    assert [r["value"] for r in answer.json()["refused"]] == [host.name]
    assert people.program().post("/campaigns", BODY).status_code == 409
    assert not Campaign.objects.exists()


def test_a_campaign_starts_and_counts(db):
    make.hosts(3)
    program = people.program()
    answer = program.post("/campaigns", {**BODY, "at_once": 2})
    assert answer.status_code == 202
    made = answer.json()
    assert (made["state"], made["hosts"], made["at_once"], made["hosts_done"]) == ("running", 3, 2, 0)
    assert made["by_state"] == {"queued": 18}
    assert Operation.objects.filter(wake_at__isnull=False).count() == 2
    first = Operation.objects.filter(campaign_id=made["id"], chain_n=0).first()
    lifecycle.move("operation", [first.pk], to="active", actor=lifecycle.system("engine"), reason="claimed")
    lifecycle.move("operation", [first.pk], to="failed", actor=lifecycle.system("engine"), reason="x", cause="clock")
    Operation.objects.filter(pk=first.pk).update(cause="clock")
    seen = program.get(f"/campaigns/{made['id']}").json()
    assert seen["by_state"] == {"failed": 1, "queued": 17}
    assert seen["by_cause"] == {"clock": 1}
    assert [t["to_state"] for t in seen["transitions"]] == ["draft", "running"]
    assert [c["id"] for c in program.get("/campaigns").json()["items"]] == [made["id"]]


def test_pause_go_on_halt_end(db):
    make.hosts(2)
    program = people.program()
    pk = program.post("/campaigns", BODY).json()["id"]

    def move(verb):
        return program.post(f"/campaigns/{pk}/{verb}", {"reason": "as asked"})

    assert move("pause").json()["state"] == "paused"
    assert move("pause").json()["state"] == "paused"
    assert move("resume").json()["state"] == "running"
    assert move("end").status_code == 409
    assert move("halt").json()["state"] == "halted"
    assert move("pause").status_code == 409
    assert move("end").json()["state"] == "done"
    assert move("resume").status_code == 409
    assert set(Operation.objects.values_list("state", flat=True)) == {"cancelled"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fly"},
        {"select": {}},
        {"select": {"colour": "red"}},
        {"at_once": 0},
        {"at_once": "2"},
        {"at_once": 10**30},
        {"params": {"into_service": True}},
        {"dry_run": "yes"},
        {"reason": "x"},
    ],
)
def test_what_cannot_be_asked_for_is_422(db, wrong):
    make.hosts(1)
    assert people.program().post("/campaigns", {**BODY, **wrong}).status_code == 422
    assert not Campaign.objects.exists()


def test_nothing_that_matches_is_404(db):
    assert people.program().post("/campaigns", BODY).status_code == 404
    missing = {**BODY, "select": {"hosts": ["host-x"]}}
    assert people.program().post("/campaigns", missing).status_code == 404


class TestReview:
    """A dry run says what it would touch; the data of many hosts takes two persons."""

    def test_the_blast_radius_beside_waves_and_rules(self, db):
        hosts = make.hosts(2, "in_service")
        body = {"kind": "install", "select": {"state": "in_service"}, "reason": "new image", "dry_run": True}
        shown = people.program().post("/campaigns", body).json()
        assert shown["chain"] == ["drain", "install", "validate"]
        assert shown["hosts"] == sorted(h.name for h in hosts)
        assert (shown["data_lost"], shown["service"]) == (2, {"lost": 2, "now": 2, "remain": 0})
        assert shown["waves"] and shown["rules"]
        assert "campaign" in shown["asks"]
        assert not Campaign.objects.exists()

    def test_data_of_many_hosts_waits_with_its_rules(self, db):
        make.hosts(26, "installed")
        body = {"kind": "install", "select": {"state": "installed"}, "reason": "new image", "waves": [1, "rest"]}
        body["window"] = {"opens": "22:00", "closes": "04:00"}
        waits = people.program().post("/campaigns", body)
        assert waits.status_code == 202, waits.content
        assert (waits.json()["act"], waits.json()["verb"]) == ("lose_data", "campaign.install")
        assert not Campaign.objects.exists()
        other = people.program()
        assert other.post(f"/acts/{waits.json()['id']}/confirm", "").status_code == 200
        made = Campaign.objects.get()
        assert (made.hosts, made.sizes, made.opens.hour) == (26, [1, 25], 22)

    def test_hosts_that_never_held_data_need_nobody_else(self, db):
        make.hosts(26, "burned_in")
        body = {"kind": "install", "select": {"state": "burned_in"}, "reason": "first image"}
        assert people.program().post("/campaigns", body).json()["hosts"] == 26
