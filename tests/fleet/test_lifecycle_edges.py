"""Every edge of every kind by name, and everything that is not an edge refused, by the database itself."""

import pytest
from django.db import IntegrityError, connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet import lifecycle
from fleet.errors import WrongState
from fleet.lifecycle import Move
from fleet.models import ROLES, Device, Transition
from fleet.states import KINDS
from tests.support import make

pytestmark = pytest.mark.usefixtures("db")

EDGES = [(kind.name, edge) for kind in KINDS.values() for edge in kind.edges]
PLACES = [(kind.name, state) for kind in KINDS.values() for state in ("", *(s.name for s in kind.states))]

# Every (to, role) of a kind tried from one state; what was taken is undone at once. Returns what the database took and
# the words of one refusal.
TRY = """
CREATE FUNCTION pg_temp.tried(of_kind text, subject bigint, from_s text, tos text[], actors bigint[], roles text[])
RETURNS TABLE (to_s text, by_role text, words text) LANGUAGE plpgsql AS $$
BEGIN
  FOREACH to_s IN ARRAY tos LOOP
    FOR n IN 1 .. array_length(roles, 1) LOOP
      by_role := roles[n];
      BEGIN
        INSERT INTO fleet_transition (subject_kind, subject_id, from_state, to_state, cause, reason, actor_id, evidence)
        VALUES (of_kind, subject, from_s, to_s, '', 'tried', actors[n], '{}');
        RAISE EXCEPTION 'taken' USING ERRCODE = 'raise_exception';
      EXCEPTION
        WHEN raise_exception THEN words := ''; RETURN NEXT;
        WHEN integrity_constraint_violation THEN words := SQLERRM; RETURN NEXT;
      END;
    END LOOP;
  END LOOP;
END $$
"""


def name_of(value: object) -> str:
    if isinstance(value, str):
        return value
    return f"{value.from_state or '(new)'}-{value.to_state}"


def state_of(kind: str, pk: int) -> tuple[str, int]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT state, seq FROM {KINDS[kind].table} WHERE id = %s", [pk])
        return cursor.fetchone()


@pytest.mark.parametrize(("kind", "edge"), EDGES, ids=name_of)
def test_an_edge_is_taken_by_each_of_its_roles(kind, edge):
    for role in edge.roles:
        pk = make.subject(kind, edge.from_state)
        _, before = state_of(kind, pk)
        actor = make.actor(role)
        moved = lifecycle.move(kind, [pk], to=edge.to_state, actor=actor, reason="why", cause="what", evidence=[7, 3])
        assert state_of(kind, pk) == (edge.to_state, before + 1)
        row = Transition.objects.get(pk=moved[0].id)
        assert (row.from_state, row.to_state, row.seq) == (edge.from_state, edge.to_state, before + 1)
        assert (row.reason, row.cause, row.evidence, row.actor) == ("why", "what", [7, 3], actor)
        assert bool(row.hash) == KINDS[kind].chained


@pytest.mark.parametrize(("kind", "state"), PLACES)
def test_nothing_but_the_edges_is_taken(kind, state):
    pk = make.subject(kind, state)
    tos = [*(s.name for s in KINDS[kind].states), "", "nowhere"]
    actors = [make.actor(role).pk for role in ROLES]
    with connection.cursor() as cursor:
        cursor.execute(TRY)
        cursor.execute(
            "SELECT * FROM pg_temp.tried(%s, %s, %s, %s, %s, %s)", [kind, pk, state, tos, actors, list(ROLES)]
        )
        tried = cursor.fetchall()
        cursor.execute("DROP FUNCTION pg_temp.tried")
    taken = {(to, role) for to, role, words in tried if not words}
    assert taken == {(e.to_state, r) for e in KINDS[kind].edges if e.from_state == state for r in e.roles}
    assert all(f'from "{state}" to "{to}" by role {role}' in words for to, role, words in tried if words)
    if not state:  # it cannot stay without a state
        lifecycle.move(
            kind,
            [pk],
            to=make.path_to(kind, KINDS[kind].states[0].name)[0].to_state,
            actor=make.actor("O"),
            reason="born",
        )


def test_a_refusal_names_every_subject_and_where_it_may_go():
    ready, early, late = make.host("validated"), make.host("racked"), make.host("retired")
    with pytest.raises(WrongState) as refused:
        lifecycle.move("host", [ready.pk, early.pk, late.pk], to="in_service", actor=make.actor("O"), reason="go")
    assert {e["id"]: e["value"] for e in refused.value.errors} == {early.pk: "racked", late.pk: "retired"}
    words = [e["title"] + "; " + e["expected"] for e in refused.value.errors]
    assert f"host {early.pk} is racked and may not go to in_service; from there: quarantined" in words
    assert f"host {late.pk} is retired and may not go to in_service; from there: nowhere" in words
    ready.refresh_from_db()
    assert ready.state == "validated", "all or none"


def test_the_same_subject_twice_in_one_move_is_refused_with_words():
    host = make.host("cabled")
    with pytest.raises(WrongState, match=f'host {host.pk} is "racked" now, not "cabled"'):
        lifecycle.move("host", [host.pk, host.pk], to="racked", actor=make.actor("T"), reason="again")


def test_a_subject_that_does_not_exist_is_named():
    host = make.host("cabled")
    with pytest.raises(WrongState, match="host 4711 does not exist") as refused:
        lifecycle.move("host", [host.pk, 4711], to="racked", actor=make.actor("T"), reason="there is none")
    assert refused.value.code == "not_found"
    assert state_of("host", host.pk) == ("cabled", 1), "all or none"


def test_no_subjects_no_move():
    assert lifecycle.move("host", [], to="racked", actor=make.actor("T"), reason="nobody") == []


def test_a_host_does_not_take_the_edges_of_a_switch():
    """Both live in one table: a cabled host must not serve because a cabled switch may."""
    host = make.host("cabled")
    lifecycle.move("switch", [host.pk], to="in_service", actor=make.actor("O"), reason="as if it were a switch")
    with (
        pytest.raises(IntegrityError, match='state "in_service" number 2 has no transition'),
        connection.cursor() as cursor,
    ):
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    connection.set_rollback(True)


WALKS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 10**6)), min_size=1, max_size=40)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(walk=WALKS)
def test_a_random_walk_in_bulk_leaves_chains_that_verify(walk):
    """Any moves in any company: the state is the last transition's, and every chain verifies."""
    hosts = [d.pk for d in make.hosts(5, "expected")]
    model = dict.fromkeys(hosts, "expected")
    for n, draw in walk:
        company, moves = hosts[: n + 1], []
        for pk in company:
            edges = [e for e in KINDS["host"].edges if e.from_state == model[pk]]
            if edges:
                moves.append((pk, edges[(draw + pk) % len(edges)]))
        for role in ROLES:  # one bulk move for each role that somebody needs
            group = [(pk, e) for pk, e in moves if e.roles[draw % len(e.roles)] == role]
            lifecycle.move_each(
                "host",
                [Move(pk, e.to_state, f"step {draw}", "walk") for pk, e in reversed(group)],
                actor=make.actor(role),
            )
            model.update({pk: e.to_state for pk, e in group})
    assert dict(Device.objects.filter(pk__in=hosts).values_list("id", "state")) == model
    last = Transition.objects.filter(subject_id__in=hosts, subject_kind="host").order_by("subject_id", "-seq")
    assert dict(last.distinct("subject_id").values_list("subject_id", "to_state")) == model
    assert lifecycle.verify()["ok"]
