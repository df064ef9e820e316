"""Findings and the health that follows from them: open, close, acknowledge. Nothing else writes either."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.db.models.functions import Now

from fleet import reasons
from fleet.errors import NotFound, WrongState
from fleet.models import Actor, Finding
from fleet.models.evidence import SEVERITIES

# A fault that is seen each minute would else carry a proof for each of them.
MOST_EVIDENCE = 20
# Kinds that only what they ask for can close, and what that is.
NOT_BY_HAND = {
    "outcome_unknown": "say what you found at the operation that is lost: that closes it",
    "campaign_halted": "let the campaign go on, or end it: that closes it",
    "brake_open": "it closes when fewer have left service, or by an admin who overrides the brake",
}


@dataclass(frozen=True)
class Found:
    """Something that is not as it should be, as it was seen now.

    key: makes the stable id, with domain, kind and device. evidence: ids. subjects: what it is about beside the device.
    mended: it is no more, in words; then it is on record as closed.
    """

    domain: str
    kind: str
    severity: str
    words: str
    device: int | None = None
    key: str = ""
    cause: str = ""
    operation: int | None = None
    subjects: Sequence[Mapping[str, Any]] = ()
    evidence: Sequence[int] = ()
    mended: str = ""

    @property
    def stable_id(self) -> str:
        """What it is about, in one word."""
        parts = (self.domain, self.kind, self.device, self.key)
        return ":".join(str(part) for part in parts if part not in (None, ""))


# The party of the kind comes before the party of the whole domain. Seen again, a finding stays one row: its time and
# words change with their cause and operation, its proof grows to the newest few, its severity only for the worse.
OPEN = """
INSERT INTO fleet_finding AS f (stable_id, domain, kind, severity, words, cause, device_id, operation_id, subjects,
  evidence, opened_at, seen_at, acknowledged_words, closed_at, closed_words, owner_id)
SELECT r.stable_id, r.domain, r.kind, r.severity, r.words, r.cause, r.device, r.op, r.subjects, r.evidence::bigint[],
  now(), now(), '', CASE WHEN r.mended <> '' THEN now() END, r.mended,
  (SELECT p.id FROM fleet_party p WHERE r.kind = ANY(p.owns) OR r.domain = ANY(p.owns)
   ORDER BY r.kind = ANY(p.owns) DESC, p.id LIMIT 1)
FROM unnest(%(stable_id)s::text[], %(domain)s::text[], %(kind)s::text[], %(severity)s::text[], %(words)s::text[],
  %(cause)s::text[], %(device)s::bigint[], %(op)s::bigint[], %(subjects)s::jsonb[], %(evidence)s::text[],
  %(mended)s::text[])
  AS r(stable_id, domain, kind, severity, words, cause, device, op, subjects, evidence, mended)
ORDER BY r.stable_id
ON CONFLICT (stable_id) WHERE closed_at IS NULL DO UPDATE SET seen_at = now(), words = excluded.words,
  cause = excluded.cause, operation_id = excluded.operation_id,
  evidence = (SELECT coalesce(array_agg(e.id ORDER BY e.id), '{}') FROM (
    SELECT DISTINCT u.id FROM unnest(f.evidence || excluded.evidence) AS u(id) ORDER BY u.id DESC LIMIT %(proof)s) e),
  severity = (%(severities)s::text[])[greatest(array_position(%(severities)s::text[], f.severity),
    array_position(%(severities)s::text[], excluded.severity))]
"""

DEVICES_FOR_NO_KEY_UPDATE = "SELECT id FROM fleet_device WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"

# The worst that is open. With nothing open, a device whose BMC we have never seen is as unknown as before.
HEALTH = """
UPDATE fleet_device d SET health = w.health FROM (
  SELECT t.id, coalesce(
    (SELECT f.severity FROM fleet_finding f WHERE f.device_id = t.id AND f.closed_at IS NULL
     ORDER BY array_position(%(severities)s::text[], f.severity) DESC LIMIT 1),
    CASE WHEN %(looked)s OR EXISTS (SELECT 1 FROM fleet_bmc b WHERE b.device_id = t.id AND b.seen_at IS NOT NULL)
         THEN 'ok' ELSE 'unknown' END) AS health
  FROM unnest(%(devices)s::bigint[]) AS t(id)) w
WHERE d.id = w.id AND d.health <> w.health
"""


def open(found: Iterable[Found]) -> None:
    """Open findings, or see again those that stand; the health of their devices follows in the same transaction.

    In bulk: three statements whatever their number. Each new one gets the party that owns its kind, else its domain.
    One that was closed and is seen again is a new row. Locks the devices, so whoever locks operations does so before.
    """
    rows: dict[tuple[str, bool], Found] = {}
    for one in found:
        key = (one.stable_id, bool(one.mended))
        severity = max(one.severity, rows[key].severity if key in rows else "info", key=SEVERITIES.index)
        rows[key] = replace(one, severity=severity)
    if not rows:
        return
    devices = {f.device for f in rows.values() if f.device is not None}
    with transaction.atomic(savepoint=False), connection.cursor() as cursor:
        lock(devices)
        cursor.execute(OPEN, _columns(list(rows.values())))
        _judge(devices)


def _columns(rows: Sequence[Found]) -> dict[str, Any]:
    same = ("stable_id", "domain", "kind", "severity", "words", "cause", "device", "mended")
    columns: dict[str, Any] = {name: [getattr(f, name) for f in rows] for name in same}
    columns["op"] = [f.operation for f in rows]
    columns["subjects"] = [json.dumps(list(f.subjects)) for f in rows]
    columns["evidence"] = ["{" + ",".join(map(str, f.evidence)) + "}" for f in rows]
    return columns | {"severities": SEVERITIES, "proof": MOST_EVIDENCE}


def close(what: Q, *, words: str, actor: Actor | None = None) -> int:
    """Close what is open of these findings and set the health of their devices; how many those were.

    words: why they are over. actor: the person who says so; None when what they told of is over.
    """
    with transaction.atomic(savepoint=False):
        seen = dict(Finding.objects.filter(what, closed_at=None).values_list("id", "device_id"))
        if not seen:
            return 0
        lock(device for device in seen.values() if device is not None)
        rows = Finding.objects.filter(pk__in=seen, closed_at=None).order_by("id").select_for_update()
        closed = list(rows.values_list("id", flat=True))
        Finding.objects.filter(pk__in=closed).update(closed_at=Now(), closed_by=actor, closed_words=words)
        _judge(device for pk in closed if (device := seen[pk]) is not None)
    return len(closed)


def judge(devices: Iterable[int], *, looked: bool = False) -> None:
    """Set the health of devices to their worst open finding.

    looked: an operation or a person has just been at them, so that nothing open is ok.
    """
    with transaction.atomic(savepoint=False):
        lock(devices := set(devices))
        _judge(devices, looked)


def _judge(devices: Iterable[int], looked: bool = False) -> None:
    if ids := sorted(set(devices)):
        with connection.cursor() as cursor:
            cursor.execute(HEALTH, {"devices": ids, "looked": looked, "severities": SEVERITIES})


def acknowledge(*, ids: Sequence[int], reason: str, actor: Actor) -> None:
    """Somebody has seen them and says what comes of them; they stay open. All of them or none.

    Raises NotFound (404), BadValue (422), WrongState (409) naming each that is closed or acknowledged already.
    """
    with transaction.atomic():
        _open_ones(ids, _is_acknowledged)
        Finding.objects.filter(pk__in=ids).update(
            acknowledged_at=Now(), acknowledged_by=actor, acknowledged_words=reasons.needed(reason)
        )


def close_by_hand(*, ids: Sequence[int], reason: str, actor: Actor) -> None:
    """Somebody says that they are over: all of them or none. What is not, the next look opens anew.

    Raises NotFound (404), BadValue (422), WrongState (409) naming each that is closed, or closes by something else.
    """
    with transaction.atomic():
        _open_ones(ids, _not_by_hand)
        close(Q(pk__in=ids), words=reasons.needed(reason), actor=actor)


def _is_acknowledged(finding: Finding) -> dict[str, str]:
    if finding.acknowledged_by is None:
        return {}
    by = f"{finding.acknowledged_by.name}: {finding.acknowledged_words}"
    return {"title": f"finding {finding.pk} was acknowledged by {by}"}


def _not_by_hand(finding: Finding) -> dict[str, str]:
    if finding.kind not in NOT_BY_HAND:
        return {}
    return {"title": f"finding {finding.pk} ({finding.kind}) is not closed by hand", "hint": NOT_BY_HAND[finding.kind]}


def _is_closed(finding: Finding) -> dict[str, str]:
    if finding.closed_at is None:
        return {}
    by = f" by {finding.closed_by.name}" if finding.closed_by else ""
    return {"title": f"finding {finding.pk} was closed{by}: {finding.closed_words}"}


def _open_ones(ids: Sequence[int], also: Callable[[Finding], dict[str, str]]) -> None:
    """Lock findings after their devices, and see that each may be written.

    Raises NotFound (404), WrongState (409) with every one that is closed or that `also` refuses.
    """
    lock(d for d in Finding.objects.filter(pk__in=ids).values_list("device_id", flat=True) if d is not None)
    rows = Finding.objects.select_for_update(of=("self",)).select_related("acknowledged_by", "closed_by")
    found = {f.pk: f for f in rows.filter(pk__in=ids).order_by("pk")}
    for number in ids:
        if number not in found:
            raise NotFound(f"there is no finding {number}", field="id", value=number)
    refused = [{"field": "id", "value": f.pk, **why} for f in found.values() if (why := _is_closed(f) or also(f))]
    if refused:
        first: dict[str, Any] = refused[0]
        raise WrongState(**first, errors=refused if len(ids) > 1 else ())


def lock(devices: Iterable[int]) -> None:
    """Lock devices in order, before any finding of theirs: whoever judges one sees all that others wrote."""
    if ids := sorted(set(devices)):
        with connection.cursor() as cursor:
            cursor.execute(DEVICES_FOR_NO_KEY_UPDATE, [ids])
