"""What can be done to hosts, as one table, and how much each asks of a person: friction grows with reach."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fleet import holds
from fleet.errors import BadValue
from fleet.states import HOST_EDGES
from provisioning.engine import moves
from provisioning.operations import power
from provisioning.operations.registry import CHAINS, KINDS

# Kinds that only read: they leave a host in service, and its links up.
QUIET = {"identify", "inspect", "collect"}
# Kinds that overwrite or erase what a host holds.
LOSES_DATA = {"install", "wipe"}
# ui.md, "Acting": power, flash and wipe ask for the number even on one host; so does what else loses data.
HEAVY = {"power", "update"} | LOSES_DATA

STOPS = "cancel stops it at the next safe point"
UNDO = {"install": "none: the disks are written anew", "wipe": "none: the disks are erased"}


@dataclass(frozen=True)
class Verb:
    """One thing that can be done. name: "family.what", or "operate.power.off" with a parameter.

    words: before "on 15 hosts". act: of fleet.http.rights. kinds: the operations it starts, in order. undo: in words.
    takes_out: hosts that serve do not while it runs, or after. second: a word of fleet.second.ACTS, always needed.
    waves: it can be a campaign.
    """

    name: str
    words: str
    act: str
    kinds: tuple[str, ...] = ()
    params: Mapping[str, Any] = field(default_factory=dict)
    undo: str = ""
    takes_out: bool = False
    second: str = ""
    waves: bool = False

    @property
    def family(self) -> str:
        """operate, campaign, move, force or hold."""
        return self.name.split(".")[0]

    @property
    def what(self) -> str:
        """Kind of operation, campaign or hold, or the state that it leads to."""
        return self.name.split(".")[1]

    @property
    def loses_data(self) -> bool:
        """Whether what a host holds is gone after it."""
        return bool(LOSES_DATA & set(self.kinds))

    @property
    def is_heavy(self) -> bool:
        """Whether one host is enough to ask for the number."""
        return bool(HEAVY & set(self.kinds))


def _operate(kind: str, **more: Any) -> Verb:
    words = kind.replace("_", " ").capitalize()
    usual: dict[str, Any] = {"name": f"operate.{kind}", "words": words, "undo": UNDO.get(kind, STOPS)}
    usual |= {"act": KINDS[kind].act, "kinds": (kind,), "takes_out": kind not in QUIET, "waves": True}
    return Verb(**(usual | more))


def _campaign(kind: str, **more: Any) -> Verb:
    words = f"{kind.replace('_', ' ').capitalize()}, in waves"
    undo = UNDO.get(kind, "halt it: what has not begun stays")
    usual: dict[str, Any] = {"name": f"campaign.{kind}", "words": words, "undo": undo, "act": "campaign"}
    usual |= {"kinds": CHAINS[kind], "takes_out": kind not in QUIET, "waves": True}
    return Verb(**(usual | more))


def _power(family: str, action: str) -> Verb:
    words = f"Power: {action.replace('_', ' ')}"
    more = {"name": f"{family}.power.{action}", "params": {"action": action}}
    if family == "campaign":
        return _campaign("power", words=f"{words}, in waves", **more)
    return _operate("power", words=words, **more)


def _move(state: str) -> Verb:
    words, second = f"Move to {state.replace('_', ' ')}", moves.SECOND.get(state, "")
    back = any(e.from_state == state and e.roles.strip("S") for e in HOST_EDGES)
    undo = "another move, where the lifecycle has that edge" if back else "none"
    return Verb(f"move.{state}", words, "move", undo=undo, takes_out=state != "in_service", second=second)


def _hold(kind: str) -> Verb:
    return Verb(f"hold.{kind}", f"Hold ({kind})", "hold", undo="lift it, at any time")


FORCE = Verb("force.quarantined", "Force to quarantined", "force", undo="none for what it ends", takes_out=True)

VERBS: dict[str, Verb] = {
    verb.name: verb
    for verb in (
        *(_operate(kind) for kind in KINDS if kind != "power"),
        *(_power("operate", action) for action in sorted(power.ACTIONS)),
        *(_campaign(name) for name in CHAINS if name != "power"),
        *(_power("campaign", action) for action in sorted(power.ACTIONS)),
        *(_move(state) for state in moves.STATES if any(e.to_state == state and e.from_state for e in HOST_EDGES)),
        FORCE,
        *(_hold(kind) for kind in holds.KINDS),
    )
}


def verb(name: str) -> Verb:
    """The verb of this name. Raises BadValue (422)."""
    if name not in VERBS:
        raise BadValue(f"there is nothing to do called {name!r}", field="verb", value=name, expected=", ".join(VERBS))
    return VERBS[name]


def of_kind(family: str, kind: str, params: Mapping[str, Any]) -> Verb:
    """The verb that asks for this kind of operation or campaign, which exists, with parameters that were checked."""
    return VERBS[f"{family}.power.{params['action']}" if kind == "power" else f"{family}.{kind}"]


@dataclass(frozen=True)
class Reach:
    """What an act would touch. data: hosts whose data goes. fleet: hosts at their sites. spread: of several leaves."""

    verb: Verb
    hosts: int
    racks: int
    spread: bool
    fleet: int
    data: int


@dataclass(frozen=True)
class Rule:
    """When it applies, an act asks for these things; why: in words for the one who is asked."""

    asks: str
    why: str
    applies: Callable[[Reach], bool]


DATA_OVER = 25
SHARE = 0.05


def _in_waves(reach: Reach, is_over: bool) -> bool:
    return reach.verb.waves and reach.hosts > 1 and is_over


# ui.md, "Acting". A hold, and a move that nobody waits for, start nothing on the hardware and have no waves: to stop
# something in a hurry must not take a campaign. A single hold is undoable: its form acts at once, without a review.
FRICTION = (
    Rule("reason", "it is on record", lambda r: True),
    Rule("number", "two hosts or more", lambda r: r.hosts > 1),
    Rule("number", "power, firmware or data", lambda r: r.verb.is_heavy),
    Rule("campaign", "more than one rack", lambda r: _in_waves(r, r.racks > 1)),
    Rule("campaign", "more than one group of leaves", lambda r: _in_waves(r, r.spread)),
    Rule("campaign", f"more than {SHARE:.0%} of the fleet", lambda r: _in_waves(r, r.hosts > SHARE * r.fleet)),
    Rule("campaign", "asked for in waves", lambda r: r.verb.family == "campaign"),
    Rule("second", f"data of more than {DATA_OVER} hosts", lambda r: r.data > DATA_OVER),
    Rule("second", "it cannot be undone", lambda r: bool(r.verb.second)),
)


def asks(reach: Reach) -> dict[str, list[str]]:
    """What this act asks for, and why: {"reason": [...]}, with "number", "campaign" and "second" where they apply."""
    found: dict[str, list[str]] = {}
    for rule in FRICTION:
        if rule.applies(reach):
            found.setdefault(rule.asks, []).append(rule.why)
    return found
