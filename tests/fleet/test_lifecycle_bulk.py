"""Many at once: one statement, no deadlock, and nothing lost between writers."""

import threading

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import lifecycle
from fleet.errors import WrongState
from fleet.models import Device, Transition
from tests.support import make

HOSTS = 511
ROUNDS = 6


@pytest.mark.usefixtures("db")
def test_a_whole_fleet_moves_in_one_statement():
    few, many = [d.pk for d in make.hosts(2)], [d.pk for d in make.hosts(HOSTS)]
    actor = make.actor("T")
    counts = []
    for ids in (few, many):
        with CaptureQueriesContext(connection) as queries:
            moved = lifecycle.move("host", ids, to="racked", actor=actor, reason="back")
        assert [m.subject_id for m in moved] == sorted(ids)
        counts.append([q["sql"].split()[0] for q in queries])
    assert counts[0] == counts[1] == ["SAVEPOINT", "INSERT", "RELEASE"]
    assert Device.objects.filter(pk__in=many, state="racked", seq=2).count() == HOSTS
    assert lifecycle.verify()["ok"]


def in_parallel(*runs) -> list[Exception]:
    """Each in a thread with a connection of its own, begun together; what they raised."""
    gate, raised = threading.Barrier(len(runs)), []

    def one(run) -> None:
        try:
            gate.wait(30)
            run()
        except Exception as error:  # noqa: BLE001 (the test looks at it)
            raised.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=one, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return raised


def test_two_bulk_moves_in_opposite_order_never_deadlock(real_db):
    ids = [d.pk for d in make.hosts(200)]
    actor = make.actor("T")
    taken, refusals = [], set()

    def mover(order):
        def run():
            for n in range(ROUNDS):
                for to in ("racked", "cabled"):
                    try:
                        lifecycle.move("host", order, to=to, actor=actor, reason=f"round {n}")
                        taken.append(to)
                    except WrongState as error:  # the other was faster: refused in words, nothing moved
                        refusals.add(error.title)

        return run

    raised = in_parallel(mover(ids), mover(ids[::-1]))
    assert raised == []
    assert taken, "nobody ever moved"
    assert all("now, not" in words or "may not go" in words for words in refusals), refusals
    assert Transition.objects.filter(subject_kind="host").count() == len(ids) * (1 + len(taken))
    assert lifecycle.verify()["ok"]


def test_of_two_moves_of_one_host_one_is_refused(real_db):
    host = make.host("validated")
    actors = [make.actor("O", "first"), make.actor("O", "second")]
    raised = in_parallel(
        *(lambda a=a: lifecycle.move("host", [host.pk], to="in_service", actor=a, reason="mine") for a in actors)
    )
    assert [type(error) for error in raised] == [WrongState]
    host.refresh_from_db()
    assert (host.state, host.seq) == ("in_service", 3)
    assert lifecycle.verify()["ok"]


def test_actors_are_made_once(real_db):
    """Ten processes that need the same actor for the first time."""
    raised = in_parallel(*[lambda: lifecycle.actor("user", "new here", "O")] * 10)
    assert raised == []
