"""Every few seconds: what is due becomes notices, each rule's go out in order, and what became of them is written.

At least once: a delivery gets its id before it is sent, and is marked after; who dies between has it sent again with
the same id (Message-ID, Muster-Delivery). A rule is sent for by one worker at a time.
"""

import json
import logging
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from fleet import findings, sql
from fleet.findings import Found
from fleet.models import Notice, NoticeRule
from fleet.models.evidence import SEVERITIES
from fleet.notices import rules, words
from fleet.notices.channels import Post, send_in_order
from fleet.notices.quiet import is_quiet

log = logging.getLogger("muster.notices")

MOST = 10  # more of one rule at once are told in one message
ROOM = 8  # rules a round
ROUNDS = 4
SEND_S = 60.0  # of one rule, in one round
LEASE_S = 120.0  # longer than SEND_S and one more message: nobody else sends for the rule meanwhile
BACK_OFF_S = (15, 30, 60, 120, 300, 600, 1200, 1800)  # over an hour in all, then it is given up
NOT_TOLD = "not_told"

# Not what is held back now. quiet: the rules for which it is quiet.
OPEN = "NOT (r.id = ANY(%(quiet)s) AND NOT (r.critical_breaks_quiet AND f.severity = 'critical'))"

# A finding about a site, an incident or a campaign has no device: d, i, z are where it is.
PLACES = """LEFT JOIN fleet_device d ON d.id = f.device_id
  LEFT JOIN fleet_incident i ON f.device_id IS NULL AND f.subjects->0->>'kind' = 'incident'
    AND f.subjects->0->>'id' = i.id::text
  LEFT JOIN fleet_site z ON z.id::text = coalesce(coalesce(d.site_id, i.site_id)::text, f.subjects->0->>'site',
    CASE f.subjects->0->>'kind' WHEN 'site' THEN f.subjects->0->>'id' END)"""

# From findings that are open, or were closed lately, to notices, by indexes (migration 0005): no scan of what is old.
# What an incident folds is told by its finding, to whom each of them would have been. A rule does not tell of its own
# failure. What is about no place is told by the rules of every site.
MAKE = f"""
INSERT INTO fleet_notice (rule_id, finding_id, why, state, held, subject, tries, made_at, error)
SELECT r.id, f.id, w.why, 'waiting', NOT ({OPEN}), '', 0, now(), ''
FROM (
  SELECT r.id AS rule_id, f.id AS finding_id, 'opened' AS why
  FROM fleet_noticerule r JOIN fleet_finding f ON f.closed_at IS NULL AND f.acknowledged_at IS NULL
    AND array_position(%(severities)s::text[], f.severity) >= array_position(%(severities)s::text[], r.severity)
    AND f.incident_id IS NULL
  {PLACES}
  WHERE r.active AND r.deleted_at IS NULL AND (r.site_id IS NULL OR r.site_id = coalesce(z.id, r.site_id))
    AND (r.domains || r.kinds = '{{}}' OR f.domain = ANY(r.domains) OR f.kind = ANY(r.kinds) OR EXISTS (
      SELECT 1 FROM fleet_finding g WHERE g.incident_id = i.id AND g.domain = ANY(r.domains)))
  UNION ALL
  SELECT t.id, f.id, 'escalated'
  FROM fleet_finding f JOIN fleet_notice n ON n.finding_id = f.id AND n.why IN ('opened', 'escalated')
    AND n.state IN ('sent', 'failed')
  JOIN fleet_noticerule r ON r.id = n.rule_id AND r.active AND r.deleted_at IS NULL
    AND n.ended_at <= now() - r.escalate_after_min * interval '1 min'
  JOIN fleet_noticerule t ON t.id = r.escalate_to_id AND t.active AND t.deleted_at IS NULL
  WHERE f.closed_at IS NULL AND f.acknowledged_at IS NULL AND f.incident_id IS NULL
  UNION ALL
  SELECT r.id, f.id, 'closed'
  FROM fleet_finding f JOIN fleet_notice n ON n.finding_id = f.id AND n.why = 'opened' AND n.state = 'sent'
    AND n.ended_at <= f.closed_at
  JOIN fleet_noticerule r ON r.id = n.rule_id AND r.active AND r.deleted_at IS NULL AND r.tell_closed
  WHERE f.closed_at > now() - interval '1 day') w
JOIN fleet_noticerule r ON r.id = w.rule_id JOIN fleet_finding f ON f.id = w.finding_id
WHERE NOT (f.kind = '{NOT_TOLD}' AND f.stable_id = 'notices:{NOT_TOLD}:' || r.id)
  AND NOT EXISTS (
    SELECT 1 FROM fleet_notice n WHERE n.finding_id = w.finding_id AND n.rule_id = w.rule_id AND n.why = w.why)
ORDER BY f.id, r.id
ON CONFLICT DO NOTHING
"""

# Somebody has it in hand by now.
DROP = """
UPDATE fleet_notice SET state = 'dropped', ended_at = now() WHERE id IN (
  SELECT n.id FROM fleet_notice n JOIN fleet_finding f ON f.id = n.finding_id
  JOIN fleet_noticerule r ON r.id = n.rule_id AND (r.sending_until IS NULL OR r.sending_until <= now())
  WHERE n.state = 'waiting' AND n.why = 'escalated' AND (f.closed_at IS NOT NULL OR f.acknowledged_at IS NOT NULL)
  ORDER BY n.id FOR UPDATE OF n SKIP LOCKED)
"""

# Each worker takes what no other one has.
CLAIM = f"""
WITH due AS (
  SELECT r.id FROM fleet_noticerule r
  WHERE r.active AND r.deleted_at IS NULL AND (r.retry_at IS NULL OR r.retry_at <= now())
    AND (r.sending_until IS NULL OR r.sending_until <= now()) AND EXISTS (
      SELECT 1 FROM fleet_notice n JOIN fleet_finding f ON f.id = n.finding_id
      WHERE n.rule_id = r.id AND n.state = 'waiting' AND {OPEN})
  ORDER BY r.id LIMIT %(room)s FOR NO KEY UPDATE SKIP LOCKED)
UPDATE fleet_noticerule t SET sending_until = now() + %(lease_s)s * interval '1 s', sending_by = %(token)s
FROM due WHERE t.id = due.id RETURNING t.id
"""

TOLD = f"""
SELECT n.id, n.rule_id, n.why, n.held, n.delivery::text, n.tries, f.id AS finding, f.stable_id, f.domain, f.kind,
  f.severity, f.words, f.cause, f.subjects, f.operation_id AS operation, f.opened_at, f.acknowledged_at,
  a.name AS acknowledged_by, f.acknowledged_words, f.closed_at, f.closed_words, p.name AS owner,
  p.contact AS owner_contact, p.phone AS owner_phone, p.mail AS owner_mail, d.name AS host, d.unit, k.name AS rack,
  w.name AS row, z.name AS site
FROM fleet_notice n JOIN fleet_noticerule r ON r.id = n.rule_id JOIN fleet_finding f ON f.id = n.finding_id
LEFT JOIN fleet_actor a ON a.id = f.acknowledged_by_id LEFT JOIN fleet_party p ON p.id = f.owner_id
{PLACES}
LEFT JOIN fleet_rack k ON k.id = d.rack_id LEFT JOIN fleet_row w ON w.id = k.row_id
WHERE n.rule_id = ANY(%(rules)s) AND n.state = 'waiting' AND {OPEN}
ORDER BY n.rule_id, n.id
"""

GIVE_IDS = "UPDATE fleet_notice n SET delivery = g.delivery FROM unnest(%s::bigint[], %s::uuid[]) AS g(id, delivery)\
 WHERE n.id = g.id"
LOCK_RULES = "SELECT id FROM fleet_noticerule WHERE id = ANY(%s) AND sending_by = %s ORDER BY id FOR NO KEY UPDATE"

# state: waiting for what is tried again.
RECORD = """
UPDATE fleet_notice n SET state = t.state, subject = t.subject, error = t.error, tries = n.tries + 1,
  ended_at = CASE WHEN t.state <> 'waiting' THEN now() END
FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::text[]) AS t(delivery, state, subject, error)
WHERE n.delivery = t.delivery AND n.state = 'waiting'
"""
# What was not tried may still be folded with what comes.
UNTRIED = "UPDATE fleet_notice SET delivery = NULL WHERE delivery = ANY(%s::uuid[]) AND state = 'waiting'"
FREE = """
UPDATE fleet_noticerule r SET sending_until = NULL, sending_by = '', retry_at = now() + t.wait_s * interval '1 s'
FROM unnest(%s::bigint[], %s::float8[]) AS t(id, wait_s) WHERE r.id = t.id AND r.sending_by = %s
"""


@dataclass(frozen=True)
class Delivery:
    """What goes out in one message. is_new: it had no id before, so it was never sent."""

    id: str
    rule: int
    why: str
    rows: Sequence[Mapping[str, Any]]
    is_new: bool


def run() -> int:
    """Make, send, record; how many deliveries arrived. Bounded; what is left goes out with the next run."""
    quiet = quiet_rules()
    make(quiet)
    arrived = 0
    for _ in range(ROUNDS):
        token = uuid.uuid4().hex
        taken = claim(quiet, token)
        if not taken:
            break
        arrived += _send(taken, token)
    return arrived


def quiet_rules() -> list[int]:
    """Ids of the rules for which it is quiet now."""
    rows = NoticeRule.objects.filter(active=True, deleted_at=None, quiet_from__isnull=False)
    now = timezone.now()
    columns = rows.values_list("id", "quiet_from", "quiet_until", "site__timezone")
    return [pk for pk, start, end, zone in columns if is_quiet(now, start, end, zone or "UTC")]


def make(quiet: Sequence[int]) -> int:
    """Notices for what is to be told and is not yet; how many. One statement, however many findings and rules."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DROP)
        cursor.execute(MAKE, {"quiet": list(quiet), "severities": SEVERITIES})
        return int(cursor.rowcount)


def claim(quiet: Sequence[int], token: str) -> list[Delivery]:
    """Take rules that have something to send, and give each delivery its id, before it is sent."""
    with transaction.atomic(), connection.cursor() as cursor:
        given: dict[str, Any] = {"quiet": list(quiet), "room": ROOM, "lease_s": LEASE_S, "token": token}
        cursor.execute(CLAIM, given)
        taken = sorted(row[0] for row in cursor.fetchall())
        cursor.execute(TOLD, {"quiet": list(quiet), "rules": taken})
        told = [row | {"subjects": json.loads(row["subjects"])} for row in sql.rows(cursor)]
        found = [d for _, rows in groupby(told, key=lambda row: row["rule_id"]) for d in deliveries(list(rows))]
        ids = [(row["id"], d.id) for d in found if d.is_new for row in d.rows]
        if ids:
            cursor.execute(GIVE_IDS, sql.columns(ids))
    return found


def deliveries(rows: Sequence[Mapping[str, Any]]) -> list[Delivery]:
    """What one rule sends, in order: what has an id as it was; what was held back in one; too many at once in one."""
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    fresh = [row for row in rows if row["delivery"] is None and not row["held"]]
    many = {why for why in ("opened", "escalated", "closed") if sum(r["why"] == why for r in fresh) > MOST}
    for row in rows:
        if row["delivery"] is not None:
            key: Any = ("again", row["delivery"])
        elif row["held"]:
            key = "held"
        else:
            key = row["why"] if row["why"] in many else row["id"]
        groups.setdefault(key, []).append(row)
    return [_delivery(group) for group in groups.values()]


def _delivery(group: Sequence[Mapping[str, Any]]) -> Delivery:
    why = group[0]["why"] if len(group) == 1 else "digest" if all(row["held"] for row in group) else "many"
    known = group[0]["delivery"]
    return Delivery(known or str(uuid.uuid4()), group[0]["rule_id"], why, group, known is None)


def _send(taken: Sequence[Delivery], token: str) -> int:
    wanted = {d.rule for d in taken}
    asked = {rule.pk: rule for rule in NoticeRule.objects.select_related("secret").filter(pk__in=wanted)}
    queues = [list(queue) for _, queue in groupby(taken, key=lambda d: d.rule)]
    posts = [[post(asked[d.rule], d.why, d.rows, d.id) for d in queue] for queue in queues]
    results = send_in_order(posts, within_s=SEND_S)
    outcomes = [
        (d, p, result)
        for queue, sent, tried in zip(queues, posts, results, strict=True)
        for d, p, result in zip(queue, sent, tried)  # noqa: B905 (what was not tried has no result)
    ]
    record(taken, outcomes, token)
    return sum(result is None for _, _, result in outcomes)


def post(rule: NoticeRule, why: str, rows: Sequence[Mapping[str, Any]], delivery: str) -> Post:
    """A message of a rule, ready to be sent."""
    said = words.message(why, rows, rule=rule.name, url=settings.URL)
    address, key = rules.address_of(rule)
    return Post(rule.channel, address, key, delivery, (rule.pk, rule.name), said)


def record(taken: Sequence[Delivery], outcomes: Sequence[tuple[Delivery, Post, str | None]], token: str) -> None:
    """Write what became of deliveries, and free their rules. What could not be told for an hour is a finding."""
    tried = {d.id for d, _, _ in outcomes}
    waits: dict[int, float | None] = {d.rule: None for d in taken}
    rows = []
    given_up: list[Found] = []
    well = set()
    for d, p, error in outcomes:
        tries = d.rows[0]["tries"] + 1
        over = error is not None and tries > len(BACK_OFF_S)
        state = "sent" if error is None else "failed" if over else "waiting"
        rows.append((d.id, state, p.message.subject, error or ""))
        if error is None:
            well.add(d.rule)
        elif over:
            given_up.append(_not_told(p, error))
        else:
            waits[d.rule] = BACK_OFF_S[tries - 1]
        if error is not None:
            log.warning("rule %d: try %d failed: %s", d.rule, tries, error)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK_RULES, [sorted(waits), token])
        if rows:
            cursor.execute(RECORD, sql.columns(rows))
        cursor.execute(UNTRIED, [[d.id for d in taken if d.is_new and d.id not in tried]])
        cursor.execute(FREE, [*sql.columns(waits.items()), token])
        findings.open(given_up)
        recovered = [_stable_id(rule) for rule in well - {d.rule for d, _, error in outcomes if error is not None}]
        if recovered:
            findings.close(Q(kind=NOT_TOLD, stable_id__in=recovered), words="its messages arrive again")


def _stable_id(rule: int) -> str:
    return Found("notices", NOT_TOLD, "critical", "", key=str(rule)).stable_id


def _not_told(p: Post, error: str) -> Found:
    pk, name = p.rule
    said = f"rule {name} could not tell {p.message.subject!r}, {len(BACK_OFF_S) + 1} times tried: {error}"
    subject = {"kind": "rule", "id": pk, "name": name}
    return Found("notices", NOT_TOLD, "critical", said, key=str(pk), subjects=[subject])


def test(rule: NoticeRule) -> Notice:
    """Send a test by this rule now, beside what waits, once; the notice says what became of it."""
    notice = Notice(rule=rule, why="test", delivery=uuid.uuid4(), tries=1, ended_at=timezone.now())
    message = post(rule, "test", [], str(notice.delivery))
    error = send_in_order([[message]], within_s=SEND_S)[0][0]
    notice.state, notice.error, notice.subject = "failed" if error else "sent", error or "", message.message.subject
    notice.save()
    return notice
