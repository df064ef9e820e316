"""Who may work on an operation: claims, fencing numbers, take-overs, and writers that come too late."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import lifecycle
from fleet.models import Device, Evidence, Finding
from provisioning.engine import claim, write
from provisioning.engine.write import Record
from provisioning.models import Operation, Step, WorkerProcess
from provisioning.operations.outcomes import Evidence as Seen
from provisioning.operations.outcomes import OpenFinding
from tests.fleet.test_lifecycle_bulk import in_parallel
from tests.provisioning.engine.test_turn import asked, now_is, steps_of
from tests.provisioning.engine.turns import LONG_AGO
from tests.support import make

ME = "machine:1:1"


def now() -> datetime:
    """The time of this transaction, which stands still."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT now()")
        return cursor.fetchone()[0]


def set_row(operation: Operation, **columns) -> Operation:
    Operation.objects.filter(pk=operation.pk).update(**columns)
    operation.refresh_from_db()
    return operation


def record(operation: Operation, **changes) -> Record:
    """An outcome of this operation, as its flight would hand it over: its first step is done."""
    usual = {
        "op": operation.pk, "fence": operation.fence, "device": operation.device_id, "kind": operation.kind,
        "host_state": operation.device.state, "step": 0, "step_name": "look", "attempt": 1, "outcome": "done",
        "words": "looked", "started_at": datetime.now(UTC), "next_step": 1, "next_name": "act", "next_attempt": 1,
        "next_started_at": None, "next_deadline_at": None, "ends_at": None, "wait_s": 0.0,
        "pokes": operation.pokes, "release": False, "ended": "", "cause": "",
        "result": {}, "progress": (0, 0), "effects": (),
        "log_lines": (), "traceback": "", "settle": True, "row": True,
    }  # fmt: skip
    return Record(**{**usual, **changes})


@pytest.mark.usefixtures("db")
class TestClaim:
    def test_takes_what_is_due_with_a_new_number_and_starts_it(self):
        operation = make.operation()
        (row,) = claim.claim(room=10, worker=ME)
        now_is(operation)
        assert (operation.state, operation.claimed_by, operation.fence) == ("active", ME, row["fence"])
        assert operation.claimed_until - now() == timedelta(seconds=45)
        assert operation.started_at == now()
        device = operation.device
        assert (device.active_operation, device.active_kind, device.active_step) == (operation.pk, "power", "mark")
        assert claim.claim(room=10, worker=ME) == [], "it is claimed"

    def test_every_claim_has_a_larger_number(self):
        operation = make.operation()
        fences = []
        for _ in range(3):
            claim.claim(room=10, worker=ME)
            fences.append(set_row(operation, claimed_until=None, claimed_by="").fence)
        assert fences == sorted(set(fences))

    @pytest.mark.parametrize(
        "columns",
        [
            {"wake_at": datetime(2999, 1, 1, tzinfo=UTC)},
            {"wake_at": None},
            {"claimed_until": datetime(2999, 1, 1, tzinfo=UTC), "claimed_by": "other:2:2"},
        ],
        ids=["later", "held back", "another's"],
    )
    def test_leaves_what_is_not_due(self, columns):
        make.operation(**columns)
        assert claim.claim(room=10, worker=ME) == []

    @pytest.mark.parametrize("state", ["succeeded", "failed", "cancelled", "lost"])
    def test_leaves_what_has_ended(self, state):
        make.operation(state=state, wake_at=LONG_AGO)
        assert claim.claim(room=10, worker=ME) == []

    def test_the_oldest_first_and_no_more_than_there_is_room_for(self):
        made = [make.operation(wake_at=LONG_AGO + timedelta(minutes=n)) for n in (3, 1, 2)]
        assert {row["id"] for row in claim.claim(room=2, worker=ME)} == {made[1].pk, made[2].pk}

    def test_costs_the_same_statements_for_few_and_for_many(self):
        """511 waiting hosts cost one indexed query a look."""
        counts = []
        for n in (2, 80):
            for host in make.hosts(n, "installed"):
                make.operation("power", host)
            with CaptureQueriesContext(connection) as queries:
                assert len(claim.claim(room=100, worker=ME)) == n
            counts.append(len(queries))
        assert counts[0] == counts[1]

    def test_a_take_over_gives_the_step_the_time_that_nobody_had_it(self):
        """A worker that died must not cost its operation its deadline."""
        deadline = now() + timedelta(minutes=10)
        operation = make.operation(
            state="active", step_deadline_at=deadline, claimed_until=now() - timedelta(seconds=30)
        )
        claim.claim(room=10, worker=ME)
        assert set_row(operation).step_deadline_at == deadline + timedelta(seconds=30)

    def test_time_in_which_no_worker_ran_is_not_the_steps(self):
        """An installation that was stopped for an hour fails nobody for it when it goes on."""
        began, deadline = now() - timedelta(hours=2), now() - timedelta(minutes=50)
        operation = make.operation(
            state="active",
            step_started_at=began,
            step_deadline_at=deadline,
            claimed_until=None,
            wake_at=now() - timedelta(hours=1),
        )
        claim.claim(room=10, worker=ME)
        row = set_row(operation)
        assert (row.step_started_at, row.step_deadline_at) == (
            began + timedelta(hours=1),
            deadline + timedelta(hours=1),
        )

    def test_a_wait_that_is_looked_at_in_time_moves_no_deadline(self):
        deadline = now() + timedelta(minutes=10)
        operation = make.operation(state="active", step_deadline_at=deadline, claimed_until=None, wake_at=now())
        claim.claim(room=10, worker=ME)
        assert set_row(operation).step_deadline_at == deadline

    def test_renewing_keeps_what_is_ours_and_nothing_else(self):
        ours, taken, given_back = (make.operation() for _ in range(3))
        claim.claim(room=10, worker=ME)
        old = now() + timedelta(seconds=5)
        Operation.objects.update(claimed_until=old)
        fences = {o.pk: set_row(o).fence for o in (ours, taken, given_back)}
        set_row(taken, fence=10**6)
        set_row(given_back, claimed_until=None)
        claim.renew(list(fences.items()))
        assert set_row(ours).claimed_until == now() + timedelta(seconds=45)
        assert set_row(taken).claimed_until == old
        assert set_row(given_back).claimed_until is None

    def test_says_when_something_is_due_next(self):
        assert claim.next_due() is None
        make.operation(wake_at=now() + timedelta(seconds=90))
        assert claim.next_due() == pytest.approx(90)
        make.operation(state="active", wake_at=now() - timedelta(hours=1), claimed_until=now() + timedelta(seconds=12))
        assert claim.next_due() == pytest.approx(12), "another's claim may run out"
        make.operation(wake_at=now() - timedelta(seconds=1))
        assert claim.next_due() <= 0


def test_claimers_never_share(real_db):
    """SKIP LOCKED: eight at once, each operation is one's."""
    made = {make.operation("power", host).pk for host in make.hosts(60, "installed")}
    taken: list[int] = []

    def claimer(n: int):
        def run() -> None:
            while rows := claim.claim(room=7, worker=f"machine:{n}:1"):
                taken.extend(row["id"] for row in rows)

        return run

    assert in_parallel(*(claimer(n) for n in range(8))) == []
    # A claimer that finds all due rows locked stops early; what is left is claimed by one more look.
    taken.extend(row["id"] for row in claim.claim(room=100, worker=ME))
    assert len(taken) == len(set(taken)) and set(taken) == made
    assert Operation.objects.values("fence").distinct().count() == len(made)
    assert lifecycle.verify()["ok"]


class TestRegister:
    """A worker that starts frees at once what dead ones on its machine had claimed."""

    @pytest.fixture
    def machine(self, db) -> str:
        return claim.me().partition(":")[0]

    def claimed_by(self, name: str) -> Operation:
        machine, pid, started = name.split(":")
        WorkerProcess.objects.get_or_create(
            name=name, defaults={"machine": machine, "pid": int(pid), "started": started, "seen_at": LONG_AGO}
        )
        return make.operation(state="active", claimed_by=name, claimed_until=now() + timedelta(seconds=40))

    def test_of_a_process_that_is_gone(self, machine):
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        operation = self.claimed_by(f"{machine}:{dead.pid}:123")
        assert claim.register() == 1
        assert set_row(operation).claimed_until == now()
        assert not WorkerProcess.objects.filter(pid=dead.pid).exists()

    def test_of_a_process_whose_number_another_has_now(self, machine):
        operation = self.claimed_by(f"{machine}:{os.getpid()}:1")
        assert claim.register() == 1
        assert set_row(operation).claimed_until == now()

    def test_not_of_a_process_that_lives(self, machine):
        operation = self.claimed_by(f"{machine}:{os.getppid()}:{claim._started(os.getppid())}")
        assert claim.register() == 0
        assert set_row(operation).claimed_until > now()

    def test_not_of_another_machine(self, machine):
        operation = self.claimed_by("elsewhere:1:1")
        assert claim.register() == 0
        assert set_row(operation).claimed_until > now()

    def test_twice_is_one_row(self, machine):
        claim.register()
        claim.register()
        assert list(WorkerProcess.objects.values_list("name", flat=True)) == [claim.me()]


@pytest.mark.usefixtures("db")
class TestLateWriters:
    def overtaken(self, kind) -> tuple[Operation, Record]:
        kind()
        operation = asked()
        claim.claim(room=10, worker=ME)
        late = record(now_is(operation), ended="succeeded", release=True, effects=(Seen("facts", "late"),))
        set_row(operation, claimed_until=LONG_AGO)
        claim.claim(room=10, worker="machine:2:2")
        return now_is(operation), late

    def test_write_nothing(self, kind):
        operation, late = self.overtaken(kind)
        assert write.write([late]) == set()
        before = operation.fence
        assert now_is(operation).state == "active" and operation.fence == before
        assert operation.device.state == "burned_in" and operation.step_name == "look"
        assert not Step.objects.exists() and not Evidence.objects.exists()
        assert operation.claimed_by == "machine:2:2"

    @pytest.mark.parametrize("late_first", [True, False])
    def test_write_nothing_beside_the_one_who_took_over(self, kind, late_first):
        """Both in one batch: a process that lost its own claim and got it again."""
        operation, late = self.overtaken(kind)
        fresh = record(operation, words="by the newer claim")
        batch = [late, fresh] if late_first else [fresh, late]
        assert write.write(batch) == {(operation.pk, operation.fence)}
        assert [s.words for s in Step.objects.all()] == ["by the newer claim"]
        assert (now_is(operation).state, operation.step_name) == ("active", "act")
        assert not Evidence.objects.exists()

    def test_write_nothing_to_what_has_ended(self, kind):
        kind()
        operation = asked()
        claim.claim(room=10, worker=ME)
        late = record(now_is(operation))
        lifecycle.move("operation", [operation.pk], to="failed", actor=make.actor("S"), reason="over")
        assert write.write([late]) == set()
        assert not Step.objects.exists()


@pytest.mark.usefixtures("db")
class TestBatches:
    def test_several_outcomes_of_one_operation_are_all_steps_and_the_last_one_counts(self, kind):
        kind()
        operation = asked()
        claim.claim(room=10, worker=ME)
        now_is(operation)
        first = record(operation, result={"a": 1})
        second = record(
            operation, step=1, step_name="act", next_step=2, next_name="settle", words="did", result={"b": 2},
            wait_s=60.0, release=True,
        )  # fmt: skip
        assert write.write([first, second]) == {(operation.pk, operation.fence)}
        now_is(operation)
        assert steps_of(operation) == [("look", 1, "done"), ("act", 1, "done")]
        assert (operation.step, operation.step_name, operation.claimed_until) == (2, "settle", None)
        assert operation.result == {"a": 1, "b": 2}

    def test_one_that_cannot_be_written_does_not_hold_up_the_others_and_fails(self, kind):
        """A count below zero, from a host's agent: found again every 45 s, written never."""
        kind()
        bad, good = asked(), asked()
        claim.claim(room=10, worker=ME)
        spoilt = record(now_is(bad), progress=(-1, 5), result={"a": 1}, effects=(Seen("facts", "x"),))
        fine = record(now_is(good), ended="succeeded", release=True)
        assert write.write([spoilt, fine]) == {(bad.pk, bad.fence), (good.pk, good.fence)}
        assert now_is(good).state == "succeeded" and good.device.state == "installed"
        assert (now_is(bad).state, bad.cause, bad.device.state) == ("failed", "bug", "quarantined")
        assert bad.words.startswith("what step look found cannot be written: ") and "check constraint" in bad.words
        assert not Evidence.objects.exists()
        finding = Finding.objects.get()
        assert (finding.device_id, finding.operation_id, finding.words) == (bad.device_id, bad.pk, bad.words)

    def test_one_whose_host_was_moved_meanwhile_is_looked_at_again(self, kind):
        """A person was faster; the next look sees where the host is."""
        kind()
        operation = asked("burned_in")
        claim.claim(room=10, worker=ME)
        late = record(now_is(operation), ended="succeeded", release=True)
        make.bring("host", [operation.device_id], "quarantined", start="burned_in")
        lifecycle.move("host", [operation.device_id], to="cabled", actor=make.actor("O"), reason="far back")
        assert write.write([late]) == set()
        assert now_is(operation).state == "active" and operation.device.state == "cabled"

    def test_costs_the_same_statements_for_few_and_for_many(self, kind):
        kind()
        counts = []
        for n in (2, 60):
            for host in make.hosts(n, "burned_in"):
                make.operation("rehearsal", host, params={})
            rows = claim.claim(room=100, worker=ME)
            operations = Operation.objects.select_related("device").filter(pk__in=[row["id"] for row in rows])
            batch = [record(o, ended="succeeded", release=True, effects=(Seen("facts", "x"),)) for o in operations]
            with CaptureQueriesContext(connection) as queries:
                assert len(write.write(batch)) == n
            counts.append(len(queries))
        assert counts[0] == counts[1]
        assert Device.objects.filter(state="installed").count() == 62

    @pytest.mark.parametrize("dirt", ["a\0b", "a\ud800b", float("nan"), float("inf")], ids=ascii)
    def test_whatever_a_machine_says_can_be_written(self, kind, dirt):
        """Else its outcome would be found again and again, and never get into the database."""
        kind()
        operation = asked()
        claim.claim(room=10, worker=ME)
        text = f"it said {dirt}"
        seen = (Seen("facts", text, {"x": {"y": dirt}}), OpenFinding("health", "x", "info", text))
        more = {"words": text, "log_lines": (text,), "traceback": text, "effects": seen}
        assert write.write([record(now_is(operation), result={"said": [dirt]}, **more)])
        kept = Evidence.objects.get().data["x"]["y"]
        assert now_is(operation).result["said"] == [kept]
        assert kept in ("a\N{REPLACEMENT CHARACTER}b", "nan", "inf")
