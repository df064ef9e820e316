"""Campaigns in waves: who begins when, what holds them back, and what halts them by itself."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from fleet import lifecycle
from fleet.errors import BadValue
from fleet.models import Device, Finding, Rack, Row, Transition
from provisioning.engine import campaign, release
from provisioning.engine.rules import Rules
from provisioning.models import Campaign, Operation
from tests.provisioning.engine.turns import LONG_AGO
from tests.support import make

pytestmark = pytest.mark.usefixtures("db")


def start(n: int = 6, state: str = "validated", kind: str = "validate", **rules) -> Campaign:
    hosts = make.hosts(n, state)
    return begin(hosts, kind, **rules)


def begin(hosts: list[Device], kind: str = "validate", **rules) -> Campaign:
    select = {"hosts": [h.name for h in hosts]}
    rules = {"bake_s": 0, **rules}
    asked = {"select": select, "params": {}, "actor": make.actor("O", "Ann"), "reason": "as planned"}
    return campaign.create(kind=kind, devices=hosts, rules=Rules(**rules), **asked)


def due() -> list[Operation]:
    return list(Operation.objects.filter(state="queued", wake_at__isnull=False, after=None).order_by("pk"))


def end(*operations: Operation, state: str = "succeeded", cause: str = "") -> None:
    """As the engine would end them, with what follows."""
    engine = lifecycle.system("engine")
    for operation in operations:
        lifecycle.move("operation", [operation.pk], to="active", actor=engine, reason="claimed")
        lifecycle.move("operation", [operation.pk], to=state, actor=engine, reason="ended", cause=cause)
        columns = {"cause": cause, "ended_at": LONG_AGO, "started_at": LONG_AGO, "wake_at": None}
        Operation.objects.filter(pk=operation.pk).update(**columns)
        if state == "succeeded":
            Operation.objects.filter(after=operation).update(after=None, wake_at=LONG_AGO)


def state_of(made: Campaign) -> tuple[str, str, str]:
    made.refresh_from_db()
    last = Transition.objects.filter(subject_kind="campaign", subject_id=made.pk).latest("seq")
    return made.state, last.cause, last.reason


class TestWaves:
    def test_the_next_begins_when_all_of_the_one_before_has_ended(self):
        made = start(6, waves=[1, 2, "rest"])
        assert (made.sizes, made.waves) == ([1, 2, 3], [1, 2, "rest"])
        (canary,) = due()
        assert canary.wave == 1 and release.release() == 0
        end(canary)
        assert release.release() == 2
        one, other = due()
        assert {one.wave, other.wave} == {2}
        end(one)
        assert release.release() == 0, "the other one is under way"
        end(other)
        assert release.release() == 3

    def test_a_lost_one_holds_the_next_back_until_somebody_has_looked(self):
        start(3, waves=[2, "rest"], budget=9, halt_on_common_cause=False)
        one, other = due()
        end(one)
        lifecycle.move("operation", [other.pk], to="active", actor=make.actor("S"), reason="claimed")
        lifecycle.move("operation", [other.pk], to="lost", actor=make.actor("S"), reason="who knows")
        Operation.objects.filter(pk=other.pk).update(wake_at=None)
        assert release.release() == 0

    def test_a_wave_stays_quiet_for_a_while_before_the_next(self):
        made = start(2, waves=[1, 1], bake_s=600)
        (canary,) = due()
        end(canary)
        Operation.objects.filter(pk=canary.pk).update(ended_at=Now() - timedelta(minutes=9))
        assert release.release() == 0
        at = release.next_wave(release.plans([made.pk])[0])
        assert at.wave == 2 and "quiet" in at.why and at.at is not None
        Operation.objects.filter(pk=canary.pk).update(ended_at=Now() - timedelta(minutes=11))
        assert release.release() == 1

    def test_a_wave_that_has_begun_goes_on_while_one_of_an_earlier_wave_is_tried_again(self):
        start(4, waves=[1, "rest"], at_once=1)
        (canary,) = due()
        end(canary)
        assert release.release() == 1
        second = due()[0]
        end(second)
        Operation.objects.filter(pk=canary.pk).update(ended_at=Now())
        assert release.release() == 1

    def test_what_was_cancelled_ahead_of_its_wave_does_not_begin_it(self):
        start(4, waves=[1, 2, 1])
        held = Operation.objects.filter(wave=2).first()
        lifecycle.move("operation", [held.pk], to="cancelled", actor=make.actor(), reason="not this one")
        assert release.release() == 0 and len(due()) == 1

    def test_usually_one_wave_of_all_and_few_first_for_what_serves(self):
        assert start(12, "cabled", "bring_up").sizes == [12]
        serving = make.hosts(40, "in_service")
        made = begin(serving, bake_s=None)
        assert made.sizes == [2, 5, 4, 10, 19]
        assert (made.bake_s, made.budget, made.floor, made.on_common_cause) == (1800, 3, 36, True)


class TestHalt:
    def test_nothing_may_fail_in_the_canary(self):
        made = start(6, waves=[2, "rest"], budget=5)
        one, other = due()
        end(one)
        end(other, state="failed", cause="validation")
        assert release.release() == 0
        assert state_of(made) == ("halted", "validation", "1 of 2 failed in the canary: 1 validation")
        finding = Finding.objects.get(closed_at=None)
        assert (finding.domain, finding.kind, finding.cause) == ("campaign", "campaign_halted", "validation")
        assert (
            finding.subjects == [{"kind": "campaign", "id": made.pk, "site": made.site_id}]
            and f"campaign {made.pk}" in finding.words
        )

    def test_when_its_budget_is_used_up(self):
        made = start(8, waves=["rest"], budget=3, halt_on_common_cause=False)
        one, two, three, *_ = due()
        end(one, two, state="failed", cause="validation")
        assert release.release() == 0 and state_of(made)[0] == "running"
        end(three, state="lost", cause="outcome_unknown")
        release.release()
        words = "3 failed, 3 may: 2 validation, 1 outcome_unknown"
        assert state_of(made) == ("halted", "budget_used", words)

    def test_when_failures_have_one_cause_before_the_budget_is_used_up(self):
        made = start(8, waves=["rest"], budget=8, halt_on_common_cause=True)
        one, two, three, four, *_ = due()
        end(one, state="failed", cause="clock")
        end(two, state="failed", cause="unreachable")
        release.release()
        assert state_of(made)[0] == "running"
        end(three, state="failed", cause="validation")
        end(four, state="failed", cause="validation")
        release.release()
        assert state_of(made)[:2] == ("halted", "validation")

    def test_a_host_that_somebody_took_elsewhere_is_no_failure_of_it(self):
        made = start(3, waves=[1, "rest"])
        end(*due(), state="failed", cause="wrong_state")
        assert release.release() == 2 and state_of(made)[0] == "running"

    def test_not_when_nothing_is_left_that_a_halt_would_stop(self):
        made = start(2, waves=["rest"], budget=1)
        end(*due(), state="failed", cause="clock")
        release.release()
        assert state_of(made)[0] == "running" and release.finish() == 1

    def test_a_person_lets_it_go_on_and_what_had_failed_counts_no_more(self):
        made = start(6, waves=[1, 1, "rest"])
        end(*due(), state="failed", cause="validation")
        release.release()
        campaign.move(campaign_id=made.pk, to="running", actor=make.actor("O", "Bea"), reason="a known bad fan")
        closed = Finding.objects.get(kind="campaign_halted")
        assert closed.closed_at is not None and closed.closed_words == "a known bad fan"
        assert release.release() == 1 and state_of(made)[0] == "running"
        end(*due())
        assert release.release() == 4
        end(*due()[:2], state="failed", cause="clock")
        release.release()
        assert state_of(made)[:2] == ("halted", "clock")

    def test_when_its_window_is_over(self):
        made = start(3, waves=[1, "rest"], until=timezone.now() - timedelta(minutes=1))
        assert due() == []
        assert state_of(made)[:2] == ("halted", "window_over")


class TestLimits:
    def racks(self, n: int, state: str = "validated") -> list[Device]:
        row = Row.objects.create(site=make.site(), name="A")
        racks = [Rack.objects.create(row=row, name=f"A{n}") for n in range(n)]
        return [host for rack in racks for host in make.hosts(2, state, rack=rack)]

    def test_so_many_of_a_rack(self):
        begin(self.racks(3), limits={"rack": 1})
        first = due()
        assert len(first) == 3 and len({o.device.rack_id for o in first}) == 3
        end(first[0])
        assert release.release() == 1
        (another,) = set(due()) - set(first)
        assert another.device.rack_id == first[0].device.rack_id

    def test_whoever_has_work_in_the_rack_counts(self):
        hosts = self.racks(2)
        make.operation("inspect", hosts[0])
        begin(hosts[1:], limits={"rack": 1})
        assert {o.kind: o.device.rack_id for o in due()} == {
            "inspect": hosts[0].rack_id, "validate": hosts[2].rack_id}  # fmt: skip

    def test_outside_its_window_nobody_begins(self):
        now = timezone.now()
        times = {"opens": (now + timedelta(hours=2)).time(), "closes": (now + timedelta(hours=3)).time()}
        made = start(2, **times)
        assert due() == []
        at = release.next_wave(release.plans([made.pk])[0])
        assert at.wave == 1 and at.why == "its window is closed" and at.at > now


class TestService:
    def test_hosts_leave_service_as_they_begin_and_the_floor_holds(self):
        hosts = make.hosts(10, "in_service")
        begin(hosts, waves=["rest"], floor=8)
        chains = Operation.objects.filter(device=hosts[0]).order_by("chain_n")
        assert [(o.kind, o.params) for o in chains] == [("drain", {}), ("validate", {"into_service": True})]
        assert len(due()) == 2
        assert Device.objects.filter(state="draining").count() == 2
        assert release.release() == 0
        move = Transition.objects.filter(subject_kind="host", to_state="draining").first()
        assert (move.cause, move.actor.name) == ("campaign", "engine")

    def test_the_floor_counts_every_host_of_the_site_whoever_took_it(self):
        hosts = make.hosts(5, "in_service")
        others = make.hosts(2, "in_service")
        make.bring("host", [o.pk for o in others], "quarantined", start="in_service")
        begin(hosts, waves=["rest"], floor=4)
        assert len(due()) == 1

    def test_two_campaigns_take_no_more_than_one_may(self):
        hosts = make.hosts(6, "in_service")
        begin(hosts[:3], waves=["rest"], floor=4)
        begin(hosts[3:], waves=["rest"], floor=4)
        assert Device.objects.filter(state="in_service").count() == 4

    def test_a_floor_under_which_nothing_could_begin_is_refused(self):
        with pytest.raises(BadValue) as refused:
            start(3, "in_service", floor=3)
        assert refused.value.field == "floor"

    def test_a_chain_back_into_service(self):
        hosts = make.hosts(3, "in_service")
        begin(hosts, "install", waves=["rest"])
        assert [o.kind for o in Operation.objects.filter(device=hosts[0]).order_by("chain_n")] == [
            "drain", "install", "validate"]  # fmt: skip


@pytest.mark.parametrize(
    ("rules", "field"),
    [
        ({"waves": []}, "waves"),
        ({"waves": [2, 0]}, "waves.1"),
        ({"waves": ["rest", 2]}, "waves.0"),
        ({"waves": ["0%"]}, "waves.0"),
        ({"waves": ["101%"]}, "waves.0"),
        ({"waves": [True]}, "waves.0"),
        ({"budget": 0}, "budget"),
        ({"budget": "x"}, "budget"),
        ({"floor": -1}, "floor"),
        ({"at_once": 0}, "at_once"),
        ({"bake_s": -1}, "bake_s"),
        ({"limits": {"row": 1}}, "limits.row"),
        ({"limits": {"rack": 0}}, "limits.rack"),
        ({"opens": timezone.now().time()}, "window"),
    ],
)
def test_what_cannot_be_asked_for_is_refused_by_its_field(rules, field):
    with pytest.raises(BadValue) as refused:
        Rules(**rules)
    assert refused.value.field == field


def test_every_wrong_field_is_named():
    with pytest.raises(BadValue) as refused:
        Rules(waves=[0, 2, "x"], budget=0)
    assert [e["field"] for e in refused.value.errors] == ["waves.0", "waves.2", "budget"]
