"""The pump itself, with its threads and its loop, on a database of its own."""

import asyncio
import threading
import time
from datetime import UTC, datetime

import pytest
from django.db import OperationalError, connection

from fleet import lifecycle, secrets
from fleet.errors import WrongState
from fleet.models import Bmc, Device, Finding, Secret
from provisioning.engine import claim, turn, write
from provisioning.engine.turn import Pump
from provisioning.models import Intent, Operation, Step
from provisioning.operations.outcomes import Done, Wait
from tests.provisioning.engine.test_turn import asked, now_is, steps_of
from tests.provisioning.engine.turns import LONG_AGO, FakeFleet, Script
from tests.support import make
from tests.support.waiting import eventually


@pytest.fixture
def pump(real_db):
    """A pump as a worker has it, but for its BMCs."""
    made = Pump()
    made.bmcs, real = FakeFleet(), made.bmcs
    yield made
    for closing in (real.close(logout=False), made.agents.close()):
        asyncio.run_coroutine_threadsafe(closing, made.loop).result(20)
    made.outcomes_db.shutdown()
    made.intents_db.shutdown()
    made.loop.call_soon_threadsafe(made.loop.stop)


async def act(ctx):
    await ctx.intend("reset: ForceRestart", power=True)
    return Done("reset sent")


def fleet_of(n: int) -> list[Operation]:
    return [asked() for _ in range(n)]


def many(answer, n: int) -> list:
    return [answer] * n


def test_a_look_runs_everything_that_is_due_and_returns_when_it_rests(pump, kind):
    kind(Script(act=many(act, 60)))  # more than there are hosts: a lock that takes too long is tried again
    operations = fleet_of(30)
    pump.look()
    ends = [now_is(o) for o in operations]
    assert [(o.state, o.cause, o.words) for o in ends if o.state != "succeeded"] == []
    assert {o.device.state for o in operations} == {"installed"}
    assert Intent.objects.filter(settled_at=None).count() == 0
    assert sorted(Intent.objects.values_list("operation_id", flat=True)) == [o.pk for o in operations]
    assert lifecycle.verify()["ok"]
    assert pump.flights == pump.fences == {} and pump.out == []


def test_what_is_due_within_seconds_is_waited_for_what_is_due_later_is_not(pump, kind):
    kind(Script(look=[Wait(0.3, "soon")], settle=[Wait(3600, "later")]))
    operation = asked()
    pump.look()
    assert now_is(operation).waits_for == "later"


def test_a_second_look_returns_at_once_while_the_first_runs(pump, kind):
    gate = threading.Event()

    async def wait(ctx):
        await asyncio.get_running_loop().run_in_executor(None, gate.wait, 60)
        return Done("looked")

    kind(Script(look=[wait]))
    operation = asked()
    first = threading.Thread(target=pump.look)
    first.start()
    eventually(lambda: pump.flights)
    before = time.monotonic()
    pump.look()
    assert time.monotonic() - before < 5 and first.is_alive()
    gate.set()
    first.join(30)
    assert now_is(operation).state == "succeeded"


def test_no_hosts_step_waits_for_another_ones(pump, kind):
    """One host's BMC that does not answer for 20 s holds nobody up."""
    gate = threading.Event()

    async def hang(ctx):
        await asyncio.get_running_loop().run_in_executor(None, gate.wait, 60)
        return Done("at last")

    kind(Script(look=[hang, *many(Done("seen"), 20)]))
    operations = fleet_of(8)
    looking = threading.Thread(target=pump.look)
    looking.start()
    try:
        eventually(lambda: Operation.objects.filter(state="succeeded").count() == 7)
    finally:
        gate.set()
        looking.join(30)
    assert {now_is(o).state for o in operations} == {"succeeded"}


def test_the_step_after_an_intent_begins_when_its_outcome_is_committed(pump, kind):
    """At most one step of an operation is in doubt after a crash."""
    seen = []

    def look(operation_id: int) -> None:
        seen.append(list(Step.objects.filter(operation=operation_id).values_list("name", flat=True)))
        seen.append(Intent.objects.filter(operation=operation_id, settled_at=None).count())
        connection.close()

    async def settle(ctx):
        await asyncio.get_running_loop().run_in_executor(None, look, ctx.operation_id)
        return Done("settled")

    kind(Script(act=[act], settle=[settle]))
    asked()
    pump.look()
    assert seen == [["look", "act"], 0]


def test_where_an_operation_stands_is_on_record_before_it_acts(pump, kind):
    """Steps that need no permit follow each other unwritten; a crash must not find the intent ahead of the operation.

    Killed there, a worker that took over began at an earlier step, saw nothing sent at this one, and reset again.
    """
    seen = []

    def look(operation_id: int) -> None:
        operation = Operation.objects.get(pk=operation_id)
        seen.append((operation.step_name, operation.result, steps_of(operation)))
        connection.close()

    async def act_and_look(ctx):
        await ctx.intend("reset: ForceRestart", power=True)
        await asyncio.get_running_loop().run_in_executor(None, look, ctx.operation_id)
        return Done("reset sent")

    kind(Script(look=[Done("seen", {"mark": 1})], act=[act_and_look]))
    asked()
    pump.look()
    assert seen == [("act", {"mark": 1}, [("look", 1, "done")])]


def test_nothing_is_sent_when_what_was_found_before_could_not_be_written(pump, kind, monkeypatch):
    """Else a step would be skipped: its window never opened, its result never kept."""
    real, failing = write.write, [True]

    def broken(records):
        if failing and any(r.step_name == "look" for r in records):
            failing.clear()
            raise OperationalError("the database is gone")
        return real(records)

    monkeypatch.setattr(write, "write", broken)
    script = kind(Script(act=[act, act]))
    operation = asked()
    pump.look()
    assert not Intent.objects.exists() and not Step.objects.exists()
    assert (now_is(operation).state, operation.step_name) == ("active", "look")
    Operation.objects.update(claimed_until=LONG_AGO)
    pump.look()
    assert now_is(operation).state == "succeeded"
    assert [name for name, _ in script.seen] == ["look", "act", "look", "act", "settle"]


def test_a_poke_wakes_a_waiting_operation_before_its_time(pump, kind):
    kind(Script(look=[Wait(3600, "no event yet")]))
    operation = asked()
    pump.look()
    Operation.objects.filter(pk=operation.pk).update(pokes=1, wake_at=LONG_AGO)
    pump.look()
    assert now_is(operation).state == "succeeded"


def test_a_claim_is_renewed_as_long_as_its_step_runs(pump, kind, monkeypatch):
    monkeypatch.setattr(turn, "RENEW_S", 0.05)
    monkeypatch.setattr(claim, "CLAIM_S", 5)
    gate = threading.Event()

    async def wait(ctx):
        await asyncio.get_running_loop().run_in_executor(None, gate.wait, 60)
        return Done("looked")

    kind(Script(look=[wait]))
    operation = asked()
    looking = threading.Thread(target=pump.look)
    looking.start()
    try:
        first = eventually(lambda: now_is(operation).claimed_until)
        eventually(lambda: now_is(operation).claimed_until > first)
    finally:
        gate.set()
        looking.join(30)
    assert now_is(operation).state == "succeeded" and operation.claimed_until is None


@pytest.mark.parametrize("fault", [OperationalError("deadlock detected"), WrongState("it is done")], ids=str)
def test_a_renewal_or_a_release_that_fails_stops_nothing_that_is_in_flight(pump, kind, monkeypatch, fault):
    """The next one comes before the claims have run out."""
    monkeypatch.setattr(turn, "RENEW_S", 0.05)
    monkeypatch.setattr(turn, "REST_S", 0.04)
    real, failed, renewed = claim.renew, [], threading.Event()

    def broken(*_):
        failed.append(True)
        raise fault

    def renew(ops):
        if not failed:
            broken()
        real(ops)
        renewed.set()

    async def wait(ctx):
        await asyncio.get_running_loop().run_in_executor(None, renewed.wait, 60)
        return Done("looked")

    monkeypatch.setattr(claim, "renew", renew)
    monkeypatch.setattr(turn.release, "release", broken)
    kind(Script(look=[wait]))
    operation = asked()
    pump.look()
    assert renewed.is_set() and len(failed) == 2
    assert now_is(operation).state == "succeeded"


def test_an_operation_that_cannot_even_begin_fails_in_words_and_holds_up_nobody(pump, kind):
    """A login that was encrypted with a key that is gone."""
    kind()
    bad, *good = fleet_of(4)
    secret = Secret.objects.create(name="bmc:spoilt", key_id="gone", ciphertext=b"not ours")
    Bmc.objects.filter(device=bad.device).update(secret=secret)
    Operation.objects.filter(pk=bad.pk).update(wake_at=LONG_AGO)
    pump.look()
    assert {now_is(o).state for o in good} == {"succeeded"}
    assert (now_is(bad).state, bad.cause) == ("failed", "bmc_credentials")
    assert bad.words.startswith("the BMC's login cannot be read: ") and "MUSTER_KEYS_FILE" in bad.words
    finding = Finding.objects.get(device=bad.device)
    assert (finding.kind, finding.severity, finding.words) == ("bmc_credentials", "critical", bad.words)


def test_a_kind_that_this_version_does_not_know_is_left_to_others(pump, kind):
    kind()
    unknown, good = fleet_of(2)
    Operation.objects.filter(pk=unknown.pk).update(kind="of tomorrow", wake_at=LONG_AGO)
    pump.look()
    assert now_is(good).state == "succeeded"
    assert (now_is(unknown).state, unknown.step_name) == ("active", "look")


def test_a_session_that_cannot_be_read_is_no_reason_to_stop(pump, kind):
    script = kind()
    operation = asked()
    Bmc.objects.filter(device=operation.device).update(session_state="open", session_ciphertext=b"not ours")
    pump.look()
    assert now_is(operation).state == "succeeded"
    assert script.contexts[0].target.session is None


@pytest.mark.parametrize("error", [OperationalError("canceling statement due to lock timeout")], ids=["lock timeout"])
def test_a_database_that_does_not_answer_is_no_fault_of_the_host(pump, kind, monkeypatch, error):
    """Somebody held the host's row too long: nothing was permitted, nothing sent, and it is tried again."""
    real, answers = claim.intend, [error]

    def intend(wants):
        if answers:
            raise answers.pop()
        return real(wants)

    pump.intents._run = intend
    kind(Script(act=[act, act]))
    operation = asked()
    pump.look()
    assert (now_is(operation).state, operation.step_name) == ("active", "act")
    assert operation.device.state == "burned_in" and not Intent.objects.exists()
    Operation.objects.update(wake_at=LONG_AGO)
    pump.look()
    assert now_is(operation).state == "succeeded"


def test_outcomes_that_cannot_be_written_are_found_again_when_their_claims_have_run_out(pump, kind, monkeypatch):
    real, fails = write.write, [True]

    def broken(records):
        if fails:
            raise OperationalError("the database is gone")
        return real(records)

    monkeypatch.setattr(write, "write", broken)
    kind(Script(act=many(act, 2)))
    operation = asked()
    pump.look()
    assert now_is(operation).state == "active" and operation.claimed_until > datetime.now(UTC)
    fails.clear()
    Operation.objects.update(claimed_until=LONG_AGO)
    pump.look()
    assert now_is(operation).state == "succeeded"
    assert [name for name, *_ in steps_of(operation)] == ["look", "act", "settle"]


def test_sessions_are_on_record_before_and_after_they_are_opened(pump):
    from provisioning.bmc.types import Session

    host = make.wired_host()
    pump.devices[host.name] = host.pk

    def stored(hook, *more) -> Bmc:
        asyncio.run_coroutine_threadsafe(hook(host.name, *more), pump.loop).result(20)
        return Bmc.objects.get(device=host)

    assert stored(pump.session_opening).session_state == "opening"
    row = stored(pump.session_opened, Session("t0ken", "/redfish/v1/Sessions/1"))
    assert (row.session_state, row.session_worker) == ("open", claim.me())
    assert b"t0ken" not in bytes(row.session_ciphertext) and "t0ken" in secrets.decrypt(bytes(row.session_ciphertext))
    row = stored(pump.session_closed)
    assert (row.session_state, bytes(row.session_ciphertext)) == ("", b"")


def test_a_hosts_place_is_shown_while_its_operation_runs(pump, kind):
    kind(Script(act=[Wait(3600, "rebooting")]))
    operation = asked()
    pump.look()
    device = Device.objects.get(pk=operation.device_id)
    assert (device.active_operation, device.active_kind, device.active_step) == (operation.pk, "rehearsal", "act")
