"""How many hosts of a site may leave service unplanned: more than that is a fault of ours, or of the building.

Whatever takes a host out of service locks its site's brake first, before operations and devices (decision 5), so that
what it has counted is so until it is written. The brake is closed as long as it lets hosts go, open when it is used up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Q
from django.utils import timezone

from fleet import findings, reasons, sql
from fleet.errors import BadValue, NotFound
from fleet.findings import Found
from fleet.models import Actor, Site
from provisioning.models import Brake
from provisioning.operations import pace

MOST_OVERRIDE_MINUTES = 24 * 60

LOCK = "SELECT site_id FROM provisioning_brake WHERE site_id = ANY(%s) ORDER BY site_id FOR UPDATE"

# Plan: the hosts that serve by device_state; who left by transition_at, an hour of it.
STANDING = """
SELECT s.id AS site, s.name, coalesce(b.percent, 5) AS percent, coalesce(b.most, 25) AS most,
  coalesce(b.within_s, 3600) AS within_s, b.override_until, b.override_reason, a.name AS override_by,
  (SELECT count(*) FROM fleet_device d
   WHERE d.site_id = s.id AND d.kind = 'host' AND d.state = 'in_service') AS serving,
  (SELECT count(*) FROM fleet_transition t JOIN fleet_device d ON d.id = t.subject_id
   WHERE t.subject_kind = 'host' AND t.from_state = 'in_service' AND t.to_state = 'quarantined'
     AND t.at > statement_timestamp() - coalesce(b.within_s, 3600) * interval '1 s' / %(scale)s
     AND d.site_id = s.id) AS gone
FROM fleet_site s LEFT JOIN provisioning_brake b ON b.site_id = s.id LEFT JOIN fleet_actor a ON a.id = b.override_by_id
WHERE %(sites)s::bigint[] IS NULL OR s.id = ANY(%(sites)s::bigint[])
ORDER BY s.id
"""

SERVING = """
SELECT id, site_id FROM fleet_device WHERE id = ANY(%s) AND kind = 'host' AND state = 'in_service' ORDER BY id
"""


@dataclass(frozen=True)
class Standing:
    """A site's brake as it is now. gone: who left service unplanned within its time; limit: how many may."""

    site: int
    name: str
    serving: int
    gone: int
    limit: int
    within_s: int
    override_until: Any
    override_by: str
    override_reason: str

    @property
    def is_overridden(self) -> bool:
        """Whether an admin lets hosts go all the same."""
        return self.override_until is not None and self.override_until > timezone.now()

    @property
    def is_open(self) -> bool:
        """Whether no more hosts leave by themselves."""
        return self.gone >= self.limit and not self.is_overridden


def lock(sites: Iterable[int]) -> None:
    """Until the end of the transaction nobody else takes hosts of these sites out of service."""
    wanted = sorted(set(sites))
    if not wanted:
        return
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [wanted])
        if missing := set(wanted) - {row[0] for row in cursor.fetchall()}:
            Brake.objects.bulk_create([Brake(site_id=s) for s in sorted(missing)], ignore_conflicts=True)
            cursor.execute(LOCK, [wanted])


def standing(sites: Iterable[int] | None = None) -> list[Standing]:
    """The brakes of these sites, of all when None. One query."""
    with connection.cursor() as cursor:
        cursor.execute(STANDING, {"sites": None if sites is None else sorted(sites), "scale": pace.field_s(1)})
        rows = sql.rows(cursor)
    return [
        Standing(
            **{name: row[name] for name in ("site", "name", "serving", "gone", "within_s", "override_until")},
            limit=max(1, min(row["most"], -(-(row["serving"] + row["gone"]) * row["percent"] // 100))),
            override_by=row["override_by"] or "",
            override_reason=row["override_reason"] or "",
        )
        for row in rows
    ]


def admit(devices: Sequence[int]) -> set[int]:
    """Which of these hosts may leave service unplanned now; whoever is not in service needs no leave.

    Locks their sites' brakes: the caller moves those admitted in the same transaction, and has locked none of them yet.
    Where the brake is used up a finding tells a person.
    """
    if not devices:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(SERVING, [list(devices)])
        asked = cursor.fetchall()
        lock(site for _, site in asked)
        cursor.execute(SERVING, [list(devices)])
        by_site: dict[int, list[int]] = {}
        for device, site in cursor.fetchall():
            by_site.setdefault(site, []).append(device)
    stay: set[int] = set()
    told = []
    for brake in standing(by_site) if by_site else []:
        mine = by_site[brake.site]
        room = len(mine) if brake.is_overridden else max(0, brake.limit - brake.gone)
        if late := mine[room:]:
            stay |= set(late)
            told.append(_found(brake, len(late)))
    findings.open(told)
    return set(devices) - stay


def _found(brake: Standing, held: int) -> Found:
    minutes = brake.within_s // 60
    words = (
        f"{brake.gone} hosts of {brake.name} left service within {minutes} min, {brake.limit} may: "
        f"{held} more would, and stay in service until an admin overrides the brake"
    )
    subject = {"kind": "site", "id": brake.site}
    return Found("health", "brake_open", "critical", words, key=f"site:{brake.site}", subjects=[subject])


def override(*, site: str, minutes: int, reason: str, actor: Actor) -> None:
    """For so long hosts of this site leave service however many they are. Raises BadValue (422), NotFound (404)."""
    words = reasons.needed(reason)
    if not 1 <= minutes <= MOST_OVERRIDE_MINUTES:
        expected = f"1 to {MOST_OVERRIDE_MINUTES}"
        raise BadValue("an override needs an end", field="minutes", value=minutes, expected=expected)
    with transaction.atomic():
        place = Site.objects.filter(name=site).first()
        if place is None:
            raise NotFound(f"there is no site {site!r}", field="site", value=site)
        lock([place.pk])
        until = timezone.now() + timedelta(minutes=minutes)
        Brake.objects.filter(site=place).update(override_until=until, override_by=actor, override_reason=words)
        findings.close(_about([place.pk]), words=f"overridden for {minutes} min: {words}", actor=actor)


def tell() -> int:
    """Close the findings of brakes that let hosts go again; how many sites are held up still."""
    open_now = {brake.site for brake in standing() if brake.is_open}
    findings.close(Q(kind="brake_open") & ~_about(open_now), words="fewer have left service by now")
    return len(open_now)


def _about(sites: Iterable[int]) -> Q:
    return Q(kind="brake_open", stable_id__in=[f"health:brake_open:site:{site}" for site in sites])
