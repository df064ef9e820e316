"""The lifecycle tables themselves: nobody gets stuck, nothing waits for ever, nothing serves untested."""

import pytest

from fleet import lifecycle
from fleet.models import ROLES, LifecycleEdge, LifecycleSubject
from fleet.states import KINDS, Kind, allowed, group_of

PEOPLE = set("TOVCL")
GROUPS = {"ok", "busy", "warn", "bad", "out"}
STATES = [(kind, state) for kind in KINDS.values() for state in kind.states]

# A person leaves these by asking: cancel() sets a flag that the engine obeys at the next safe point.
BY_ASKING = {("operation", "active")}
# States in which a subject may rest for ever, on purpose. Everything else that is not terminal has a limit (M4).
# Operations and campaigns have their deadlines in columns of their own; planned and spare cables wait for nobody.
WITHOUT_LIMIT = {
    "host": {"in_service"},
    "switch": {"in_service"},
    "cable": {"planned", "in_transit", "spare", "verified"},
    "incident": set(),
    "operation": {"queued", "active", "failed"},
    "campaign": {"draft", "running", "paused", "halted"},
}


def out_of(kind: Kind, state: str) -> list:
    return [e for e in kind.edges if e.from_state == state]


def reachable(kind: Kind, start: str, without: str = "") -> set[str]:
    seen, todo = {start}, [start]
    while todo:
        for edge in out_of(kind, todo.pop()):
            if edge.to_state not in seen and edge.to_state != without:
                seen.add(edge.to_state)
                todo.append(edge.to_state)
    return seen


@pytest.mark.parametrize(("kind", "state"), STATES, ids=lambda v: v.name)
def test_a_state_is_whole(kind, state):
    assert state.group in GROUPS and state.means
    assert group_of(kind.name, state.name) == state.group
    assert [s.name for s in kind.states].count(state.name) == 1
    assert state.name in reachable(kind, ""), "nothing leads here"
    assert (state.limit_s is None) == (state.then == ""), "a limit says what starts then"


@pytest.mark.parametrize(("kind", "state"), STATES, ids=lambda v: v.name)
def test_every_state_that_is_not_terminal_has_a_way_out_for_a_person(kind, state):
    """Lesson M9: a failed sub-state that nobody may leave."""
    roles = {role for e in out_of(kind, state.name) for role in e.roles}
    if state.terminal:
        assert not roles
    else:
        assert roles & PEOPLE or (kind.name, state.name) in BY_ASKING


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda k: k.name)
def test_every_waiting_state_has_a_limit(kind):
    """Lessons M1, M4: a wait without an end."""
    unlimited = {s.name for s in kind.states if s.limit_s is None and not s.terminal}
    assert unlimited == WITHOUT_LIMIT[kind.name]


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda k: k.name)
def test_edges_join_states_of_their_kind_by_known_roles(kind):
    names = {s.name for s in kind.states}
    seen = [(e.from_state, e.to_state, role) for e in kind.edges for role in e.roles]
    assert len(seen) == len(set(seen)), "an edge stands twice"
    for edge in kind.edges:
        assert edge.from_state in names | {""} and edge.to_state in names
        assert edge.from_state != edge.to_state
        assert set(edge.roles) <= set(ROLES) - {"R"}, "a viewer moves nothing"
        assert edge.guard


def test_no_path_enters_service_without_validated():
    assert "in_service" in reachable(KINDS["host"], "")
    assert "in_service" not in reachable(KINDS["host"], "", without="validated")
    assert {e.from_state for e in KINDS["host"].edges if e.to_state == "in_service"} == {"validated", "draining"}


def test_a_serving_host_is_never_retired_at_once():
    """Edge 32: nobody may, it must pass quarantine."""
    for state in ("in_service", "draining"):
        assert all("retired" not in allowed("host", state, role) for role in ROLES)


def test_an_admin_may_force_any_host_into_quarantine():
    for state in KINDS["host"].states:
        if not state.terminal and state.name != "quarantined":
            assert "quarantined" in allowed("host", state.name, "L"), state.name


def test_only_evidence_takes_a_host_out_of_quarantine_into_validated():
    assert {r for r in ROLES if "validated" in allowed("host", "quarantined", r)} == {"S"}


def test_the_database_has_the_same_edges(db):
    rows = set(LifecycleEdge.objects.values_list("kind", "from_state", "to_state", "role"))
    assert rows == {(k.name, e.from_state, e.to_state, r) for k in KINDS.values() for e in k.edges for r in e.roles}


def test_the_database_has_the_same_kinds(db):
    assert lifecycle.registered() == {k.name: k.table for k in KINDS.values()}
    assert dict(LifecycleSubject.objects.values_list("kind", "chained")) == {k.name: k.chained for k in KINDS.values()}
