"""What an outcome does to the operation, its host, its steps and what is kept."""

from datetime import UTC, datetime, timedelta

import pytest

from fleet import lifecycle
from fleet.models import Bmc, Evidence, Finding, Transition
from provisioning.bmc.errors import BmcBusy, BmcRefused, BmcUnknown, BmcUnreachable
from provisioning.models import LogLine, Operation, Step
from provisioning.operations.outcomes import Done, Fail, HostSeen, Lost, OpenFinding, Retry, Wait
from provisioning.operations.outcomes import Evidence as Seen
from tests.provisioning.engine.turns import Script, again
from tests.support import make

PASSING = Retry("not yet", "busy")


def asked(state: str = "burned_in", **columns) -> Operation:
    host = make.wired_host(state)
    return make.operation("rehearsal", host, params={}, **columns)


def steps_of(operation: Operation) -> list[tuple[str, int, str]]:
    return list(operation.steps.order_by("id").values_list("name", "attempt", "outcome"))


def now_is(operation: Operation) -> Operation:
    operation.refresh_from_db()
    operation.device.refresh_from_db()
    return operation


def test_steps_that_are_done_follow_each_other_in_one_turn(bench, kind):
    kind(Script(look=[Done("seen", {"a": 1})], act=[Done("did", {"b": 2})]))
    operation = asked()
    assert bench.turn() == 1
    now_is(operation)
    assert (operation.state, operation.device.state) == ("succeeded", "installed")
    assert steps_of(operation) == [("look", 1, "done"), ("act", 1, "done"), ("settle", 1, "done")]
    assert operation.result == {"a": 1, "b": 2}
    assert operation.ended_at and operation.claimed_until is None and operation.wake_at is None
    assert operation.device.active_operation is None and operation.device.active_step == ""
    assert bench.turn() == 0


def test_both_transitions_are_by_the_engine_and_carry_the_evidence(bench, kind):
    kind(Script(settle=[Done("settled", effects=(Seen("facts", "as ordered", {"x": 1}),))]))
    operation = asked()
    bench.turn()
    evidence = Evidence.objects.get(operation_id=operation.pk)
    assert (evidence.kind, evidence.words, evidence.data) == ("facts", "as ordered", {"x": 1})
    moved = Transition.objects.filter(subject_kind="host", subject_id=operation.device_id).latest("seq")
    assert (moved.to_state, moved.evidence, moved.actor.role) == ("installed", [evidence.pk], "S")
    assert moved.reason == "rehearsal: settled"
    assert lifecycle.verify()["ok"]


def test_while_it_waits_the_host_shows_the_operation_and_no_claim_is_held(bench, kind):
    kind(Script(act=[Wait(60, "host is rebooting", progress=(2, 5), result={"sent": True})]))
    operation = asked()
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.step_name, operation.waits_for) == ("active", "act", "host is rebooting")
    assert (operation.done, operation.total, operation.result) == (2, 5, {"sent": True})
    assert operation.claimed_until is None and operation.claimed_by == ""
    assert 50 < (operation.wake_at - datetime.now(UTC)).total_seconds() <= 60
    device = operation.device
    assert (device.active_operation, device.active_kind, device.active_step) == (operation.pk, "rehearsal", "act")
    assert steps_of(operation) == [("look", 1, "done")], "a wait is no outcome"
    assert bench.turn() == 0, "not due"


def test_a_wait_never_outlasts_the_deadline_of_its_step(bench, kind):
    kind(Script(look=[Wait(10**6, "for ever")]))
    operation = asked()
    bench.turn()
    assert (now_is(operation).wake_at - operation.step_deadline_at).total_seconds() < 2


def test_a_poke_between_look_and_write_wakes_at_once(bench, kind):
    """A boot event that comes while its operation is being looked at is not slept over."""
    script = kind(Script(look=[Wait(3600, "no event yet"), Wait(3600, "event seen")]))
    operation = asked()
    bench.late = lambda record: Operation.objects.filter(pk=record.op).update(pokes=operation.pokes + 1)
    bench.turn()
    bench.late = None
    assert now_is(operation).wake_at <= datetime.now(UTC) + timedelta(seconds=1)
    bench.turn()
    assert now_is(operation).waits_for == "event seen" and operation.wake_at > datetime.now(UTC)
    assert [name for name, _ in script.seen] == ["look", "look"]


def test_retries_are_counted_across_turns_and_then_it_fails(bench, kind):
    """Lesson M10: retried for days, the count reset each cycle."""
    script = kind(Script(look=[PASSING] * 9))
    operation = asked()
    for n in (1, 2):
        bench.turn()
        assert (now_is(operation).state, operation.attempt) == ("active", n + 1)
        again(operation)
    bench.turn()
    now_is(operation)
    assert [attempt for _, attempt in script.seen] == [1, 2, 3]
    assert (operation.state, operation.cause) == ("failed", "busy")
    assert operation.words == "not yet (attempt 3 of 3)"
    assert steps_of(operation) == [("look", 1, "retry"), ("look", 2, "retry"), ("look", 3, "fail")]


def test_a_step_that_is_done_gives_the_next_its_own_attempts(bench, kind):
    kind(Script(look=[PASSING, PASSING], act=[PASSING]))
    operation = asked()
    for _ in range(3):
        bench.turn()
        again(operation)
    assert (now_is(operation).step_name, operation.attempt) == ("act", 2)


def test_going_back_to_an_earlier_step_is_bounded_by_who_says_so(bench, kind):
    back = Retry("no boot", "no_network_boot", result={"tries": 1}, back_to="look")
    script = kind(Script(act=[back, Fail("no boot again", "no_network_boot")]))
    operation = asked()
    bench.turn()
    assert (now_is(operation).step_name, operation.attempt, operation.result) == ("look", 1, {"tries": 1})
    again(operation)
    bench.turn()
    assert [name for name, _ in script.seen] == ["look", "act", "look", "act"]
    assert now_is(operation).cause == "no_network_boot"


def test_a_retry_backs_off_longer_each_time_with_jitter_or_as_the_bmc_asks(bench, kind):
    kind(Script(look=[PASSING, PASSING, Retry("wait", after_s=7, counts=False)]))
    operation = asked()
    waits = []
    for _ in range(3):
        bench.turn()
        waits.append((now_is(operation).wake_at - datetime.now(UTC)).total_seconds())
        again(operation)
    assert 14 < waits[0] <= 26 and 30 < waits[1] <= 52 and 4 < waits[2] <= 9.2


def test_what_does_not_count_ends_by_the_deadline_alone_with_the_last_observation(bench, kind):
    """Lessons M1, M4: a deadline is a Fail with the cause of the step's table and words of what was seen last."""
    unreachable = BmcUnreachable("host", "read the system", "connect_failed", "no route")
    kind(Script(look=[unreachable] * 9))
    operation = asked()
    for _ in range(5):
        bench.turn()
        assert now_is(operation).state == "active" and operation.attempt == 1
        again(operation)
    long_ago = datetime.now(UTC) - timedelta(minutes=31)
    again(operation, step_started_at=long_ago, step_deadline_at=long_ago + timedelta(minutes=30))
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause) == ("failed", "bmc_unreachable")
    assert operation.words == "deadline of step look passed after 31 min; last: read the system: no route"


def test_a_wait_past_its_deadline_fails_with_the_cause_of_its_step(bench, kind):
    kind(Script(look=[Wait(60, "no phone-home yet")] * 2))
    operation = asked()
    bench.turn()
    late = datetime.now(UTC) - timedelta(minutes=30)
    again(operation, step_started_at=late, step_deadline_at=late + timedelta(minutes=20))
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause) == ("failed", "no_look")
    assert operation.words == "deadline of step look passed after 30 min; last: no phone-home yet"
    assert operation.device.state == "quarantined" and operation.device.cause == "no_look"


def test_a_deadline_is_judged_only_after_a_look(bench, kind):
    """The effect may have come while nobody looked."""
    kind(Script(look=[Wait(60, "not yet"), Done("there it is")]))
    operation = asked()
    bench.turn()
    late = datetime.now(UTC) - timedelta(hours=3)
    again(operation, step_started_at=late, step_deadline_at=late + timedelta(minutes=20))
    bench.turn()
    assert now_is(operation).state == "succeeded"


@pytest.mark.parametrize(
    "answer",
    [Wait(60, "sent", in_doubt=True), BmcUnknown("host", "reset", "answer_timeout", "no answer within 20 s")],
    ids=["wait", "unknown"],
)
def test_what_may_have_been_done_is_lost_when_its_deadline_passes(bench, kind, answer):
    kind(Script(act=[answer, answer]))
    operation = asked()
    bench.turn()
    assert now_is(operation).step_name == "act"
    late = datetime.now(UTC) - timedelta(minutes=30)
    again(operation, step_started_at=late, step_deadline_at=late + timedelta(minutes=20))
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause) == ("lost", "outcome_unknown")
    assert operation.words.endswith("what was sent last may or may not have been done")
    assert operation.device.state == "burned_in", "nobody knows: it stays where it is"


def test_a_failure_takes_its_host_to_quarantine_with_step_words_and_a_last_look(bench, kind):
    """Evidence is taken before anything is reset (lesson M32: a failure without a reason)."""
    kind(Script(act=[Fail("the disk is read-only", "image_write")]))
    operation = asked()
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause, operation.step_name) == ("failed", "image_write", "act")
    assert (operation.device.state, operation.device.cause) == ("quarantined", "image_write")
    moved = Transition.objects.filter(subject_kind="host", subject_id=operation.device_id).latest("seq")
    assert (moved.reason, moved.cause) == ("rehearsal, step act: the disk is read-only", "image_write")
    look = Evidence.objects.get(pk=moved.evidence[0])
    assert look.kind == "last_look" and look.words == (
        "power On, OSRunning, health ok; last console line: Loading initial ramdisk ..."
    )
    assert operation.device.active_operation is None


def test_a_last_look_that_fails_does_not_hide_the_failure(bench, kind):
    kind(Script(act=[Fail("the disk is read-only", "image_write")]))
    operation = asked()
    bench.bmc.state = BmcUnreachable("host", "read the system", "connect_failed", "no route")
    bench.turn()
    assert now_is(operation).words == "the disk is read-only"
    assert "the BMC could not be read" in Evidence.objects.get(operation_id=operation.pk).words


def test_a_kind_may_leave_its_host_where_it_is(bench, kind):
    kind(Script(look=[Fail("no", "rejected")]), fails_to="", becomes="")
    operation = asked()
    bench.turn()
    assert now_is(operation).state == "failed" and operation.device.state == "burned_in"
    assert bench.bmc.calls == []


def test_a_bug_is_a_failure_with_its_traceback_never_a_silent_retry(bench, kind):
    script = kind(Script(act=[KeyError("image")]))
    operation = asked()
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause, operation.words) == ("failed", "bug", "KeyError: 'image'")
    step = Step.objects.filter(operation=operation).latest("id")
    assert "KeyError: 'image'" in step.traceback and "turns.py" in step.traceback
    assert [name for name, _ in script.seen] == ["look", "act"]


@pytest.mark.parametrize(
    ("error", "state", "cause"),
    [
        (BmcBusy("h", "reset", "not_ready", "starting"), "active", ""),
        (BmcUnreachable("h", "reset", "connect_failed", "no route"), "active", ""),
        (BmcRefused("h", "reset", "locked", "locked out"), "failed", "bmc_locked"),
        (BmcRefused("h", "reset", "must_change_password", "change it"), "failed", "bmc_credentials"),
    ],
    ids=lambda v: getattr(v, "code", v),
)
def test_an_error_of_the_driver_is_an_outcome(bench, kind, error, state, cause):
    kind(Script(look=[error]))
    operation = asked()
    bench.turn()
    assert (now_is(operation).state, operation.cause) == (state, cause)


def test_a_refused_write_is_tried_so_often_and_then_it_is_final(bench, kind):
    """Lesson M8: a request that the BMC answers with 400, repeated for ever."""
    script = kind(Script(look=[BmcRefused("h", "reset", "rejected", "400: no")] * 9))
    operation = asked()
    for _ in range(6):
        bench.turn()
        again(operation)
    assert len(script.seen) == 3
    assert (now_is(operation).state, operation.cause) == ("failed", "bmc_refused")


def test_two_refused_logins_open_the_breaker_for_everybody(bench, kind):
    """Lesson M25: two services tried a wrong password until the BMC locked them out."""
    refused = BmcRefused("h", "login", "bad_credentials", "user root is refused")
    script = kind(Script(look=[refused] * 9))
    operation = asked()
    for _ in range(2):
        bench.turn()
        again(operation)
    bmc = Bmc.objects.get(device=operation.device)
    assert bmc.refused == 2 and bmc.blocked_until > datetime.now(UTC) + timedelta(minutes=14)
    bench.turn()
    assert len(script.seen) == 2, "nobody asks while it is open"
    assert "nobody tries for a while" in now_is(operation).waits_for
    assert operation.state == "active"


def test_a_deadline_passes_while_the_breaker_is_open_too(bench, kind):
    """It was looked at 20 times a second until the breaker closed."""
    script = kind(Script(look=[Wait(1, "w")]))
    operation = asked()
    bench.turn()
    Bmc.objects.filter(device=operation.device).update(blocked_until=datetime.now(UTC) + timedelta(minutes=14))
    again(operation, step_deadline_at=datetime.now(UTC) - timedelta(hours=1))
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("failed", "bmc_credentials")
    assert "nobody tries for a while" in operation.words and len(script.seen) == 1


def test_findings_columns_and_log_lines_are_written_with_the_outcome(bench, kind):
    async def look(ctx):
        ctx.log("first line")
        ctx.log("second line")
        finding = OpenFinding("health", "fan", "warning", "a fan is slow", key="3")
        return Done("seen", effects=(finding, HostSeen({"boot_id": "b-1"})))

    kind(Script(look=[look]))
    operation = asked()
    bench.turn()
    finding = Finding.objects.get(device=operation.device)
    assert finding.stable_id == f"health:fan:{operation.device_id}:3" and finding.operation_id == operation.pk
    assert now_is(operation).device.boot_id == "b-1"
    lines = LogLine.objects.filter(operation_id=operation.pk).order_by("id").values_list("line", flat=True)
    assert list(lines) == ["first line", "second line"]


def test_a_finding_that_is_seen_again_stays_one(bench, kind):
    finding = OpenFinding("health", "fan", "warning", "a fan is slow")
    kind(Script(look=[Wait(1, "w", effects=(finding,)), Wait(1, "w", effects=(finding,))]))
    operation = asked()
    bench.turn()
    first = Finding.objects.get()
    again(operation)
    bench.turn()
    assert Finding.objects.get().pk == first.pk and Finding.objects.get().seen_at >= first.seen_at


def test_a_step_that_gives_up_the_guess_is_lost_until_somebody_looked(bench, kind):
    kind(Script(act=[Lost("a reset may have been sent")]))
    operation = asked()
    bench.turn()
    assert (now_is(operation).state, operation.words) == ("lost", "a reset may have been sent")
    assert operation.device.active_operation == operation.pk, "the host still belongs to it"
    finding = Finding.objects.get(device=operation.device, closed_at=None)
    assert (finding.kind, finding.severity, finding.words) == ("outcome_unknown", "critical", operation.words)
    assert operation.device.health == "critical"
    assert bench.turn() == 0


def test_a_step_sees_what_the_steps_before_it_found(bench, kind):
    script = kind(Script(look=[Done("seen", {"mark": 7})]))
    asked()
    bench.turn()
    assert script.contexts[1].result == {"mark": 7}
    assert script.contexts[1].host.state == "burned_in" and script.contexts[1].target.user == "root"


def test_an_operation_that_leaves_the_state_leaves_its_cause(bench, kind):
    """A quarantined host whose power was cycled still says why it is out."""
    kind(becomes="", fails_to="")
    operation = asked("quarantined")
    type(operation.device).objects.filter(pk=operation.device_id).update(cause="part_missing")
    bench.turn()
    assert now_is(operation).state == "succeeded"
    assert (operation.device.state, operation.device.cause) == ("quarantined", "part_missing")


def test_a_success_that_earns_a_state_clears_the_cause(bench, kind):
    kind()
    operation = asked("quarantined")
    type(operation.device).objects.filter(pk=operation.device_id).update(cause="part_missing")
    bench.turn()
    assert (now_is(operation).device.state, operation.device.cause) == ("installed", "")


def test_a_host_that_was_put_elsewhere_meanwhile_is_left_alone(bench, kind):
    """An install that waited in a paused campaign must not begin on a host that serves."""
    script = kind()
    operation = asked("burned_in")
    make.bring("host", [operation.device_id], "in_service", start="burned_in")
    bench.turn()
    now_is(operation)
    assert (operation.state, operation.cause) == ("failed", "wrong_state")
    assert operation.words == "the host is in_service now: rehearsal has no business there"
    assert script.seen == [] and bench.bmc.calls == []
    assert (operation.device.state, operation.device.cause) == ("in_service", "")
    finding = Finding.objects.get(device=operation.device)
    assert (finding.kind, finding.severity, finding.operation_id) == ("wrong_state", "info", operation.pk)


def test_what_fails_before_its_first_step_opens_a_finding_too(bench, kind, settings_of):
    """On a scaled installation a BMC that is not of a simulator is left alone, and so is its host."""
    kind()
    operation = asked()
    Bmc.objects.filter(device=operation.device).update(address="192.0.2.1")
    settings_of(TIME_SCALE=60)
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("failed", "time_scale")
    assert (operation.device.state, operation.device.health) == ("quarantined", "critical")
    assert Finding.objects.get(device=operation.device).words == operation.words
    assert bench.bmc.calls == [], "no last look at what must not be touched"
