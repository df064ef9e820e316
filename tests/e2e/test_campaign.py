"""A fleet in service, of which some run a BIOS that a new test does not pass: the canary catches it.

MUSTER_TEST_HOSTS (default 24) says how many hosts.
"""

import os
from datetime import timedelta

import pytest
from django.utils import timezone

from fleet import lifecycle, profiles
from fleet.models import Device, Finding, Profile, Transition, Waiver
from provisioning.engine import campaign, reconcile
from provisioning.engine.rules import Rules
from provisioning.models import Campaign, Operation
from tests.support import lab as labs
from tests.support import limits_held, make
from tests.support.waiting import eventually

HOSTS = int(os.environ.get("MUSTER_TEST_HOSTS", "24"))
WITHIN_S = 1200
OLD = 5  # every fifth host runs the old BIOS
NEW_TEST = {"name": "host_to_device", "minutes": 0.5}
LIMITS = {"rack": 1, "leaf": max(2, HOSTS // 16), "feed": max(3, HOSTS // 8)}
FLOOR = HOSTS - max(4, HOSTS // 8)


def begin(hosts: list[Device], **rules) -> Campaign:
    rules = {"floor": FLOOR, "limits": LIMITS, "bake_s": 600, "budget": 3, **rules}
    select = {"hosts": [h.name for h in hosts]}
    asked = {"select": select, "params": {}, "actor": make.actor(), "reason": "a new test"}
    return campaign.create(kind="validate", devices=hosts, rules=Rules(**rules), **asked)


def ended(lab: labs.Lab, made: Campaign) -> str:
    def look() -> str:
        lab.nudge()
        reconcile.run()
        made.refresh_from_db()
        return made.state if made.state != "running" else ""

    return eventually(look, within_s=WITHIN_S, every_s=1)


def brought_up(lab: labs.Lab) -> None:
    """As the demo does it; the old BIOS is waived, since it was good enough so far."""
    Waiver.objects.create(
        profile=Profile.objects.filter(name="XE9680").latest("version"),
        check_name="firmware:159",
        reason="both versions are in use",
        actor=lifecycle.system("test"),
        ends_at=timezone.now() + timedelta(days=1),
    )
    asked = {"select": {"state": "cabled"}, "params": {}, "actor": make.actor(), "reason": "bring them up"}
    made = campaign.create(kind="bring_up", devices=list(Device.objects.filter(kind="host").order_by("name")), **asked)
    assert ended(lab, made) == "done", lab.database.output()
    assert set(Device.objects.filter(kind="host").values_list("state", flat=True)) == {"in_service"}


def with_the_new_test() -> None:
    before = Profile.objects.filter(name="XE9680").latest("version")
    made, _ = profiles.store("XE9680", {**before.spec, "validate": {"tests": [NEW_TEST]}})
    Waiver.objects.update(profile=made)
    Device.objects.filter(kind="host").update(profile=made)


@pytest.mark.timeout(3 * WITHIN_S)
def test_the_canary_catches_a_fault_of_one_bios(real_db) -> None:
    names = [f"host-{n:03}" for n in range(1, HOSTS + 1)]
    old = set(names[OLD - 1 :: OLD])
    lab = labs.start(real_db, hosts=HOSTS, faults=dict.fromkeys(old, "bios_slow"))
    lab.worker()
    brought_up(lab)
    with_the_new_test()
    serving = list(Device.objects.filter(kind="host").order_by("name"))

    made = begin(serving)
    canary = {o.device.name for o in Operation.objects.filter(campaign=made, wave=1, chain_n=0)}
    assert len(canary) == 2 and len(canary & old) == 1, "it covers both versions"
    assert ended(lab, made) == "halted"
    last = Transition.objects.filter(subject_kind="campaign", subject_id=made.pk).latest("seq")
    assert (last.cause, last.actor.name) == ("validation", "engine")
    assert "1 of 2 failed in the canary" in last.reason and "BIOS 2.1.4" in last.reason
    assert Finding.objects.get(kind="campaign_halted").closed_at is None
    assert {h.name for h in Device.objects.filter(state="quarantined")} == canary & old
    assert not Operation.objects.filter(campaign=made, wave__gt=1).exclude(state="queued").exists()
    campaign.move(campaign_id=made.pk, to="done", actor=make.actor(), reason="the old BIOS goes first")

    good = begin([h for h in serving if h.name not in old], waves=[2, "25%", "rest"])
    assert ended(lab, good) == "done"
    assert set(Operation.objects.filter(campaign=good).values_list("state", flat=True)) == {"succeeded"}
    assert set(Device.objects.filter(name__in=set(names) - old).values_list("state", flat=True)) == {"in_service"}
    assert limits_held.broken([made.pk, good.pk], floor=FLOOR, limits=LIMITS) == []
    tight = {kind: n - 1 for kind, n in LIMITS.items()}
    assert limits_held.broken([made.pk, good.pk], floor=HOSTS, limits=tight) != [], "it sees what is broken"
    assert lifecycle.verify()["ok"]
