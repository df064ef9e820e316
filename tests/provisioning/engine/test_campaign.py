"""Many hosts under one request: chains, a limit, pause, halt and an end."""

from collections.abc import Callable
from functools import partial
from threading import Thread
from typing import Any

import pytest
from django.db import connection, transaction
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from fleet import lifecycle
from fleet.errors import BadValue, NotFound, WrongState
from fleet.models import Device, Transition
from provisioning.engine import ask, campaign, claim, release
from provisioning.models import Campaign, Operation
from provisioning.operations.outcomes import Fail, Wait
from provisioning.operations.registry import CHAINS
from tests.provisioning.engine.turns import LONG_AGO, Script
from tests.support import make
from tests.support.waiting import eventually, somebody_waits

BRING_UP = ("identify", "inspect", "update", "burn_in", "install", "validate")


def start(n: int = 3, *, at_once: int | None = None, kind: str = "bring_up", state: str = "cabled") -> Campaign:
    return begin(kind, {"hosts": [h.name for h in make.hosts(n, state)]}, at_once=at_once, reason="new rack")


def begin(kind: str, select: dict, params: dict | None = None, **more) -> Campaign:
    more = {"at_once": None, **more, "actor": more.get("actor") or make.actor("O", "Ann")}
    devices = campaign.select_hosts(select)
    return campaign.create(kind=kind, devices=devices, select=select, params=params or {}, **more)


def due() -> list[Operation]:
    return list(Operation.objects.filter(state="queued", wake_at__isnull=False, after=None).order_by("pk"))


def end(operation: Operation, state: str = "succeeded") -> None:
    """As the engine would end it, with what follows."""
    engine = lifecycle.system("engine")
    if operation.state == "queued":
        lifecycle.move("operation", [operation.pk], to="active", actor=engine, reason="claimed")
    lifecycle.move("operation", [operation.pk], to=state, actor=engine, reason="ended")
    if state == "succeeded":
        Operation.objects.filter(after=operation).update(after=None, wake_at=LONG_AGO)


@pytest.mark.usefixtures("db")
class TestAskingForOne:
    def test_a_bring_up_is_a_chain_of_operations_for_each_host(self):
        made = start(3)
        assert (made.state, made.hosts, made.seq) == ("running", 3, 2)
        for host in Device.objects.all():
            chain = list(Operation.objects.filter(device=host).order_by("chain_n"))
            assert tuple(o.kind for o in chain) == BRING_UP == CHAINS["bring_up"]
            assert [o.after_id for o in chain] == [None, *(o.pk for o in chain[:-1])]
            assert [o.wake_at is None for o in chain] == [False] + [True] * 5
            assert chain[-1].params == {"into_service": True} and {o.state for o in chain} == {"queued"}
        moves = Transition.objects.filter(subject_kind="campaign").order_by("seq")
        assert [(m.to_state, m.reason, m.actor.name) for m in moves] == [
            ("draft", "new rack", "Ann"), ("running", "new rack", "Ann"),
        ]  # fmt: skip

    def test_it_costs_the_same_statements_for_few_and_for_many(self):
        counts = []
        for pod, n in (("few", 2), ("many", 50)):
            make.hosts(n, "cabled", pod=pod)
            actor = make.actor()
            with CaptureQueriesContext(connection) as queries:
                begin("bring_up", {"pod": pod}, at_once=1, actor=actor)
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_hosts_that_wait_in_a_chain_do_not_stand_in_its_way(self):
        """Operations of a chain wait outside the unique index until the one before has succeeded."""
        start(1)
        assert Operation.objects.filter(state="queued", mutating=True).count() == 6

    @pytest.mark.parametrize(
        ("kind", "select", "params", "error", "field"),
        [
            ("explode", {"state": "cabled"}, {}, BadValue, "kind"),
            ("bring_up", {"state": "cabled"}, {"fast": 1}, BadValue, "params.fast"),
            ("power", {"state": "cabled"}, {}, BadValue, "params.action"),
            ("bring_up", {}, {}, BadValue, "select"),
            ("bring_up", {"colour": "red"}, {}, BadValue, "select.colour"),
            ("bring_up", {"hosts": "host-0001"}, {}, BadValue, "select.hosts"),
            ("bring_up", {"hosts": [1]}, {}, BadValue, "select.hosts"),
            ("bring_up", {"hosts": None}, {}, BadValue, "select.hosts"),
            ("bring_up", {"hosts": []}, {}, NotFound, "select"),
            ("bring_up", {"state": ["cabled"]}, {}, BadValue, "select.state"),
            ("bring_up", {"pod": {"a": 1}}, {}, BadValue, "select.pod"),
            ("bring_up", {"rack": None}, {}, BadValue, "select.rack"),
            ("bring_up", {"row": "a\0b"}, {}, BadValue, "select.row"),
            ("bring_up", {"hosts": ["a\0b"]}, {}, BadValue, "select.hosts"),
            ("bring_up", {"hosts": ["no-such-host"]}, {}, NotFound, "select.hosts"),
            ("bring_up", {"state": "burned_in"}, {}, NotFound, "select"),
        ],
    )
    def test_what_cannot_be_is_refused_by_its_field(self, kind, select, params, error, field):
        make.host("cabled")
        with pytest.raises(error) as refused:
            begin(kind, select, params)
        assert refused.value.field == field
        assert not Campaign.objects.exists() and not Operation.objects.exists()

    def test_every_host_that_cannot_take_part_is_named(self):
        ready, late = make.host("cabled"), make.host("installed")
        with pytest.raises(WrongState) as refused:
            begin("bring_up", {"hosts": [ready.name, late.name]})
        assert [e["value"] for e in refused.value.errors] == [late.name]
        assert not Campaign.objects.exists()

    def test_switches_are_never_selected(self):
        make.switch("cabled")
        host = make.host("cabled")
        assert campaign.select_hosts({"state": "cabled"}) == [host]


class TestChain:
    def chain(self, kind, **answers):
        kind(Script(**answers))
        host = make.wired_host("burned_in")
        asked = [ask.Asked("rehearsal", host, {}, None if n == 0 else n - 1, n) for n in range(2)]
        return ask.create(asked, actor=make.actor())

    def test_the_next_begins_when_the_one_before_has_succeeded(self, bench, kind):
        _, second = self.chain(kind)
        assert bench.turn() == 1
        second.refresh_from_db()
        assert (second.state, second.after_id) == ("queued", None) and second.wake_at is not None
        assert bench.turn() == 1
        second.refresh_from_db()
        assert second.state == "succeeded"

    @pytest.mark.parametrize("answer", [Fail("no", "rejected"), Wait(60, "not yet")], ids=["failed", "waits"])
    def test_not_before(self, bench, kind, answer):
        first, second = self.chain(kind, look=[answer])
        bench.turn()
        assert bench.turn() == 0
        second.refresh_from_db()
        assert (second.state, second.after_id, second.wake_at) == ("queued", first.pk, None)

    def test_a_retry_by_a_person_takes_the_chain_up_again(self, bench, kind):
        first, second = self.chain(kind, look=[Fail("no", "rejected")])
        bench.turn()
        ask.retry(operation_id=first.pk, actor=make.actor(), reason="mended by hand")
        Operation.objects.filter(pk=first.pk).update(wake_at=LONG_AGO)
        assert bench.turn() == 1 and bench.turn() == 1
        second.refresh_from_db()
        assert second.state == "succeeded"


@pytest.mark.usefixtures("db")
class TestLimit:
    def test_so_many_hosts_at_once_and_no_more(self):
        """Lesson M40: a limit breached in a burst."""
        start(6, at_once=2)
        assert len(due()) == 2
        for _ in range(3):
            release.release()
        assert len(due()) == 2, "nobody has ended"
        end(due()[0], "failed")
        assert release.release() == 1 and len(due()) == 2
        end(due()[0], "cancelled")
        end(due()[0], "cancelled")
        assert release.release() == 2 and len(due()) == 2

    def test_a_host_keeps_its_place_until_its_chain_has_ended(self):
        start(2, at_once=1)
        first = due()[0].device_id
        for _ in BRING_UP:
            assert release.release() == 0
            (operation,) = due()
            assert operation.device_id == first
            end(operation)
        assert release.release() == 1
        assert due()[0].device_id != first

    def test_a_lost_operation_keeps_its_place(self):
        start(2, at_once=1)
        end(due()[0], "lost")
        assert release.release() == 0

    def test_more_than_there_are_is_all(self):
        start(2, at_once=50)
        assert len(due()) == 2 and release.release() == 0


@pytest.mark.usefixtures("db")
class TestStopAndGo:
    def move(self, made: Campaign, to: str, role: str = "O") -> Campaign:
        return campaign.move(campaign_id=made.pk, to=to, actor=make.actor(role), reason="as asked")

    def test_while_it_is_paused_nothing_new_starts_and_what_runs_goes_on(self):
        made = start(3, at_once=2)
        running, _ = due()
        lifecycle.move("operation", [running.pk], to="active", actor=make.actor("S"), reason="claimed")
        Operation.objects.update(wake_at=LONG_AGO)
        assert self.move(made, "paused").state == "paused"
        assert [row["id"] for row in claim.claim(room=10, worker="m:1:1")] == [running.pk]
        assert release.release() == 0
        self.move(made, "running")
        assert len(claim.claim(room=10, worker="m:1:1")) > 0

    def test_it_says_nothing_is_due_while_it_is_paused(self):
        made = start(2)
        self.move(made, "paused")
        assert claim.next_due() is None

    def test_the_same_again_is_fine(self):
        made = start(1)
        assert self.move(made, "running").seq == 2

    def test_halted_goes_on_or_ends_by_a_person(self):
        made = start(2, at_once=1)
        assert self.move(made, "halted").state == "halted"
        assert self.move(made, "running").state == "running"
        self.move(made, "halted")
        assert self.move(made, "done").state == "done"
        assert set(Operation.objects.values_list("state", flat=True)) == {"cancelled"}
        for host in Device.objects.all():
            assert make.operation("power", host), "the host is free"

    def test_what_is_active_ends_by_itself_when_its_campaign_is_ended(self):
        made = start(2)
        active = due()[0]
        lifecycle.move("operation", [active.pk], to="active", actor=make.actor("S"), reason="claimed")
        self.move(made, "halted")
        self.move(made, "done")
        states = dict(Operation.objects.filter(chain_n=0).values_list("pk", "state"))
        assert states.pop(active.pk) == "active" and set(states.values()) == {"cancelled"}

    @pytest.mark.parametrize("to", ["done", "draft", "nowhere"])
    def test_an_edge_that_is_not_there_is_refused(self, to):
        made = start(1)
        with pytest.raises(WrongState, match=f"campaign {made.pk} is running and may not go to {to}"):
            self.move(made, to)

    def test_there_must_be_one_and_a_reason(self):
        with pytest.raises(NotFound):
            campaign.move(campaign_id=4711, to="paused", actor=make.actor(), reason="as asked")
        with pytest.raises(BadValue):
            campaign.move(campaign_id=start(1).pk, to="paused", actor=make.actor(), reason=" ")


@pytest.mark.usefixtures("db")
class TestEnd:
    def test_done_when_nothing_of_it_can_move_by_itself(self):
        made = start(2)
        assert release.finish() == 0
        one, other = due()
        end(one, "failed")
        assert release.finish() == 0
        end(other, "failed")
        assert release.finish() == 1
        made.refresh_from_db()
        assert made.state == "done"

    def test_a_person_may_still_retry_what_failed_and_its_chain_goes_on(self):
        start(1)
        (operation,) = due()
        end(operation, "failed")
        assert release.finish() == 1
        ask.retry(operation_id=operation.pk, actor=make.actor(), reason="BMC replaced")
        assert claim.next_due() is not None
        Operation.objects.filter(pk=operation.pk).update(wake_at=LONG_AGO)
        assert [row["id"] for row in claim.claim(room=10, worker="m:1:1")] == [operation.pk]

    @pytest.mark.parametrize("state", ["active", "lost"])
    def test_not_while_one_is_under_way_or_lost(self, state):
        start(1)
        (operation,) = due()
        lifecycle.move("operation", [operation.pk], to="active", actor=make.actor("S"), reason="claimed")
        if state == "lost":
            lifecycle.move("operation", [operation.pk], to="lost", actor=make.actor("S"), reason="who knows")
        assert release.finish() == 0

    def test_not_while_hosts_are_held_back(self):
        start(2, at_once=1)
        end(due()[0], "failed")
        assert release.finish() == 0


class TestRaces:
    """Two connections, the one waits for the other: a campaign is never called done over work that has come back."""

    def in_thread(self, work: Callable[[], Any]) -> tuple[Thread, list[Any]]:
        answers: list[Any] = []

        def run() -> None:
            try:
                answers.append(work())
            finally:
                connection.close()

        thread = Thread(target=run)
        thread.start()
        return thread, answers

    def failed(self) -> tuple[Campaign, Operation]:
        made = start(1)
        (operation,) = due()
        end(operation, "failed")
        return made, operation

    @pytest.mark.parametrize("verb", ["retry", "skip"])
    def test_what_comes_back_at_the_same_moment_keeps_its_campaign_running(self, real_db, verb):
        made, operation = self.failed()
        Operation.objects.filter(pk=operation.pk).update(ended_at=Now())
        with transaction.atomic():
            getattr(ask, verb)(operation_id=operation.pk, actor=make.actor("L"), reason="cable mended")
            finishing, answers = self.in_thread(release.finish)
            eventually(lambda: somebody_waits() or not finishing.is_alive(), within_s=20)
            assert answers == []
        finishing.join(30)
        assert answers == [0]
        made.refresh_from_db()
        assert made.state == "running"

    def test_one_that_was_done_first_stays_done_and_the_operation_goes_on_by_itself(self, real_db):
        made, operation = self.failed()
        with transaction.atomic():
            assert release.finish() == 1
            work = partial(ask.retry, operation_id=operation.pk, actor=make.actor(), reason="cable mended")
            retrying, answers = self.in_thread(work)
            eventually(lambda: somebody_waits() or not retrying.is_alive(), within_s=20)
            assert answers == []
        retrying.join(30)
        made.refresh_from_db()
        assert (made.state, answers[0].state) == ("done", "queued")
        Operation.objects.filter(pk=operation.pk).update(wake_at=LONG_AGO)
        assert [row["id"] for row in claim.claim(room=10, worker="m:1:1")] == [operation.pk]

    def test_an_end_cancels_what_has_not_begun_and_leaves_what_a_worker_takes_that_moment(self, real_db):
        made = start(2)
        Operation.objects.filter(after=None).update(wake_at=LONG_AGO)
        campaign.move(campaign_id=made.pk, to="halted", actor=make.actor(), reason="as asked")
        taken = due()[0]
        with transaction.atomic():
            lifecycle.move("operation", [taken.pk], to="active", actor=lifecycle.system("engine"), reason="claimed")
            work = partial(campaign.move, campaign_id=made.pk, to="done", actor=make.actor(), reason="as asked")
            ending, answers = self.in_thread(work)
            eventually(lambda: somebody_waits() or not ending.is_alive(), within_s=20)
        ending.join(30)
        assert answers[0].state == "done"
        states = dict(Operation.objects.values_list("pk", "state"))
        assert states.pop(taken.pk) == "active" and set(states.values()) == {"cancelled"}
