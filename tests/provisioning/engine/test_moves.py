"""Moves by people: each edge by each role, all or none, and what stands against them."""

import threading

import pytest
from django.db import connection, transaction

from fleet import findings, holds
from fleet.errors import BadValue, NotFound, WrongState
from fleet.findings import Found
from fleet.models import ROLES, Device, Finding, Transition
from fleet.states import HOST_EDGES, HOST_STATES, allowed
from provisioning.engine import ask, claim, moves
from provisioning.models import Operation
from tests.support import make
from tests.support.waiting import eventually, how_many_wait, somebody_waits

PEOPLE = [r for r in ROLES if r not in "RS"]
EDGES = sorted({(e.from_state, e.to_state) for e in HOST_EDGES if e.from_state})


def takers_of(edge):
    return {role for e in HOST_EDGES if (e.from_state, e.to_state) == edge for role in e.roles}


def go(host, to, role="O", **more):
    return moves.move(hosts=[host.pk], to=to, reason="for this test", actor=make.actor(role), **more)


def chain_on(host):
    """Three operations of which each waits for the one before."""
    kinds = enumerate(("identify", "inspect", "update"))
    return ask.create([ask.Asked(k, host, {}, n - 1 if n else None, n) for n, k in kinds], actor=make.actor())


def state_of(host):
    return Device.objects.values_list("state", flat=True).get(pk=host.pk)


@pytest.mark.parametrize("role", PEOPLE)
@pytest.mark.parametrize("edge", EDGES, ids="-".join)
def test_each_role_takes_its_edges_and_no_others(db, edge, role):
    (start, to), takers = edge, takers_of(edge)
    host = make.host(start)
    if role not in takers:
        with pytest.raises(WrongState) as refused:
            go(host, to, role)
        assert state_of(host) == start
        (error,) = refused.value.errors
        may = [s.name for s in HOST_STATES if s.name in allowed("host", start, role)]
        assert error["expected"].endswith(": " + (", ".join(may) or "nowhere"))
        people = [ROLES[r] for r in ROLES if r in takers - {"S"}]
        assert (" or ".join(people) if people else "nobody may move it") in error["title"]
    elif to == "retired":
        with pytest.raises(WrongState, match="needs a second person"):
            go(host, "retired", role)
        assert state_of(host) == start
        assert go(host, "retired", role, confirmed_by=make.actor("O", "olga"))
    else:
        (moved,) = go(host, to, role)
        assert state_of(host) == to
        row = Transition.objects.get(pk=moved.id)
        assert (row.reason, row.actor.role, row.from_state) == ("for this test", role, start)


def test_what_is_no_edge_is_nobodys():
    for state in (s.name for s in HOST_STATES):
        for to in (s.name for s in HOST_STATES):
            for role in PEOPLE:
                why = moves.why_not(state=state, held=0, health="ok", to=to, role=role)
                assert (why == "") == (to in allowed("host", state, role)), (state, to, role)


def test_all_or_none_and_each_refused_host_is_listed(db):
    good, early, busy, held = (make.host(s) for s in ("validated", "racked", "validated", "validated"))
    operation = make.operation("power", busy, state="active")
    holds.place(device_id=held.pk, kind="hands", reason="fan swap", actor=make.actor())
    ids = [good.pk, early.pk, busy.pk, held.pk]
    with pytest.raises(WrongState) as refused:
        moves.move(hosts=ids, to="in_service", reason="serve", actor=make.actor("O"))
    assert {e["value"]: e["title"].partition(": ")[2] for e in refused.value.errors} == {
        early.name: "nobody may move it to in_service from there",
        busy.name: f"operation {operation.pk} (power, active) is under way",
        held.name: "a hold stands on it",
    }
    assert {state_of(h) for h in (good, busy, held)} == {"validated"}


def test_a_host_named_twice_moves_once(db):
    hosts = make.hosts(3, "cabled")
    made = moves.move(hosts=[h.pk for h in hosts] * 2, to="racked", reason="re-cabling", actor=make.actor("T"))
    assert sorted(m.subject_id for m in made) == [h.pk for h in hosts]


def test_what_cannot_be_asked_for(db):
    host, actor = make.host("cabled"), make.actor("O")
    for more, words in (
        ({"to": "happy"}, "no state 'happy'"),
        ({"to": "racked", "reason": " "}, "a reason is needed"),
        ({"to": "racked", "force": True}, "nothing is forced to racked"),
        ({"to": "racked", "hosts": []}, "needs hosts"),
    ):
        with pytest.raises(BadValue, match=words):
            moves.move(**{"hosts": [host.pk], "reason": "why not", "actor": actor, **more})
    for nobody in (0, make.switch().pk):
        with pytest.raises(NotFound):
            moves.move(hosts=[host.pk, nobody], to="racked", reason="why not", actor=actor)
    assert state_of(host) == "cabled"


@pytest.mark.parametrize("state", ["queued", "active", "lost"])
def test_an_operation_that_has_not_ended_keeps_its_host(db, state):
    host = make.host("installed")
    operation = make.operation("power", host, state=state)
    with pytest.raises(WrongState, match=f"operation {operation.pk}") as refused:
        go(host, "quarantined")
    assert "may force" in refused.value.hint


def test_what_waits_behind_a_failure_keeps_nobody_until_the_host_retires(db):
    host = make.host("cabled")
    first, *rest = chain_on(host)
    make.bring("operation", [first.pk], "failed", start="queued")
    go(host, "racked", "T")
    waiting = Operation.objects.filter(state="queued").count()
    assert waiting == len(rest), "a person may retry the one that failed"
    go(host, "retired", "L", confirmed_by=make.actor("O", "olga"))
    assert state_of(host) == "retired"
    ended = Operation.objects.exclude(pk=first.pk)
    assert set(ended.values_list("state", "cause", "after_id")) == {("cancelled", "retired", None)}


def test_the_findings_of_a_host_that_retires_are_over(db):
    host, other = make.hosts(2, "quarantined")
    findings.open([Found("health", "fan", "critical", "a fan is slow", h.pk) for h in (host, other)])
    go(host, "retired", "L", confirmed_by=make.actor("O", "olga"))
    assert list(Finding.objects.filter(closed_at=None).values_list("device_id", flat=True)) == [other.pk]
    closed = Finding.objects.get(device_id=host.pk)
    assert (closed.closed_words, closed.closed_by.role) == ("the host is retired", "L")


@pytest.mark.parametrize("start", ["validated", "draining"])
@pytest.mark.parametrize("held", [0, 1])
@pytest.mark.parametrize(
    ("health", "stands"), [("ok", False), ("info", False), ("unknown", False), ("warning", True), ("critical", True)]
)
def test_into_service_with_no_hold_and_in_good_health_alone(db, start, held, health, stands):
    host = make.host(start, health=health, held=held)
    if held or stands:
        with pytest.raises(WrongState, match="hold stands" if held else f"health is {health}"):
            go(host, "in_service")
    else:
        go(host, "in_service")
    assert state_of(host) == (start if held or stands else "in_service")


def test_a_move_ends_the_cause_of_the_last_one(db):
    host = make.host("quarantined", cause="part_missing")
    go(host, "cabled")
    assert Device.objects.get(pk=host.pk).cause == ""
    go(host, "quarantined")
    assert Device.objects.get(pk=host.pk).cause == Transition.objects.latest("id").cause == "by_hand"


# -- somebody asks for an operation while somebody else moves the host


def in_thread(work):
    """Run in a thread of its own connection; its list gets what it raised, or None."""
    answers = []

    def run():
        try:
            work()
            answers.append(None)
        except WrongState as error:
            answers.append(error)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    return thread, answers


def ask_install(host):
    host = Device.objects.get(pk=host.pk)
    return ask.operations(kind="install", devices=[host], params={}, actor=make.actor(), reason="install it")


def retry(operation):
    return ask.retry(operation_id=operation.pk, actor=make.actor(), reason="try again")


def test_no_operation_starts_on_a_host_that_is_being_moved(real_db):
    host, other = make.hosts(2, "validated")
    failed = make.operation("install", other, state="failed")
    actor = make.actor("O")
    with transaction.atomic():
        moves.move(hosts=[host.pk, other.pk], to="in_service", reason="serve", actor=actor)
        asker, asked = in_thread(lambda: ask_install(host))
        eventually(somebody_waits, within_s=20)
        retrier, retried = in_thread(lambda: retry(failed))
        eventually(lambda: how_many_wait() == 2, within_s=20)
    asker.join(30)
    retrier.join(30)
    assert [e[0].title for e in (asked, retried)] == [
        f"{h.name} is in_service; install starts from burned_in, installed, quarantined, validated"
        for h in (host, other)
    ]
    assert not Operation.objects.filter(state="queued").exists()


def test_no_host_moves_while_an_operation_is_being_asked_for(real_db):
    host = make.host("validated")
    actor = make.actor("O")
    with transaction.atomic():
        ask_install(host)
        mover, moved = in_thread(lambda: moves.move(hosts=[host.pk], to="in_service", reason="serve", actor=actor))
        eventually(somebody_waits, within_s=20)
    mover.join(30)
    assert moved[0].code == "busy" and "install" in moved[0].title
    assert state_of(host) == "validated"
    assert len(claim.claim(room=10, worker="machine:1:1")) == 1
