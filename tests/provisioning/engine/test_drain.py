"""drain: out of service at once where nobody schedules, else when the scheduler has said that nothing runs there."""

import pytest

from fleet import lifecycle
from fleet.errors import WrongState
from fleet.models import Device, Evidence, Site, Transition
from provisioning.engine import ask, moves
from provisioning.models import Operation
from tests.provisioning.engine.turns import again
from tests.support import make, people


def drained(host: Device) -> Operation:
    return ask.operations(kind="drain", devices=[host], params={}, actor=make.actor(), reason="new fans")[0]


def states(host: Device) -> list[str]:
    moved = Transition.objects.filter(subject_kind="host", subject_id=host.pk).order_by("seq")
    return [m.to_state for m in moved][-2:]


def run(bench, operation: Operation, turns: int = 4) -> Operation:
    for _ in range(turns):
        again(operation)
        bench.turn()
    operation.refresh_from_db()
    return operation


@pytest.fixture
def scheduled(db):
    """The site's scheduler answers by the API."""
    make.site()
    Site.objects.update(scheduler="api")


class TestWithoutAScheduler:
    def test_the_host_leaves_service_and_is_empty_at_once(self, bench):
        host = make.wired_host("in_service")
        done = run(bench, drained(host))
        assert (done.state, states(host)) == ("succeeded", ["draining", "validated"])
        assert Evidence.objects.get(kind="drain").words == "empty: this site has no scheduler"
        last = Transition.objects.filter(subject_kind="host", subject_id=host.pk).latest("seq")
        assert last.evidence and last.actor.name == "engine"

    def test_a_host_that_has_left_already_is_left_as_it_is(self, bench):
        host = make.wired_host("validated")
        assert run(bench, drained(host)).state == "succeeded"
        host.refresh_from_db()
        assert host.state == "validated"

    def test_nowhere_else(self, db):
        with pytest.raises(WrongState, match="drain starts from draining, in_service, validated"):
            drained(make.host("quarantined"))


class TestWithAScheduler:
    def waiting(self, bench) -> tuple[Device, Operation]:
        host = make.wired_host("in_service")
        operation = run(bench, drained(host))
        host.refresh_from_db()
        assert (operation.state, operation.step_name, host.state) == ("active", "empty", "draining")
        assert "scheduler" in operation.waits_for
        return host, operation

    def test_it_reads_who_drains_and_answers_by_a_move(self, bench, scheduled):
        host, operation = self.waiting(bench)
        program = people.program("scheduler")
        listed = program.get("/hosts", state="draining").json()["items"]
        assert [row["name"] for row in listed] == [host.name]
        answer = program.post("/transitions", {"host": host.name, "to": "validated", "reason": "nothing runs there"})
        assert answer.status_code == 201, answer.content
        operation.refresh_from_db()
        assert operation.pokes == 1
        done = run(bench, operation, 1)
        assert (done.state, states(host)) == ("succeeded", ["draining", "validated"])
        assert "as the scheduler says" in done.words

    def test_nobody_else_answers_for_it(self, bench, scheduled):
        host, _ = self.waiting(bench)
        with pytest.raises(WrongState, match="needs the role scheduler"):
            moves.move(hosts=[host.pk], to="validated", reason="I think so", actor=make.actor("O"))

    def test_another_move_still_waits_for_the_operation(self, bench, scheduled):
        host, operation = self.waiting(bench)
        with pytest.raises(WrongState, match=f"operation {operation.pk} "):
            moves.move(hosts=[host.pk], to="in_service", reason="not needed", actor=make.actor("C"))

    def test_past_its_limit_the_host_keeps_draining_and_a_person_is_asked(self, bench, scheduled):
        host, operation = self.waiting(bench)
        late = {"step_deadline_at": operation.asked_at.replace(year=2020)}
        again(operation, **late)
        bench.turn()
        operation.refresh_from_db()
        host.refresh_from_db()
        assert (operation.state, operation.cause, host.state) == ("failed", "drain_limit", "draining")

    def test_an_answer_that_comes_too_late_lets_a_retry_go_on(self, bench, scheduled):
        host, operation = self.waiting(bench)
        again(operation, step_deadline_at=operation.asked_at.replace(year=2020))
        bench.turn()
        moves.move(hosts=[host.pk], to="validated", reason="now it is empty", actor=make.actor("C"))
        ask.retry(operation_id=operation.pk, actor=make.actor(), reason="it has answered")
        assert run(bench, operation, 1).state == "succeeded"


def test_a_chain_back_into_service(bench, kind):
    host = make.wired_host("in_service")
    chain = [ask.Asked(name, host, {}, None if n == 0 else n - 1, n) for n, name in enumerate(("drain", "drain"))]
    first, second = ask.create(chain, actor=make.actor())
    run(bench, first)
    assert run(bench, second).state == "succeeded"
    assert lifecycle.verify()["ok"]
