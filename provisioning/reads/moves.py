"""Where somebody may move a host, in which role, and what that would touch."""

from collections.abc import Mapping, Sequence
from typing import Any

from fleet.http import rights
from fleet.http.rights import LETTERS, Who
from fleet.models import Device
from fleet.states import allowed
from provisioning.engine import moves

WHAT_WAITS = ("queued", "active", "lost")


def role_for(who: Who, devices: Sequence[Device], to: str, *, force: bool) -> str:
    """The role in which somebody moves these hosts: the one that may move most of them, the weakest of several.

    Raises NotSignedIn (401), NotAllowed (403). Where the role may not move all of them, moves.move() says which.
    """
    roles = rights.roles_at(who, "force" if force else "move", sites={d.site_id for d in devices})
    return max(roles, key=lambda role: sum(to in allowed("host", d.state, LETTERS[role]) for d in devices))


def offers(
    who: Who, host: Mapping[str, Any], facts: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """{"states": where this person may move the host now, "ends": operation that is ended, "under_way", "touches"}.

    operations: those of the host as rows. touches: in words, before anything is asked for.
    """
    open_ones = [o for o in operations if o["state"] in WHAT_WAITS]
    under_way = next((o for o in open_ones if o["after"] is None), None)
    act = "force" if under_way else "move"
    roles = [r for r in rights.ACTS[act].roles if {(r, None), (r, facts["site_id"])} & set(who.grants)]
    states = [s for s in moves.STATES if any(_may(host, s, role) for role in roles)]
    if under_way:
        states = [s for s in states if s == moves.FORCED_TO]
    return {
        "states": states,
        "under_way": under_way,
        "touches": _touches(under_way, len(open_ones) - 1, facts) if under_way and states else "",
        "second": [s for s in states if s in moves.SECOND],
    }


def _may(host: Mapping[str, Any], to: str, role: str) -> bool:
    letter = LETTERS[role]
    return not moves.why_not(state=host["state"], held=host["holds"], health=host["health"], to=to, role=letter)


def _touches(operation: Mapping[str, Any], behind: int, facts: Mapping[str, Any]) -> str:
    what = f"{operation['kind']} {operation['id']}"
    rest = f", and cancels {behind} behind it" if behind else ""
    if operation["state"] == "lost":
        return f"{what} stays lost until somebody says what they found{rest}."
    if facts["no_power_by"] == operation["id"]:
        return f"This ends {what} in a step that nobody may interrupt: it is lost until somebody has looked{rest}."
    return f"This ends {what} at once, not at a safe point{rest}."
