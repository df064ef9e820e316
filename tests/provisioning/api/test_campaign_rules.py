"""Waves and rules of campaigns by the API: what is asked for, what a dry run shows, what cannot be asked for."""

import pytest
from django.utils import timezone

from fleet.models import Evidence
from provisioning.models import Campaign
from tests.support import make, people


def body(hosts, **more):
    usual = {"kind": "validate", "select": {"hosts": [h.name for h in hosts]}, "reason": "new tests"}
    return {**usual, **more}


def test_a_dry_run_shows_waves_with_their_hosts_and_the_rules_that_will_hold(db):
    hosts = make.hosts(30, "in_service")
    odd = hosts[17]
    Evidence.objects.create(
        at=timezone.now(), kind="firmware", device_id=odd.pk, data={"versions": {"159 BIOS.Setup.1-1": "2.1.4"}}
    )
    answer = people.program().post("/campaigns", {**body(hosts), "dry_run": True}, key="")
    assert answer.status_code == 200, answer.content
    review = answer.json()
    assert [len(wave["hosts"]) for wave in review["waves"]] == [2, 5, 3, 8, 12]
    assert sorted(name for wave in review["waves"] for name in wave["hosts"]) == sorted(h.name for h in hosts)
    assert odd.name in review["waves"][0]["hosts"], "the only one of its BIOS"
    assert review["chain"] == ["drain", "validate"]
    assert review["rules"]["floor"] == 27 and review["rules"]["budget"] == 3 and review["rules"]["bake_s"] == 1800
    assert not Campaign.objects.exists()


def test_what_was_asked_for_is_what_holds(db):
    hosts = make.hosts(10, "in_service")
    rules = {"waves": [1, "20%", "rest"], "bake_s": 60, "budget": "30%", "floor": "50%", "at_once": 2}
    rules |= {"limits": {"rack": 1, "leaf": 2}, "halt_on_common_cause": False}
    rules |= {"window": {"opens": "22:00", "closes": "06:00", "until": "2099-01-01T00:00:00Z"}}
    program = people.program()
    answer = program.post("/campaigns", body(hosts, **rules))
    assert answer.status_code == 202, answer.content
    made = answer.json()
    assert (made["waves"], made["sizes"]) == ([1, "20%", "rest"], [1, 2, 7])
    assert (made["bake_s"], made["budget"], made["floor"], made["at_once"]) == (60, 3, 5, 2)
    assert made["limits"] == {"rack": 1, "leaf": 2} and made["halt_on_common_cause"] is False
    assert (made["opens"], made["closes"]) == ("22:00", "06:00") and made["until"].startswith("2099-01-01")
    assert [wave["hosts"] for wave in made["progress"]] == [1, 2, 7]
    seen = program.get(f"/campaigns/{made['id']}").json()
    assert seen["next"]["wave"] in (1, 2) and seen["failures"] == 0


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"waves": []}, "waves"),
        ({"waves": [0]}, "waves.0"),
        ({"waves": ["rest", 1]}, "waves.0"),
        ({"waves": ["200%"]}, "waves.0"),
        ({"waves": [1.5]}, "waves.0"),
        ({"budget": 0}, "budget"),
        ({"floor": -1}, "floor"),
        ({"floor": "x"}, "floor"),
        ({"bake_s": -1}, "bake_s"),
        ({"limits": {"row": 1}}, "limits.row"),
        ({"limits": {"rack": 0}}, "limits.rack"),
        ({"window": {"opens": "25:00"}}, "window.opens"),
        ({"window": {"opens": "22:00"}}, "window"),
        ({"window": {"opens": "22:00", "closes": "22:00"}}, "window"),
        ({"window": {"until": "tomorrow"}}, "window.until"),
    ],
)
def test_what_cannot_be_asked_for_names_its_field(db, wrong, field):
    hosts = make.hosts(3, "in_service")
    answer = people.program().post("/campaigns", body(hosts, **wrong))
    assert answer.status_code == 422, answer.content
    fields = [e["field"] for e in answer.json()["errors"]] or [answer.json()["field"]]
    assert any(field in name for name in fields), fields
    assert not Campaign.objects.exists()
