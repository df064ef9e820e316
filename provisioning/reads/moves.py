"""In which role somebody moves hosts."""

from collections.abc import Sequence

from fleet.http import rights
from fleet.http.rights import LETTERS, Who
from fleet.models import Device
from fleet.states import allowed


def role_for(who: Who, devices: Sequence[Device], to: str, *, force: bool) -> str:
    """The role in which somebody moves these hosts: the one that may move most of them, the weakest of several.

    Raises NotSignedIn (401), NotAllowed (403). Where the role may not move all of them, moves.move() says which.
    """
    roles = rights.roles_at(who, "force" if force else "move", sites={d.site_id for d in devices})
    return max(roles, key=lambda role: sum(to in allowed("host", d.state, LETTERS[role]) for d in devices))
