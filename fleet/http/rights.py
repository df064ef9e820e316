"""Who may what: one table of acts. Pages and endpoints name an act; nothing else compares roles."""

from collections.abc import Iterable
from dataclasses import dataclass

from fleet.errors import NotAllowed, NotSignedIn
from fleet.models import GRANTABLE, ROLES

LETTERS = {name: letter for letter, name in ROLES.items()}
EVERYBODY = tuple(GRANTABLE)


@dataclass(frozen=True)
class Act:
    """Something that may be done. words: after "may not". roles: who may, the least powerful first."""

    words: str
    roles: tuple[str, ...]


# lifecycle.md, "Who may what". An admin may what an operator may: the edges of operations and campaigns say so too.
ACTS: dict[str, Act] = {
    "read": Act("see this", EVERYBODY),
    "work": Act("do work orders", ("technician",)),
    "beacon": Act("switch a beacon", ("technician", "operator", "admin")),
    "operate": Act("start, cancel or retry operations", ("operator", "admin")),
    "campaign": Act("start, pause or halt campaigns", ("operator", "admin")),
    "hold": Act("place or lift holds", ("operator", "admin")),
    "finding": Act("handle findings", ("operator", "admin")),
    "plan": Act("load plans", ("operator", "admin")),
    "case": Act("handle vendor cases", ("liaison",)),
    "report": Act("build reports", ("liaison",)),
    "party": Act("edit parties", ("liaison",)),
    "move": Act("move hosts", ("technician", "liaison", "scheduler", "operator", "admin")),
    "review": Act("act on hosts", ("technician", "liaison", "scheduler", "operator", "admin")),
    "confirm": Act("confirm what another person asked for", ("operator", "admin")),
    "suspect": Act("report a suspect host", ("scheduler", "operator", "admin")),
    "allocate": Act("ask for allocations", ("scheduler",)),
    "wipe": Act("wipe hosts", ("admin",)),
    "force": Act("force a host to quarantined", ("admin",)),
    "skip": Act("skip a step", ("admin",)),
    "override": Act("override a brake", ("admin",)),
    "token": Act("make or revoke tokens", ("admin",)),
    "policy": Act("change policy", ("admin",)),
    "verify": Act("verify the history", ("admin",)),
}


@dataclass(frozen=True)
class Who:
    """Someone who is signed in. grants: pairs of a role and a site's id, None for all sites.

    theme, keys: how a person wants the pages (fleet.models.Preference).
    """

    kind: str
    name: str
    grants: tuple[tuple[str, int | None], ...]
    user_id: int | None = None
    token_id: int | None = None
    theme: str = ""
    keys: bool = True

    def role(self, act: str) -> str | None:
        """The role in which this act is done: one that holds at all sites before others, the weaker first."""
        order = {role: n for n, role in enumerate(ACTS[act].roles)}
        able = sorted((site is not None, order[role], role) for role, site in self.grants if role in order)
        return able[0][2] if able else None

    def sites(self, act: str) -> frozenset[int] | None:
        """Ids of the sites where this act is allowed; None for all."""
        places = {site for role, site in self.grants if role in ACTS[act].roles}
        return None if None in places else frozenset(s for s in places if s is not None)


def may(who: Who | None, act: str) -> bool:
    """Whether this act is allowed at some site at least; for pages that show what can be done."""
    return who is not None and who.role(act) is not None


def demand(who: Who | None, act: str, *, sites: Iterable[int] = ()) -> str:
    """The role in which the act is done at these sites. Raises NotSignedIn (401), NotAllowed (403) with who may."""
    if who is None:
        raise NotSignedIn("sign in first", hint="programs send a token: Authorization: Bearer <token>")
    role = who.role(act)
    if role is None:
        have = ", ".join(sorted({f"role {r}" for r, _ in who.grants})) or "no role"
        raise NotAllowed(f"{who.name} ({have}) may not {ACTS[act].words}", value=act, expected=_needed(act))
    allowed = who.sites(act)
    if allowed is not None and (outside := sorted(set(sites) - allowed)):
        raise NotAllowed(
            f"{who.name} may not {ACTS[act].words} at this site", field="site", value=outside, expected=_needed(act)
        )
    return role


def roles_at(who: Who | None, act: str, *, sites: Iterable[int]) -> list[str]:
    """The roles in which somebody may do this act at each of these sites, the weaker first. Raises as demand()."""
    places = set(sites)
    demand(who, act, sites=places)
    grants = set(who.grants) if who else set()
    roles = [r for r in ACTS[act].roles if all((r, None) in grants or (r, site) in grants for site in places)]
    if not roles:
        title = f"no one role of yours holds at all these sites to {ACTS[act].words}"
        raise NotAllowed(title, field="site", value=sorted(places), expected=_needed(act), hint="go site by site")
    return roles


def _needed(act: str) -> str:
    return "role " + " or ".join(ACTS[act].roles)
