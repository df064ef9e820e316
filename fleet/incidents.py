"""Incidents: the same finding on most hosts of one place has one cause; it is told, explained and closed as one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Q

from fleet import findings, lifecycle, reasons
from fleet.errors import NotFound
from fleet.findings import Found
from fleet.models import Actor, Finding, Incident

# Kind of finding to the places over which it folds, the widest first.
FOLDS: dict[str, tuple[str, ...]] = {
    "bmc_lost": ("row", "rack"),
    "power_off": ("row", "rack"),
    "psu_out": ("row", "rack"),
    "inlet_hot": ("row", "rack"),
}
PLACES = {"row": "w", "rack": "r"}
LEAST = 3

# Of the hosts that somebody watches there, at least half and at least three; those that are folded already count.
MANY = """
SELECT d.site_id, f.kind, {alias}.name, array_agg(f.id) FILTER (WHERE f.incident_id IS NULL),
  array_agg(f.device_id) FILTER (WHERE f.incident_id IS NULL),
  count(DISTINCT f.device_id), t.n, max(array_position(ARRAY['info', 'warning', 'critical'], f.severity))
FROM fleet_finding f JOIN fleet_device d ON d.id = f.device_id
JOIN fleet_rack r ON r.id = d.rack_id JOIN fleet_row w ON w.id = r.row_id
LEFT JOIN fleet_incident i ON i.id = f.incident_id
JOIN (SELECT {alias}.id, count(*) AS n FROM fleet_device d JOIN fleet_bmc b ON b.device_id = d.id
      JOIN fleet_rack r ON r.id = d.rack_id JOIN fleet_row w ON w.id = r.row_id
      WHERE b.swept_at IS NOT NULL AND d.state <> 'retired' GROUP BY 1) t ON t.id = {alias}.id
WHERE f.closed_at IS NULL AND f.kind = ANY(%s) AND (i.id IS NULL OR i.place = %s || ' ' || {alias}.name)
GROUP BY d.site_id, f.kind, {alias}.id, {alias}.name, t.n
HAVING count(DISTINCT f.device_id) >= %s AND 2 * count(DISTINCT f.device_id) >= t.n
  AND count(*) FILTER (WHERE f.incident_id IS NULL) > 0
ORDER BY 1, 2, 3
"""
LOCK = "SELECT pg_advisory_xact_lock(hashtext('fleet.incidents'))"


@dataclass(frozen=True)
class Many:
    """A place where most hosts have the same finding. ids: findings that no incident folds yet."""

    site: int
    kind: str
    place: str
    ids: Sequence[int]
    devices: Sequence[int]
    hosts: int
    of: int
    severity: str

    @property
    def words(self) -> str:
        """What is seen, for whoever is told."""
        return f"{self.kind} on {self.hosts} of {self.of} hosts in {self.place}"


def fold() -> int:
    """Gather what belongs together, and close incidents of which nothing is left; how many changed.

    One at a time, whoever asks: two that fold at once would make the same incident twice.
    """
    changed = 0
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK)
        for place in PLACES:  # the widest first: what it folds is gone from the narrower ones
            for many in _many(cursor, place):
                _gather(many)
                changed += 1
        changed += _close_empty()
    return changed


def _many(cursor: Any, place: str) -> list[Many]:
    kinds = [kind for kind, places in FOLDS.items() if place in places]
    cursor.execute(MANY.format(alias=PLACES[place]), [kinds, place, LEAST])
    return [
        Many(site, kind, f"{place} {name}", ids, devices, hosts, of, ("info", "warning", "critical")[severity - 1])
        for site, kind, name, ids, devices, hosts, of, severity in cursor.fetchall()
    ]


def _gather(many: Many) -> None:
    incident = (
        Incident.objects.filter(site_id=many.site, kind=many.kind, place=many.place).exclude(state="closed").first()
    )
    if incident is None:
        incident = Incident.objects.create(site_id=many.site, kind=many.kind, place=many.place, words=many.words)
        engine = lifecycle.system("sweep")
        lifecycle.move("incident", [incident.pk], to="open", actor=engine, reason=many.words, cause=many.kind)
    Incident.objects.filter(pk=incident.pk).update(words=many.words)
    findings.lock(many.devices)
    Finding.objects.filter(pk__in=many.ids).update(incident=incident)
    about = [{"kind": "incident", "id": incident.pk, "place": many.place}]
    findings.open([Found("incident", many.kind, many.severity, many.words, key=str(incident.pk), subjects=about)])


def _close_empty() -> int:
    """Nothing of it is open any more, so it is over; whether somebody explained it or not."""
    over = list(
        Incident.objects.exclude(state="closed")
        .exclude(findings__closed_at=None)
        .order_by("pk")
        .values_list("pk", "state")
    )
    engine, words = lifecycle.system("sweep"), "all its findings are over"
    lifecycle.move(
        "incident", [pk for pk, state in over if state == "open"], to="explained", actor=engine, reason=words
    )
    _close([pk for pk, _ in over], engine, words)
    return len(over)


def _close(ids: Sequence[int], actor: Actor, words: str) -> None:
    lifecycle.move("incident", ids, to="closed", actor=actor, reason=words)
    findings.close(Q(domain="incident", stable_id__in=[_told(pk, kind) for pk, kind in _kinds(ids)]), words=words)


def _kinds(ids: Sequence[int]) -> list[tuple[int, str]]:
    return list(Incident.objects.filter(pk__in=ids).values_list("pk", "kind"))


def _told(pk: int, kind: str) -> str:
    return Found("incident", kind, "info", "", key=str(pk)).stable_id


def explain(*, incident_id: int, reason: str, actor: Actor) -> None:
    """Somebody knows the cause. Raises NotFound (404), BadValue (422), WrongState (409)."""
    words = reasons.needed(reason)
    with transaction.atomic():
        incident = _locked(incident_id)
        lifecycle.move("incident", [incident.pk], to="explained", actor=actor, reason=words)


def close(*, incident_id: int, reason: str, actor: Actor) -> None:
    """Somebody says that it is over, or was no incident; findings that stand are told each for itself from then on.

    Raises NotFound (404), BadValue (422), WrongState (409) when nobody has explained it.
    """
    words = reasons.needed(reason)
    with transaction.atomic():
        incident = _locked(incident_id)
        _close([incident.pk], actor, words)
        standing = Finding.objects.filter(incident=incident, closed_at=None)
        findings.lock(standing.values_list("device_id", flat=True))
        standing.update(incident=None)


def _locked(incident_id: int) -> Incident:
    try:
        return Incident.objects.select_for_update().get(pk=incident_id)
    except Incident.DoesNotExist as error:
        raise NotFound(f"there is no incident {incident_id}", field="id", value=incident_id) from error
