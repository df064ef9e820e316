"""What an act would touch: by rack, leaf, feed and past; as many statements for many hosts as for few."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import holds, lifecycle
from fleet.models import Device
from provisioning.engine import blast
from provisioning.engine.verbs import FRICTION, VERBS, Reach, asks, verb
from tests.support import floor, make


def shown(name, *hosts, role="O"):
    return blast.plan(verb=verb(name), params={}, hosts=blast.facts(h.pk for h in hosts), role=role).shows


@pytest.fixture
def hosts(db):
    return floor.build(32)


def test_what_goes_by_rack_leaf_and_feed(hosts):
    found = shown("move.quarantined", *hosts[:6], hosts[-1])
    assert found["racks"] == [{"row": "A", "rack": "A01", "hosts": 4}, {"row": "A", "rack": "A02", "hosts": 2}]
    assert found["leaves"] == [{"leaf": f"leaf-s00-0{n}", "links": 6, "of": 16} for n in (1, 2)]
    assert found["feeds"] == [{"feed": "A", "hosts": 6}, {"feed": "B", "hosts": 6}]
    assert found["service"] == {"lost": 6, "now": 24, "remain": 18}
    (out,) = found["left_out"]
    assert out["hosts"] == [hosts[-1].name] and "quarantined" in out["why"]


def test_hosts_of_two_groups_of_leaves_are_spread(hosts):
    near, far = hosts[25], hosts[2]
    lifecycle.move("host", [far.pk], to="quarantined", actor=make.actor(), reason="for this test")
    assert "more than one group of leaves" in shown("operate.validate", near, far)["asks"]["campaign"]
    assert "more than one group of leaves" not in shown("operate.validate", near, hosts[26])["asks"].get("campaign", [])


def test_what_only_reads_takes_nothing_away(hosts):
    found = shown("operate.inspect", *hosts[-2:])
    assert (found["leaves"], found["feeds"], found["service"]["lost"], found["data_lost"]) == ([], [], 0, 0)


def test_how_long_it_takes_by_the_last_twenty_of_its_profile(hosts):
    takes = shown("operate.install", hosts[-1])["takes"]
    assert takes["of"] == 20
    assert 660 <= takes["low_s"] <= takes["median_s"] <= takes["high_s"] <= 840
    assert shown("operate.validate", hosts[-1])["takes"] is None
    Device.objects.filter(pk=hosts[-1].pk).update(profile=make.profile())
    assert shown("operate.install", hosts[-1])["takes"] is None


def test_a_campaign_takes_what_serves_and_says_so(hosts):
    found = shown("campaign.update", *hosts[:4])
    assert (found["kinds"], found["left_out"]) == (["drain", "update", "validate"], [])
    assert found["campaign"]["sizes"] == [2, 2]
    assert shown("operate.update", *hosts[:4])["hosts"] == []


def test_holds_are_told(hosts):
    holds.place(device_id=hosts[-1].pk, kind="hands", reason="inside", actor=make.actor())
    assert shown("operate.validate", *hosts[-2:])["held"] == 1


def test_the_same_statements_for_many_hosts(hosts):
    def cost(some):
        with CaptureQueriesContext(connection) as queries:
            shown("campaign.install", *some)
        return len(queries)

    assert cost(hosts[:1]) == cost(hosts) == 6


def test_every_verb_can_be_shown_on_every_host(hosts):
    for name in VERBS:
        found = shown(name, *hosts, role="L")
        assert len(found["hosts"]) + sum(len(group["hosts"]) for group in found["left_out"]) == len(hosts), name
        assert found["undo"] and found["words"]
        assert "reason" in found["asks"]


def test_every_rule_of_friction_can_apply_and_not():
    few = Reach(VERBS["operate.validate"], hosts=1, racks=1, spread=False, fleet=100, data=0)
    most = Reach(VERBS["campaign.install"], hosts=99, racks=2, spread=True, fleet=100, data=99)
    assert asks(few) == {"reason": ["it is on record"]}
    told = [why for whys in asks(most).values() for why in whys]
    for rule in FRICTION:
        if rule.why != "it cannot be undone":
            assert rule.why in told
    assert asks(Reach(VERBS["move.retired"], 1, 1, False, 100, 0))["second"] == ["it cannot be undone"]
