"""What people may ask of the engine, and what it refuses in words."""

from datetime import UTC, datetime

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import lifecycle
from fleet.errors import BadValue, NotFound, WrongState
from fleet.models import Device, Finding, Transition
from fleet.states import HOST_STATES
from provisioning.engine import ask
from provisioning.models import BootWindow, Intent, Operation
from provisioning.operations.outcomes import Done, Fail, Lost, Wait
from provisioning.operations.registry import KINDS
from tests.fleet.test_lifecycle_bulk import in_parallel
from tests.provisioning.engine.test_turn import asked, now_is, steps_of
from tests.provisioning.engine.turns import Script, again
from tests.support import make

ACTION = {"action": "restart"}


def last_move(operation: Operation) -> Transition:
    return Transition.objects.filter(subject_kind="operation", subject_id=operation.pk).latest("seq")


@pytest.mark.usefixtures("db")
class TestAsking:
    def test_all_or_none_in_the_same_number_of_statements(self):
        counts = []
        for n in (2, 60):
            hosts, actor = make.hosts(n, "installed"), make.actor()
            with CaptureQueriesContext(connection) as queries:
                made = ask.operations(kind="power", devices=hosts, params=ACTION, actor=actor, reason="look")
            counts.append(len(queries))
            assert [o.device_id for o in made] == [h.pk for h in hosts]
            assert set(Operation.objects.filter(pk__in=[o.pk for o in made]).values_list("state", "seq")) == {
                ("queued", 1)
            }
        assert counts[0] == counts[1]

    @pytest.mark.parametrize(
        ("kind", "params", "field"),
        [
            ("reinstall", {}, "kind"),
            ("identify", {"fast": True}, "params.fast"),
            ("power", {}, "params.action"),
            ("power", {"action": "explode"}, "params.action"),
            ("power", {"action": "on", "hard": 1}, "params.hard"),
            ("validate", {"into_service": "yes"}, "params.into_service"),
            ("validate", {"into_service": None}, "params.into_service"),
            ("power", {"action": ["on"]}, "params.action"),
            ("power", {"action": {}}, "params.action"),
        ],
    )
    def test_what_does_not_exist_is_refused_by_its_field(self, kind, params, field):
        with pytest.raises(BadValue) as refused:
            ask.operations(kind=kind, devices=make.hosts(1, "installed"), params=params, actor=make.actor())
        assert refused.value.field == field and refused.value.expected

    @pytest.mark.parametrize("kind", KINDS)
    def test_a_kind_starts_only_where_it_may(self, kind):
        params = ACTION if kind == "power" else {}
        for state in (s.name for s in HOST_STATES):
            host = make.host(state)
            if state in KINDS[kind].from_states:
                ask.operations(kind=kind, devices=[host], params=params, actor=make.actor())
            else:
                with pytest.raises(WrongState, match=f"{host.name} is {state}; {kind} starts from"):
                    ask.operations(kind=kind, devices=[host], params=params, actor=make.actor())

    def test_every_host_that_is_refused_is_named(self):
        ready, early = make.host("installed"), make.host("cabled")
        switch = make.switch()
        with pytest.raises(WrongState) as refused:
            ask.operations(kind="power", devices=[ready, early, switch], params=ACTION, actor=make.actor())
        assert [e["value"] for e in refused.value.errors] == [early.name, switch.name]
        assert not Operation.objects.filter(device=ready).exists(), "all or none"

    @pytest.mark.parametrize("state", ["queued", "active", "lost"])
    def test_a_second_one_is_refused_and_names_the_first(self, state):
        host = make.host("installed")
        first = make.operation("power", host, state=state)
        host.refresh_from_db()
        with pytest.raises(WrongState) as refused:
            ask.operations(kind="power", devices=[host], params=ACTION, actor=make.actor())
        assert str(first.pk) in refused.value.title and host.name in refused.value.title

    @pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled"])
    def test_after_the_first_has_ended_a_second_may_begin(self, state):
        host = make.host("installed")
        make.operation("power", host, state=state)
        assert ask.operations(kind="power", devices=[host], params=ACTION, actor=make.actor())


def test_of_twenty_askers_at_once_one_is_served_and_the_others_learn_which(real_db):
    """The unique index decides, whoever looked first."""
    host, actor = make.host("installed"), make.actor()
    raised = in_parallel(*[lambda: ask.operations(kind="power", devices=[host], params=ACTION, actor=actor)] * 20)
    only = Operation.objects.get()
    assert len(raised) == 19 and {type(error) for error in raised} == {WrongState}
    assert {error.code for error in raised} == {"busy"}
    assert {e["operation"] for error in raised for e in error.errors} <= {only.pk}
    named = [error for error in raised if error.errors]
    assert all(f"operation {only.pk} (power, queued)" in error.title for error in named)
    assert lifecycle.verify()["ok"]


class TestCancel:
    def test_at_once_when_nobody_has_begun(self, bench, kind):
        script = kind()
        operation = asked()
        done = ask.cancel(operation_id=operation.pk, actor=make.actor("O", "Ann"), reason="not today")
        assert (done.state, done.words, done.wake_at) == ("cancelled", "not today", None)
        assert (last_move(done).reason, last_move(done).actor.name) == ("not today", "Ann")
        assert bench.turn() == 0 and script.seen == []

    def test_at_the_next_safe_point_when_it_is_under_way(self, bench, kind):
        script = kind(Script(act=[Wait(3600, "rebooting")]))
        operation = asked()
        bench.turn()
        asked_for = ask.cancel(operation_id=operation.pk, actor=make.actor(), reason="wrong host")
        assert asked_for.state == "active" and asked_for.cancel_reason == "wrong host"
        again(operation)
        bench.turn()
        assert (now_is(operation).state, operation.cause, operation.words) == ("cancelled", "cancelled", "wrong host")
        assert operation.device.state == "burned_in" and operation.device.active_operation is None
        assert steps_of(operation)[-1] == ("act", 1, "cancelled")
        assert [name for name, _ in script.seen] == ["look", "act"], "nothing was done after it"

    def test_nothing_more_is_sent_although_its_steps_follow_each_other(self, bench, kind):
        """The steps of one turn know of no cancel: the guard of the side effect does."""

        async def cancelled_meanwhile(ctx):
            ask.cancel(operation_id=operation.pk, actor=make.actor(), reason="wrong host")
            return Done("seen")

        async def press(ctx):
            await ctx.intend("reset: On", power=True)
            return Done("pressed")

        kind(Script(look=[cancelled_meanwhile], act=[press]))
        operation = asked()
        bench.turn()
        assert (now_is(operation).state, operation.cause) == ("cancelled", "cancelled")
        assert not operation.intents.exists() and operation.device.state == "burned_in"

    def test_wakes_it_at_once(self, bench, kind):
        kind(Script(look=[Wait(3600, "waiting")]))
        operation = asked()
        bench.turn()
        ask.cancel(operation_id=operation.pk, actor=make.actor(), reason="enough")
        before = operation.pokes
        assert now_is(operation).pokes == before + 1
        assert operation.wake_at <= datetime.now(UTC)

    def test_not_inside_a_critical_section(self, bench, kind):
        async def flash(ctx):
            await ctx.intend("flash")
            return Wait(60, "flashing")

        kind(Script(act=[flash, Done("flashed")]), steps={"act": {"no_power": True}})
        operation = asked()
        bench.turn()
        ask.cancel(operation_id=operation.pk, actor=make.actor(), reason="stop it")
        again(operation)
        bench.turn()
        assert steps_of(operation)[-2:] == [("act", 1, "done"), ("settle", 1, "cancelled")]

    def test_what_waits_behind_it_is_cancelled_too(self, bench, kind):
        kind(Script(look=[Wait(3600, "waiting")]))
        host = make.wired_host("burned_in")
        chain = [ask.Asked("rehearsal", host, {}, None if n == 0 else n - 1, n) for n in range(3)]
        operations = ask.create(chain, actor=make.actor())
        bench.turn()
        ask.cancel(operation_id=operations[0].pk, actor=make.actor(), reason="not this chain")
        again(operations[0])
        bench.turn()
        states = Operation.objects.filter(pk__in=[o.pk for o in operations]).values_list("state", flat=True)
        assert list(states) == ["cancelled"] * 3
        assert ask.create([ask.Asked("rehearsal", host, {})], actor=make.actor())

    @pytest.mark.parametrize("state", ["succeeded", "failed", "lost"])
    def test_not_what_has_ended(self, db, state):
        operation = make.operation(state=state)
        with pytest.raises(WrongState, match=f"operation {operation.pk} is {state}"):
            ask.cancel(operation_id=operation.pk, actor=make.actor(), reason="too late")

    def test_twice_is_fine(self, db):
        operation = make.operation()
        for _ in range(2):
            assert ask.cancel(operation_id=operation.pk, actor=make.actor(), reason="stop").state == "cancelled"

    @pytest.mark.parametrize("reason", ["", "  ", "no", "x" * 501])
    def test_a_reason_is_needed(self, db, reason):
        with pytest.raises(BadValue) as refused:
            ask.cancel(operation_id=make.operation().pk, actor=make.actor(), reason=reason)
        assert refused.value.field == "reason"

    def test_there_must_be_one(self, db):
        with pytest.raises(NotFound, match="there is no operation 4711"):
            ask.cancel(operation_id=4711, actor=make.actor(), reason="nothing")


class TestRetryAndSkip:
    def failed(self, bench, kind, **answers) -> Operation:
        kind(Script(**(answers or {"act": [Fail("disk is read-only", "image_write")]})))
        operation = asked()
        bench.turn()
        return now_is(operation)

    def test_a_retry_goes_on_from_the_failed_step_with_new_attempts(self, bench, kind):
        operation = self.failed(bench, kind)
        done = ask.retry(operation_id=operation.pk, actor=make.actor("O", "Ann"), reason="disk replaced")
        assert (done.state, done.step_name, done.attempt, done.cause, done.words) == ("queued", "act", 1, "", "")
        assert done.step_deadline_at is None and done.ended_at is None
        assert (last_move(done).reason, last_move(done).actor.name) == ("disk replaced", "Ann")
        again(operation)
        bench.turn()
        assert (now_is(operation).state, operation.device.state) == ("succeeded", "installed")
        assert steps_of(operation) == [
            ("look", 1, "done"), ("act", 1, "fail"), ("act", 1, "done"), ("settle", 1, "done"),
        ]  # fmt: skip

    def test_a_boot_that_failed_begins_again_with_a_new_window(self, db):
        """Its tokens are dead."""
        install = make.operation("install", make.host("burned_in"), state="failed", step=8, step_name="written")
        assert ask.retry(operation_id=install.pk, actor=make.actor(), reason="again").step == 0
        early = make.operation("install", make.host("burned_in"), state="failed", step=1, step_name="check")
        assert ask.retry(operation_id=early.pk, actor=make.actor(), reason="again").step == 1

    def test_tests_that_failed_are_run_again_not_read_again(self, db):
        """The agent runs an id once: under the id of the run that failed it would repeat what it found then."""
        host = make.host("installed")
        validate = make.operation("validate", host, state="failed", step=2, step_name="tests")
        for run in (2, 3):
            again = ask.retry(operation_id=validate.pk, actor=make.actor(), reason="cable reseated")
            assert (again.step, again.step_name, again.result["run"]) == (0, "check", run)
            lifecycle.move("operation", [again.pk], to="active", actor=make.actor("S"), reason="claimed")
            lifecycle.move("operation", [again.pk], to="failed", actor=make.actor("S"), reason="failed")

    def test_a_skipped_step_is_on_record_with_who_and_why(self, bench, kind):
        operation = self.failed(bench, kind)
        ask.skip(operation_id=operation.pk, actor=make.actor("L", "Root"), reason="done by hand")
        again(operation)
        bench.turn()
        assert now_is(operation).state == "succeeded"
        assert ("act", 1, "skipped") in steps_of(operation)
        assert operation.steps.get(outcome="skipped").words == "by Root: done by hand"

    def test_the_step_that_earns_the_state_is_never_skipped(self, bench, kind):
        operation = self.failed(bench, kind, settle=[Fail("no", "rejected")])
        with pytest.raises(WrongState, match="the last step earns the state"):
            ask.skip(operation_id=operation.pk, actor=make.actor("L"), reason="it looks fine")

    @pytest.mark.parametrize("act", [ask.retry, ask.skip], ids=lambda f: f.__name__)
    @pytest.mark.parametrize("state", ["queued", "active", "succeeded", "cancelled", "lost"])
    def test_only_what_has_failed(self, db, act, state):
        operation = make.operation(state=state)
        with pytest.raises(WrongState) as refused:
            act(operation_id=operation.pk, actor=make.actor("L"), reason="once more")
        assert (refused.value.value, refused.value.expected) == (state, "failed")

    def test_not_while_another_one_has_the_host(self, db):
        host = make.host("installed")
        failed = make.operation("power", host, state="failed")
        other = make.operation("power", host)
        with pytest.raises(WrongState, match=f"operation {other.pk}"):
            ask.retry(operation_id=failed.pk, actor=make.actor(), reason="once more")

    @pytest.mark.parametrize("act", [ask.retry, ask.skip], ids=lambda f: f.__name__)
    def test_not_when_the_host_has_gone_where_it_may_not_start(self, db, act):
        """An install that failed long ago must not be retried on a host that serves."""
        host = make.host("burned_in")
        failed = make.operation("install", host, state="failed", step=1, step_name="check")
        Operation.objects.filter(pk=failed.pk).update(ended_at=failed.asked_at)
        make.bring("host", [host.pk], "in_service", start="burned_in")
        with pytest.raises(WrongState, match=f"{host.name} is in_service; install starts from"):
            act(operation_id=failed.pk, actor=make.actor("L"), reason="once more")


class TestLost:
    def lost(self, bench, kind) -> Operation:
        async def send(ctx):
            await ctx.intend("reset: ForceRestart", power=True)
            return Lost("it may have been sent")

        kind(Script(act=[send]))
        operation = asked()
        bench.turn()
        assert now_is(operation).state == "lost"
        return operation

    def test_it_goes_on_in_a_new_attempt_once_somebody_looked(self, bench, kind):
        operation = self.lost(bench, kind)
        assert Intent.objects.get(operation=operation).settled_at is None
        done = ask.found(operation_id=operation.pk, actor=make.actor("O"), reason="it is on, I looked", go_on=True)
        assert (done.state, done.attempt) == ("active", 2)
        finding = Finding.objects.get(operation_id=operation.pk)
        assert finding.closed_words == "it is on, I looked" and now_is(operation).device.health == "ok"
        assert Intent.objects.get(operation=operation).settled_at is not None
        again(operation)
        bench.turn()
        assert now_is(operation).state == "succeeded"

    def test_it_failed_and_its_host_goes_where_a_failure_takes_it(self, bench, kind):
        operation = self.lost(bench, kind)
        common = {"operation": operation, "device": operation.device, "mode": "install", "delivery": "pxe"}
        window = BootWindow.objects.create(**common, opened_at=operation.asked_at)
        done = ask.found(operation_id=operation.pk, actor=make.actor("O"), reason="it is dead, I looked", go_on=False)
        assert (done.state, done.cause) == ("failed", "outcome_unknown")
        device = Device.objects.get(pk=operation.device_id)
        assert device.active_operation is None
        assert (device.state, device.cause) == ("quarantined", "outcome_unknown")
        window.refresh_from_db()
        assert window.closed_at is not None, "its tokens must not outlive it until the reconciler comes"

    def test_only_a_lost_one(self, db):
        operation = make.operation(state="failed")
        with pytest.raises(WrongState):
            ask.found(operation_id=operation.pk, actor=make.actor("O"), reason="I looked", go_on=True)
