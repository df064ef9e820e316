"""The rules in force, from the tables that the engine itself obeys."""

from typing import Any

from fleet.http.rights import ACTS
from fleet.models import GRANTABLE, ROLES
from fleet.reads.rows import Sites
from fleet.states import KINDS, Kind
from provisioning.operations import pace
from provisioning.operations.registry import KINDS as OPERATIONS
from provisioning.reads import brakes

# What a role letter of an edge is called.
WORDS = ROLES


def page(sites: Sites) -> dict[str, Any]:
    """States with their limits and edges, who may what, how long operations may take, brakes. One query."""
    return {
        "brakes": brakes.rows(sites),
        "subjects": [_subject(kind) for kind in KINDS.values()],
        "roles_of": GRANTABLE,
        "rights": [{"words": act.words, "may": [role in act.roles for role in GRANTABLE]} for act in ACTS.values()],
        "operations": [
            {
                "name": kind.name,
                "steps": len(kind.steps),
                "from": sorted(kind.from_states),
                "becomes": kind.becomes,
                "fails_to": kind.fails_to,
                "deadline_s": kind.deadline_s,
                "act": kind.act,
            }
            for kind in OPERATIONS.values()
        ],
    }


def _subject(kind: Kind) -> dict[str, Any]:
    states = [
        {"state": s, "limit_s": s.limit_s, "real_s": None if s.limit_s is None else pace.deadline(s.limit_s)}
        for s in kind.states
    ]
    edges = [
        {"from": e.from_state, "to": e.to_state, "roles": [WORDS[letter] for letter in e.roles], "guard": e.guard}
        for e in kind.edges
    ]
    return {"name": kind.name, "states": states, "edges": edges}
