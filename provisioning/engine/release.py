"""What campaigns let begin, and when: waves, budgets, floors, limits, windows. And when they halt, or are done."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction

from fleet import findings, lifecycle, sql
from fleet.findings import Found
from fleet.lifecycle import Move
from provisioning.engine import brakes, variants, waves
from provisioning.engine.waves import Domain, Waiting, Window
from provisioning.operations import pace

# A failure that says nothing about the campaign: somebody else took the host elsewhere.
NOT_ITS_OWN = ("wrong_state", "cancelled")

COLUMNS = """
SELECT c.id, c.kind, c.site_id, c.sizes, c.at_once, c.bake_s, c.budget, c.floor, c.limits::text AS limits,
  c.on_common_cause, c.opens, c.closes, c.until, s.timezone, now() AS now
FROM provisioning_campaign c JOIN fleet_site s ON s.id = c.site_id WHERE c.id = ANY(%s) ORDER BY c.id
"""
# Whoever looks holds all of them, so that two never give the same place away (lessons M40).
LOCK = """
SELECT id FROM provisioning_campaign
WHERE state = 'running' AND (%(ids)s::bigint[] IS NULL OR id = ANY(%(ids)s::bigint[])) ORDER BY id FOR UPDATE
"""

# A host is held back while its first operation is queued and has no time to wake; it is under way from then on to the
# end of its chain. Plan: index operation_campaign, one pass.
HELD = "o.state = 'queued' AND o.after_id IS NULL AND o.wake_at IS NULL"
MOVING = "(o.state IN ('active', 'lost') OR (o.state = 'queued' AND o.after_id IS NULL AND o.wake_at IS NOT NULL))"
WAVES = f"""
SELECT o.campaign_id, o.wave, count(*) FILTER (WHERE {HELD}) AS held, count(*) FILTER (WHERE {MOVING}) AS moving,
  max(o.ended_at) AS ended_at, bool_or(o.started_at IS NOT NULL OR {MOVING}) AS has_begun
FROM provisioning_operation o WHERE o.campaign_id = ANY(%s) GROUP BY 1, 2
"""
FAILURES = """
SELECT o.campaign_id, o.wave, coalesce(nullif(o.cause, ''), o.state) AS cause, count(*) AS n
FROM provisioning_operation o
WHERE o.campaign_id = ANY(%s) AND o.state IN ('failed', 'lost') AND NOT o.excused AND o.cause <> ALL(%s)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""

# What a host is under. Leafs and feeds are looked up only where a campaign limits them.
UNDER = """
  d.rack_id AS rack, d.site_id AS site,
  CASE WHEN %(leaf)s THEN (SELECT array_agg(DISTINCT sw.id) FROM fleet_port p
    JOIN fleet_cableend a ON a.port_id = p.id JOIN fleet_cableend b ON b.cable_id = a.cable_id AND b."end" <> a."end"
    JOIN fleet_port q ON q.id = b.port_id JOIN fleet_device sw ON sw.id = q.device_id AND sw.role = 'leaf'
    WHERE p.device_id = d.id) END AS leafs,
  CASE WHEN %(feed)s THEN (SELECT array_agg(DISTINCT i.feed_id) FROM fleet_powerinlet i WHERE i.device_id = d.id) END
    AS feeds
"""
CANDIDATES = f"""
SELECT o.id, o.device_id AS device, o.campaign_id AS campaign, d.state = 'in_service' AS serves, {UNDER}
FROM provisioning_operation o JOIN fleet_device d ON d.id = o.device_id
JOIN unnest(%(ids)s::bigint[], %(waves)s::int[]) AS w(campaign, wave) ON w.campaign = o.campaign_id AND w.wave = o.wave
WHERE {HELD} ORDER BY o.id
"""
# Of every campaign and of none: a rack with two hosts out is that, whoever took them.
BUSY = f"""
SELECT o.campaign_id AS campaign, {UNDER}
FROM provisioning_operation o JOIN fleet_device d ON d.id = o.device_id
WHERE o.mutating AND {MOVING} AND d.site_id = ANY(%(sites)s)
"""
SERVING = """
SELECT site_id, count(*) FROM fleet_device
WHERE kind = 'host' AND state = 'in_service' AND site_id = ANY(%s) GROUP BY 1
"""

TAKE = f"""
SELECT o.id FROM provisioning_operation o WHERE o.id = ANY(%s) AND {HELD} ORDER BY o.device_id, o.id FOR UPDATE
"""
BEGIN = "UPDATE provisioning_operation SET wake_at = now() WHERE id = ANY(%s)"
LEAVING = """
SELECT id FROM fleet_device WHERE id = ANY(%s) AND state = 'in_service' ORDER BY id FOR NO KEY UPDATE
"""

# A campaign is done when nothing of it can still move by itself: what waits for a failed one waits for a person. Asked
# once its row is locked, as a retry locks it: else one that is committed meanwhile would be overlooked.
DONE = """
SELECT c.id FROM provisioning_campaign c WHERE c.id = ANY(%s) AND NOT EXISTS (
  SELECT 1 FROM provisioning_operation o WHERE o.campaign_id = c.id
    AND (o.state IN ('active', 'lost') OR (o.state = 'queued' AND o.after_id IS NULL)))
ORDER BY c.id
"""


@dataclass(frozen=True)
class Wave:
    """Of one wave: hosts held back, operations under way, when the last one ended, whether any has begun."""

    held: int = 0
    moving: int = 0
    ended_at: datetime | None = None
    has_begun: bool = False


@dataclass(frozen=True)
class Plan:
    """A campaign's rules and where its waves are. failures: by wave and cause, those that count."""

    row: Mapping[str, Any]
    waves: Mapping[int, Wave]
    failures: Mapping[int, Mapping[str, int]] = field(default_factory=dict)

    @property
    def window(self) -> Window:
        """When its hosts may begin."""
        row = self.row
        return Window(row["timezone"], row["opens"], row["closes"], row["until"])

    @property
    def causes(self) -> Counter[str]:
        """How many failures count, by cause."""
        found: Counter[str] = Counter()
        for one in self.failures.values():
            found.update(one)
        return found


@dataclass(frozen=True)
class Next:
    """The wave whose hosts may begin next, 0 for none left. why: what it waits for, '' for nothing. at: until when."""

    wave: int
    why: str = ""
    at: datetime | None = None


def next_wave(plan: Plan) -> Next:
    """Which wave is next, and whether it may begin."""
    held = [n for n, wave in sorted(plan.waves.items()) if wave.held]
    if not held:
        return Next(0)
    n, now = held[0], plan.row["now"]
    if not plan.waves[n].has_begun:
        before = [plan.waves[w] for w in plan.waves if w < n]
        if moving := sum(wave.moving for wave in before):
            return Next(n, f"{moving} under way in the wave before")
        ended = max((wave.ended_at for wave in before if wave.ended_at), default=None)
        quiet_at = ended and ended + timedelta(seconds=pace.seconds(plan.row["bake_s"]))
        if quiet_at and plan.row["bake_s"] and quiet_at > now:
            return Next(n, "the wave before must have been quiet for a while", quiet_at)
    opens = plan.window.next_open(now)
    if opens is None:
        return Next(n, "its window is over")
    return Next(n) if opens <= now else Next(n, "its window is closed", opens)


def halts(plan: Plan) -> list[tuple[str, str]]:
    """Why it must halt by itself: one (cause, words), none when it need not.

    The first of several waves is the canary: nothing may fail there. Then a common cause, then the budget.
    """
    row, causes = plan.row, plan.causes
    if not any(wave.held or wave.moving for wave in plan.waves.values()):
        return []
    canary = plan.failures.get(1, {}) if len(row["sizes"]) > 1 else {}
    if canary:
        cause = max(sorted(canary), key=lambda c: canary[c])
        return [(cause, f"{sum(canary.values())} of {row['sizes'][0]} failed in the canary: {_listed(canary)}")]
    if row["on_common_cause"]:
        for n, failed in sorted(plan.failures.items()):
            if cause := waves.common_cause(failed):
                words = f"one cause for {failed[cause]} of {sum(failed.values())} failures of wave {n}: {cause}"
                return [(cause, words)]
    if row["budget"] is not None and causes.total() >= row["budget"]:
        return [("budget_used", f"{causes.total()} failed, {row['budget']} may: {_listed(causes)}")]
    if plan.window.is_over(row["now"]) and any(wave.held for wave in plan.waves.values()):
        held = sum(wave.held for wave in plan.waves.values())
        return [("window_over", f"its window is over, and {held} hosts have not begun")]
    return []


def _listed(causes: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {cause}" for cause, n in sorted(causes.items(), key=lambda c: (-c[1], c[0])))


def rules(cursor: Any, ids: Sequence[int]) -> list[dict[str, Any]]:
    """What these campaigns were told, and what time it is."""
    cursor.execute(COLUMNS, [list(ids)])
    return [{**row, "limits": json.loads(row["limits"])} for row in sql.rows(cursor)]


def plans(ids: Sequence[int]) -> list[Plan]:
    """The rules and the standing of these campaigns. Three queries, however many."""
    with connection.cursor() as cursor:
        rows = rules(cursor, ids)
        cursor.execute(WAVES, [list(ids)])
        standing: dict[int, dict[int, Wave]] = {pk: {} for pk in ids}
        for pk, n, *wave in cursor.fetchall():
            standing[pk][n] = Wave(*wave)
        cursor.execute(FAILURES, [list(ids), list(NOT_ITS_OWN)])
        failed: dict[int, dict[int, dict[str, int]]] = {pk: {} for pk in ids}
        for pk, n, cause, count in cursor.fetchall():
            failed[pk].setdefault(n, {})[cause] = count
    return [Plan(row, standing[row["id"]], failed[row["id"]]) for row in rows]


def release(ids: Sequence[int] | None = None) -> int:
    """Halt the campaigns that must, let begin of the others whom their rules allow; returns how many hosts that were.

    ids: of these running campaigns, of all when None. Locks campaigns, brakes, operations, hosts, in this order.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, {"ids": None if ids is None else list(ids)})
        if not (running := [row[0] for row in cursor.fetchall()]):
            return 0
        found = plans(running)
        halted = _halt(found)
        going = [plan for plan in found if plan.row["id"] not in halted]
        due = {plan.row["id"]: at.wave for plan in going if (at := next_wave(plan)).wave and not at.why}
        return _begin(cursor, [plan for plan in going if plan.row["id"] in due], due) if due else 0


def _halt(found: Iterable[Plan]) -> set[int]:
    stopped = {plan.row["id"]: (plan, cause, _more(plan, words)) for plan in found for cause, words in halts(plan)}
    if not stopped:
        return set()
    moves = [Move(pk, "halted", words, cause) for pk, (_, cause, words) in stopped.items()]
    lifecycle.move_each("campaign", moves, actor=lifecycle.system("engine"))
    findings.open(_told(plan, cause, words) for plan, cause, words in stopped.values())
    return set(stopped)


def _more(plan: Plan, words: str) -> str:
    """What a person would look for next: whether the hosts that failed are of one kind."""
    apart = variants.words_of(plan.row["id"]) if plan.failures else ""
    return f"{words}; {apart}" if apart else words


def _told(plan: Plan, cause: str, words: str) -> Found:
    pk, kind = plan.row["id"], plan.row["kind"]
    return Found(
        "campaign",
        "campaign_halted",
        "warning",
        f"campaign {pk} ({kind}) halted: {words}",
        key=f"campaign:{pk}",
        cause=cause,
        subjects=[{"kind": "campaign", "id": pk, "site": plan.row["site_id"]}],
    )


def _begin(cursor: Any, found: Sequence[Plan], due: Mapping[int, int]) -> int:
    """Of the waves that are due, let begin whom at_once, floor and limits leave room for."""
    sites = sorted({plan.row["site_id"] for plan in found})
    limited = {kind: any(kind in plan.row["limits"] for plan in found) for kind in ("leaf", "feed")}
    cursor.execute(CANDIDATES, {**limited, "ids": list(due), "waves": list(due.values())})
    rows = sql.rows(cursor)
    brakes.lock(row["site"] for row in rows if row["serves"])
    cursor.execute(BUSY, {**limited, "sites": sites})
    busy, under_way = _busy(sql.rows(cursor))
    cursor.execute(SERVING, [sites])
    serving = dict(cursor.fetchall())
    picked: list[Waiting] = []
    for plan in found:
        row = plan.row
        chosen = waves.pick(
            [_waiting(r) for r in rows if r["campaign"] == row["id"]],
            room=None if row["at_once"] is None else row["at_once"] - under_way[row["id"]],
            limits=row["limits"],
            busy=busy,
            spare=None if row["floor"] is None else serving.get(row["site_id"], 0) - row["floor"],
        )
        serving[row["site_id"]] = serving.get(row["site_id"], 0) - sum(one.serves for one in chosen)
        picked += chosen
    return _start(cursor, picked)


def _busy(rows: Iterable[Mapping[str, Any]]) -> tuple[Counter[Domain], Counter[int]]:
    busy: Counter[Domain] = Counter()
    under_way: Counter[int] = Counter()
    for row in rows:
        busy.update(_domains(row))
        under_way[row["campaign"]] += 1
    return busy, under_way


def _domains(row: Mapping[str, Any]) -> tuple[Domain, ...]:
    return waves.domains(rack=row["rack"], leaf=row["leafs"], feed=row["feeds"])


def _waiting(row: Mapping[str, Any]) -> Waiting:
    return Waiting(row["id"], row["device"], _domains(row), row["serves"])


def _start(cursor: Any, picked: Sequence[Waiting]) -> int:
    """They are due from now on. Those that serve leave service in the same transaction as they were counted in."""
    if not picked:
        return 0
    cursor.execute(TAKE, [[one.operation for one in picked]])
    taken = {row[0] for row in cursor.fetchall()}
    cursor.execute(BEGIN, [list(taken)])
    cursor.execute(LEAVING, [[one.device for one in picked if one.serves and one.operation in taken]])
    leaving = [row[0] for row in cursor.fetchall()]
    if leaving:
        engine, reason = lifecycle.system("engine"), "its campaign takes it out of service"
        lifecycle.move("host", leaving, to="draining", actor=engine, reason=reason, cause="campaign")
    return len(taken)


def finish() -> int:
    """Running campaigns of which nothing moves any more are done."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, {"ids": None})
        cursor.execute(DONE, [[row[0] for row in cursor.fetchall()]])
        ended = [row[0] for row in cursor.fetchall()]
        lifecycle.move(
            "campaign",
            ended,
            to="done",
            actor=lifecycle.system("engine"),
            reason="every operation has ended or waits for a person",
        )
        return len(ended)
