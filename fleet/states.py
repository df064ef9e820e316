"""The lifecycle tables: every kind of subject, its states, its edges and who may take each. Nothing else knows a state.

Roles on an edge are letters of fleet.models.history.ROLES: T technician, O operator, L admin, V liaison,
C scheduler, S system (an operation's outcome, a policy, an import).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True)
class State:
    """A place where a subject can rest. limit_s: how long, unscaled; then: what starts when it is over."""

    name: str
    group: str
    means: str
    limit_s: int | None = None
    then: str = ""
    terminal: bool = False


@dataclass(frozen=True)
class Edge:
    """One allowed change. from_state '' is creation."""

    from_state: str
    to_state: str
    roles: str
    guard: str = ""


@dataclass(frozen=True)
class Kind:
    """One kind of subject: its table, its states and its edges. chained: transitions carry a hash chain."""

    name: str
    table: str
    states: tuple[State, ...]
    edges: tuple[Edge, ...]
    chained: bool = True
    terminal: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "terminal", frozenset(s.name for s in self.states if s.terminal))


def _edges(*rows: tuple[str, str, str, str]) -> tuple[Edge, ...]:
    """Rows of (from names, to names, roles, guard), names split at blanks; '(new)' is creation."""
    return tuple(
        Edge("" if a == "(new)" else a, b, roles, guard)
        for froms, tos, roles, guard in rows
        for a in froms.split()
        for b in tos.split()
    )


HOST_STATES = (
    State("expected", "out", "on an order, known tag or just a count", 3 * DAY, "flag to the liaison"),
    State("received", "out", "crate scanned at the dock", 5 * DAY, "flag"),
    State("racked", "out", "in its unit, weight and rails checked", 2 * DAY, "flag"),
    State(
        "cabled",
        "out",
        "power, BMC and Ethernet in, InfiniBand as far as the plan asks",
        HOUR,
        "identify, or quarantine",
    ),
    State("discovered", "out", "BMC answers, identity matched, certificate pinned, clock right", DAY, "flag"),
    State("inspected", "ok", "inventory equals the profile", DAY, "flag"),
    State("baselined", "ok", "firmware and BIOS equal the baseline", DAY, "flag"),
    State("burned_in", "ok", "burn-in passed for this set of parts", DAY, "flag"),
    State("installed", "ok", "OS up, reachable, configuration applied", DAY, "flag"),
    State("validated", "ok", "node and fabric tests passed; also the spare pool", 7 * DAY, "validate again"),
    State("in_service", "ok", "given to the scheduler"),
    State("draining", "busy", "scheduler asked to stop new work", DAY, "ask the operator"),
    State("quarantined", "bad", "out of service, powered, evidence kept", 4 * HOUR, "page the operator"),
    State("repair_hands", "out", "a work order is open", DAY, "escalate"),
    State("repair_vendor", "out", "a part or the host is with the vendor", 14 * DAY, "ask the liaison"),
    State("retired", "out", "erased, disposed, returned or lost", terminal=True),
)

HOST_EDGES = _edges(
    ("(new)", "expected", "VOS", "order line"),
    ("(new)", "cabled installed", "OS", "imported, not scanned"),
    ("(new)", "received", "T", "scan of an unknown tag, flagged"),
    ("expected", "received", "T", "tag scan, photo, shock label"),
    ("received", "racked", "T", "rack and unit scan, slot free"),
    ("received", "repair_vendor", "VO", "damage photo"),
    ("racked", "cabled", "TS", "all planned cables scanned"),
    ("cabled", "racked", "TO", "reason"),
    ("cabled racked", "discovered", "S", "tag from the BMC is the tag in the plan, one host per slot"),
    ("discovered", "inspected", "S", "parts equal the profile, or waived"),
    ("inspected", "baselined", "S", "every component at target by inventory"),
    ("baselined", "burned_in", "S", "all burn-in checks pass, fingerprint of parts stored"),
    ("burned_in", "installed", "S", "boot id new, phone-home matches, reachable, facts equal"),
    ("installed", "validated", "S", "every check of the profile that exists, no critical finding"),
    ("validated", "in_service", "SOC", "no hold, health ok, scheduler answered resume"),
    ("validated", "installed", "S", "reinstalled or updated"),
    ("in_service", "draining", "OSC", "drain budget not used up"),
    ("in_service", "quarantined", "SOL", "node down or fatal finding; brake closed"),
    ("draining", "in_service", "OC", "reason gone, before work began"),
    ("draining", "validated", "SC", "scheduler says empty, planned work"),
    ("draining", "quarantined", "SOL", "empty, or limit reached by the operator"),
    ("validated", "quarantined", "SOL", "finding, validation failed or too old"),
    (
        "installed burned_in baselined inspected discovered cabled racked",
        "quarantined",
        "SOL",
        "operation out of retries",
    ),
    ("expected received repair_hands repair_vendor", "quarantined", "L", "forced, with a reason"),
    ("quarantined", "cabled discovered inspected baselined burned_in installed", "OS", "cause says how far back"),
    ("quarantined", "validated", "S", "all tests tied to the cause pass again"),
    ("quarantined", "repair_hands", "SO", "work order with part, slot, action"),
    ("quarantined", "repair_vendor", "VO", "RMA number, packet stored"),
    ("repair_hands", "quarantined", "TSO", "done scan, part serials in and out"),
    ("repair_hands", "repair_vendor", "VO", "RMA number"),
    ("repair_vendor", "received", "T", "whole host swapped: new identity"),
    ("repair_vendor", "repair_hands quarantined", "TVS", "part arrived"),
    (
        "validated quarantined repair_hands repair_vendor received racked cabled expected",
        "retired",
        "L",
        "erase proof, two persons",
    ),
)

SWITCH_STATES = (
    State("expected", "out", "on an order", 3 * DAY, "flag to the liaison"),
    State("received", "out", "scanned at the dock", 5 * DAY, "flag"),
    State("racked", "out", "in its unit", 2 * DAY, "flag"),
    State("cabled", "out", "power and management in", 7 * DAY, "flag"),
    State("in_service", "ok", "carries traffic"),
    State("quarantined", "bad", "carries none, evidence kept", 4 * HOUR, "page the operator"),
    State("repair", "out", "with hands or the vendor", 14 * DAY, "escalate"),
    State("retired", "out", "gone", terminal=True),
)

SWITCH_EDGES = _edges(
    ("(new)", "expected cabled in_service", "VOS", "order line, or imported and not scanned"),
    ("(new)", "received", "T", "scan of an unknown tag, flagged"),
    ("expected", "received", "T", "tag scan"),
    ("received", "racked", "T", "rack and unit scan"),
    ("racked", "cabled", "TS", "all planned cables scanned"),
    ("cabled", "in_service", "SO", "seen in the fabric"),
    ("in_service", "quarantined", "SOL", "finding"),
    ("quarantined", "in_service", "SO", "evidence"),
    ("quarantined cabled", "repair", "SOV", "work order or RMA"),
    ("repair", "cabled", "TO", "back in its unit"),
    ("expected received racked cabled quarantined repair", "retired", "L", "cables released, two persons"),
)

CABLE_STATES = (
    State("planned", "out", "a line of the plan"),
    State("in_transit", "out", "on its way"),
    State("spare", "out", "in a carton, free"),
    State("laid", "out", "in the tray, not plugged", 7 * DAY, "flag"),
    State("connected", "out", "plugged, not yet seen", DAY, "flag"),
    State("verified", "ok", "seen by a snapshot where the plan wants it"),
    State("suspect", "warn", "seen, but not well", 2 * DAY, "work order"),
    State("faulty", "bad", "to be replaced", 2 * DAY, "work order"),
    State("unplugged", "out", "pulled on purpose", DAY, "flag"),
    State("missing", "bad", "not seen and nobody pulled it", 4 * HOUR, "page the operator"),
    State("replaced", "out", "another cable took its place", terminal=True),
    State("removed", "out", "taken out", terminal=True),
)

CABLE_EDGES = _edges(
    ("(new)", "planned in_transit spare", "VTOS", "plan or delivery note"),
    ("in_transit", "spare", "TO", "scan"),
    ("spare planned", "laid", "TOS", "scan"),
    ("laid", "connected", "TOS", "both ends scanned, or link seen"),
    ("connected", "verified", "S", "snapshot"),
    ("verified", "suspect", "SO", "finding"),
    ("suspect", "verified", "S", "snapshot"),
    ("suspect", "faulty", "SO", "finding confirmed"),
    ("faulty", "replaced", "TOS", "new cable in its place"),
    ("connected verified suspect", "unplugged", "TOS", "work order"),
    ("connected verified suspect", "missing", "S", "snapshot"),
    ("unplugged missing", "connected", "TOS", "scan or link seen"),
    ("unplugged missing", "spare removed", "TO", "scan"),
    ("planned", "removed", "OS", "the plan dropped it"),
)

INCIDENT_STATES = (
    State("open", "bad", "many hosts of one place have the same finding", 4 * HOUR, "page the operator"),
    State("explained", "warn", "somebody knows the cause", DAY, "ask the operator"),
    State("closed", "ok", "all its findings are over, or told apart", terminal=True),
)

INCIDENT_EDGES = _edges(
    ("(new)", "open", "SO", "the same finding on most hosts of a place"),
    ("open", "explained", "OLS", "the cause, in words"),
    ("explained", "closed", "OLS", "its findings are over"),
)

OPERATION_STATES = (
    State("queued", "out", "asked for, nobody has begun"),
    State("active", "busy", "steps are being run or waited for"),
    State("succeeded", "ok", "all steps done", terminal=True),
    State("failed", "bad", "a step failed for good"),
    State("cancelled", "out", "stopped at a safe point", terminal=True),
    State("lost", "bad", "outcome unknown: somebody must look", 4 * HOUR, "page the operator"),
)

OPERATION_EDGES = _edges(
    ("(new)", "queued", "OCLS", "asked for"),
    ("queued", "active", "S", "claimed"),
    ("queued", "cancelled", "OCLS", "asked for"),
    ("active", "succeeded failed", "S", "outcome of its steps"),
    ("active", "cancelled lost", "SL", "outcome of its steps, or its host was forced to quarantined"),
    ("lost", "active failed", "OLS", "somebody looked"),
    ("failed", "queued", "OCL", "retry by a person"),
)

CAMPAIGN_STATES = (
    State("draft", "out", "not started"),
    State("running", "busy", "starting and following operations"),
    State("paused", "warn", "nothing new starts"),
    State("halted", "warn", "stopped for a cause; going on needs a reason"),
    State("done", "ok", "every operation ended", terminal=True),
)

CAMPAIGN_EDGES = _edges(
    ("(new)", "draft", "OCL", "asked for"),
    ("draft", "running", "OCL", "reviewed"),
    ("running", "paused", "OCLS", "asked for"),
    ("paused", "running", "OCL", "asked for"),
    ("running", "done", "S", "no operation left"),
    ("running paused", "halted", "OCLS", "budget used, common cause, or asked for"),
    ("halted", "running done", "OL", "a person, with a reason"),
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("host", "fleet_device", HOST_STATES, HOST_EDGES),
        Kind("switch", "fleet_device", SWITCH_STATES, SWITCH_EDGES),
        Kind("cable", "fleet_cable", CABLE_STATES, CABLE_EDGES),
        Kind("incident", "fleet_incident", INCIDENT_STATES, INCIDENT_EDGES),
        Kind("operation", "provisioning_operation", OPERATION_STATES, OPERATION_EDGES, chained=False),
        Kind("campaign", "provisioning_campaign", CAMPAIGN_STATES, CAMPAIGN_EDGES, chained=False),
    )
}


def allowed(kind: str, from_state: str, role: str) -> set[str]:
    """States that a subject of this kind may go to from from_state by this role."""
    return {e.to_state for e in KINDS[kind].edges if e.from_state == from_state and role in e.roles}


def group_of(kind: str, state: str) -> str:
    """The colour group of a state: ok, busy, warn, bad or out."""
    return next((s.group for s in KINDS[kind].states if s.name == state), "out")


# The order in which pages count them: what needs somebody first.
GROUPS = ("bad", "warn", "busy", "ok", "out", "none")


def group_of_host(host: Mapping[str, Any]) -> str:
    """The group of a host as a whole: an operation at work on it, its state, and when that is good its health."""
    if host["active_operation"] is not None:
        return "busy"
    group = group_of("host", host["state"])
    return {"critical": "bad", "warning": "warn"}.get(host["health"], group) if group == "ok" else group
