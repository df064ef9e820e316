"""What an act would touch, before anything happens: a fixed number of statements, whatever the number of hosts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from django.db import connection

from fleet.errors import BadValue
from provisioning.engine import moves
from provisioning.engine.rules import CAREFUL, CAREFUL_BUDGET, Rules
from provisioning.engine.verbs import VERBS, Reach, Verb, asks
from provisioning.engine.waves import REST
from provisioning.operations.registry import KINDS, chain_of

OF_HISTORY = 20

# Plan: primary key of the devices, then the unique index one_mutating_operation for each.
FACTS = """
SELECT d.id, d.name, d.state, d.seq, d.held, d.health, d.site_id, coalesce(w.name, '') AS row,
  coalesce(r.name, '') AS rack, d.profile_id, coalesce(o.id, 0) AS operation, coalesce(o.kind, '') AS operation_kind,
  coalesce(d.no_power_by = o.id OR o.state = 'lost', false) AS critical, d.state_since
FROM fleet_device d
LEFT JOIN fleet_rack r ON r.id = d.rack_id LEFT JOIN fleet_row w ON w.id = r.row_id
LEFT JOIN provisioning_operation o ON o.device_id = d.id AND o.mutating AND o.after_id IS NULL
  AND o.state IN ('', 'queued', 'active', 'lost')
WHERE d.id = ANY(%s) AND d.kind = 'host' ORDER BY d.name
"""

# A host holds data once it was installed, whatever it was since. Plan: index transition_seq for each.
DATA = """
SELECT count(DISTINCT subject_id) FROM fleet_transition
WHERE subject_kind = 'host' AND subject_id = ANY(%s) AND to_state = 'installed'
"""

SERVICE = """
SELECT count(*), count(*) FILTER (WHERE state = 'in_service'),
  count(*) FILTER (WHERE state = 'in_service' AND id = ANY(%s))
FROM fleet_device WHERE kind = 'host' AND site_id = ANY(%s)
"""

# mine: links of these hosts. Only leaves that they hang on are counted in full.
LEAVES = """
WITH link AS (
  SELECT hp.device_id AS host, sp.device_id AS leaf
  FROM fleet_port hp JOIN fleet_device h ON h.id = hp.device_id AND h.kind = 'host'
  JOIN fleet_cableend he ON he.port_id = hp.id
  JOIN fleet_cable c ON c.id = he.cable_id AND c.kind = 'infiniband'
  JOIN fleet_cableend se ON se.cable_id = c.id AND se.id <> he.id JOIN fleet_port sp ON sp.id = se.port_id),
mine AS (SELECT host, leaf FROM link WHERE host = ANY(%(hosts)s))
SELECT d.name, count(*) FILTER (WHERE l.host = ANY(%(hosts)s)), count(*),
  count(DISTINCT l.host) FILTER (WHERE l.host = ANY(%(hosts)s)), (SELECT count(DISTINCT host) FROM mine)
FROM link l JOIN fleet_device d ON d.id = l.leaf AND d.role = 'leaf'
WHERE l.leaf IN (SELECT leaf FROM mine) GROUP BY d.name ORDER BY 2 DESC, 1
"""

FEEDS = """
SELECT f.name, count(DISTINCT i.device_id) FROM fleet_powerinlet i JOIN fleet_powerfeed f ON f.id = i.feed_id
WHERE i.device_id = ANY(%s) GROUP BY f.name ORDER BY f.name
"""

# The last ones of each kind and profile. Plan: index operation_state, backwards, until there are enough.
TAKES = """
SELECT k.kind, percentile_cont(ARRAY[0.1, 0.5, 0.9]) WITHIN GROUP (ORDER BY t.seconds), count(*)
FROM unnest(%s::text[]) AS k(kind) CROSS JOIN unnest(%s::bigint[]) AS p(profile)
JOIN LATERAL (
  SELECT extract(epoch FROM o.ended_at - o.started_at)::float8 AS seconds
  FROM provisioning_operation o JOIN fleet_device d ON d.id = o.device_id
  WHERE o.kind = k.kind AND o.state = 'succeeded' AND d.profile_id IS NOT DISTINCT FROM p.profile
    AND o.started_at IS NOT NULL AND o.ended_at IS NOT NULL
  ORDER BY o.id DESC LIMIT %s) t ON true
GROUP BY k.kind
"""


@dataclass(frozen=True)
class Facts:
    """One host as it is now. operation: under way on it, or 0; critical: lost, or in a step nobody may interrupt.

    since: when it came to its state.
    """

    id: int
    name: str
    state: str
    seq: int
    held: int
    health: str
    site_id: int
    row: str = ""
    rack: str = ""
    profile_id: int | None = None
    operation: int = 0
    operation_kind: str = ""
    critical: bool = False
    since: datetime | None = None


@dataclass(frozen=True)
class Plan:
    """An act on those of the hosts that can take part. shows: for pages and API, see plan()."""

    verb: Verb
    params: Mapping[str, Any]
    hosts: tuple[Facts, ...]
    left_out: Mapping[str, Sequence[str]]
    shows: Mapping[str, Any]


def facts(ids: Iterable[int]) -> list[Facts]:
    """These hosts as they are now, by name. One query."""
    with connection.cursor() as cursor:
        cursor.execute(FACTS, [sorted(set(ids))])
        return [Facts(*row) for row in cursor.fetchall()]


def why_not(verb: Verb, host: Facts, role: str) -> str:
    """Why this cannot be done to this host by somebody in this role (a letter), in words that many hosts share."""
    if verb.family == "hold":
        return ""
    under_way = f"busy with {host.operation_kind.replace('_', ' ')}" if host.operation else ""
    if verb.family in ("move", "force"):
        why = moves.why_not(
            state=host.state,
            held=host.held,
            health=host.health,
            to=verb.what,
            role=role,
            since=host.since,
            force=verb.family == "force",
        )
        if verb.family == "force":
            return why or ("" if under_way else "nothing is under way that it would end")
        return f"{host.state.replace('_', ' ')} ({why})" if why else under_way
    return under_way or _cannot_start(_kinds(verb, host.state)[0], host)


def _kinds(verb: Verb, state: str) -> tuple[str, ...]:
    """The operations on a host in this state: in a campaign, one that serves is drained first and comes back."""
    return chain_of(verb.what, state) if verb.family == "campaign" else verb.kinds


def _cannot_start(kind: str, host: Facts) -> str:
    starts = KINDS[kind].from_states
    if host.state in starts:
        return ""
    return f"{host.state} ({kind} starts from {', '.join(sorted(starts))})".replace("_", " ")


def offers(hosts: Sequence[Facts], roles: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    """Every verb with how many of these hosts can, and why the others cannot.

    roles: by the act of a verb, letters of the roles in which this person may do it; none: they may not at all.
    """
    alike = Counter((h.state, bool(h.held), h.health, h.operation_kind) for h in hosts)
    like = [
        (Facts(0, "", state, 0, int(held), health, 0, operation=int(bool(kind)), operation_kind=kind), n)
        for (state, held, health, kind), n in alike.items()
    ]
    return [_offer(verb, like, roles.get(verb.act, ())) for verb in VERBS.values()]


def _offer(verb: Verb, like: Sequence[tuple[Facts, int]], roles: Sequence[str]) -> dict[str, Any]:
    best: Counter[str] | None = None
    for role in roles or ("L",):
        whys: Counter[str] = Counter()
        for host, n in like:
            whys[why_not(verb, host, role)] += n
        best = whys if best is None or whys[""] > best[""] else best
    found = best or Counter()
    why = [(words, n) for words, n in found.most_common() if words]
    return {"verb": verb, "n": found[""], "why": why, "cannot": sum(n for _, n in why), "may": bool(roles)}


def plan(*, verb: Verb, params: Mapping[str, Any], hosts: Sequence[Facts], role: str) -> Plan:
    """The review of an act. role: the letter of the role in which it is asked for. Five queries.

    shows: as provisioning.api.reviews.ReviewOut, with left_out, {"why", "hosts"}, for its refused.
    """
    out = {host.id: why for host in hosts if (why := why_not(verb, host, role))}
    touched = tuple(h for h in hosts if h.id not in out)
    left_out: dict[str, list[str]] = {}
    for host in hosts:
        if host.id in out:
            left_out.setdefault(out[host.id], []).append(host.name)
    return Plan(verb, {**verb.params, **params}, touched, left_out, _shows(verb, touched, left_out))


def _shows(verb: Verb, touched: Sequence[Facts], left_out: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    ids = [h.id for h in touched]
    fleet, serving, of_these = _one(SERVICE, [ids, sorted({h.site_id for h in touched})])
    data = _one(DATA, [ids])[0] if verb.loses_data else 0
    lost = of_these if verb.takes_out else 0
    leaves = _all(LEAVES, {"hosts": ids}) if verb.takes_out else []
    racks = Counter((h.row, h.rack) for h in touched)
    spread = any(on < of for *_, on, of in leaves)
    kinds = max((_kinds(verb, h.state) for h in touched), key=len, default=verb.kinds)
    asked = asks(Reach(verb, len(touched), len(racks), spread, fleet, data))
    return {
        "verb": verb.name,
        "words": verb.words,
        "kinds": list(kinds),
        "hosts": [h.name for h in touched],
        "racks": [{"row": row, "rack": rack, "hosts": n} for (row, rack), n in sorted(racks.items())],
        "left_out": [{"why": why, "hosts": list(names)} for why, names in left_out.items()],
        "data_lost": data,
        "service": {"lost": lost, "now": serving, "remain": serving - lost},
        "leaves": [{"leaf": name, "links": n, "of": of} for name, n, of, *_ in leaves],
        "feeds": [{"feed": name, "hosts": n} for name, n in _all(FEEDS, [ids])] if verb.takes_out else [],
        "ends": [_end(h) for h in touched if h.operation and verb.family == "force"],
        "held": sum(bool(h.held) for h in touched),
        "takes": _takes(kinds, {h.profile_id for h in touched}),
        "undo": verb.undo,
        "asks": asked,
        "campaign": _in_waves(verb, len(touched), of_these, serving) if "campaign" in asked and touched else None,
    }


def usual_rules(verb: Verb, hosts: int) -> Rules:
    """What a campaign is told where nobody says anything; with a canary where reach alone makes it a campaign."""
    if verb.family == "campaign":
        return Rules()
    return Rules(waves=CAREFUL if hosts > 2 else (1, REST), budget=CAREFUL_BUDGET)


def _in_waves(verb: Verb, hosts: int, leaving: int, serving: int) -> dict[str, Any]:
    """Sizes of the waves, how many may fail, how many stay in service; "refused": why it could never begin."""
    try:
        columns = usual_rules(verb, hosts).columns(kind=verb.what, hosts=hosts, leaving=leaving, serving=serving)
    except BadValue as error:
        return {"refused": error.title}
    return {name: columns[name] for name in ("waves", "sizes", "budget", "floor", "bake_s")}


def _end(host: Facts) -> dict[str, Any]:
    return {"operation": host.operation, "kind": host.operation_kind, "host": host.name, "critical": host.critical}


def _takes(kinds: Sequence[str], profiles: set[int | None]) -> dict[str, Any] | None:
    """Seconds that one host usually takes, all kinds together; None when one of them was never done."""
    found = {kind: (at, n) for kind, at, n in _all(TAKES, [list(kinds), list(profiles), OF_HISTORY])} if kinds else {}
    if not kinds or set(found) != set(kinds):
        return None
    low, median, high = (sum(at[place] for at, _ in found.values()) for place in range(3))
    seen = min(n for _, n in found.values())
    return {"low_s": round(low, 1), "median_s": round(median, 1), "high_s": round(high, 1), "of": seen}


def _all(statement: str, arguments: Any) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return list(cursor.fetchall())


def _one(statement: str, arguments: Any) -> tuple[Any, ...]:
    return _all(statement, arguments)[0]


def as_they_were(hosts: Sequence[Facts]) -> dict[str, list[Any]]:
    """The columns of a review that say what its hosts were."""
    rows = [asdict(h) for h in sorted(hosts, key=lambda h: h.id)]
    names = {"hosts": "id", "states": "state", "seqs": "seq", "operations": "operation"}
    return {column: [row[name] for row in rows] for column, name in names.items()}
