"""Writes the difference between two plans into the tables: one statement a table and a sort of change, none a row.

Rows of subjects (devices, cables) are made once and changed in place; their first transition follows in one statement.
Rows that only say where something belongs (cable ends, supplies, addresses) are deleted and made again when they
change, because two of them may swap what is unique. Arrays go in by unnest and names become ids by joins (hash joins
over the whole arrays; the tables are read once).
"""

from collections.abc import Iterable, Sequence
from typing import Any

from django.db import connection

from fleet import lifecycle, sql
from fleet.models import Actor, Bmc, Cable, Party, PowerFeed, Profile, Rack, Row, Site
from fleet.models import Device as DeviceRow
from fleet.models import Network as NetworkRow
from fleet.models.devices import HOST_ROLES
from fleet.plan import rows
from fleet.plan.diff import FileDiff, PlanDiff
from fleet.plan.problems import Problem
from fleet.states import KINDS

BATCH = 5_000
Place = tuple[str, str, str]  # hall, row, rack

_RENAME = """
WITH renamed AS (SELECT d.id, u.old, u.new FROM unnest(%s::text[], %s::text[]) AS u(old, new)
                 JOIN fleet_device d ON d.name = u.old),
     former AS (INSERT INTO fleet_formername (name, device_id, until) SELECT old, id, now() FROM renamed
                ON CONFLICT (name) DO UPDATE SET device_id = excluded.device_id, until = excluded.until)
UPDATE fleet_device d SET name = r.new FROM renamed r WHERE d.id = r.id
"""
_LOCK_DEVICES = "SELECT id, name FROM fleet_device WHERE name = ANY(%s) ORDER BY id FOR UPDATE"
_FREE_SERIALS = "UPDATE fleet_device SET serial = NULL WHERE id = ANY(%s)"
# A profile that keeps its name keeps its version.
_CHANGE_DEVICES = """
UPDATE fleet_device d SET role = u.role, serial = nullif(u.serial, ''), rack_id = u.rack, unit = u.unit, pod = u.pod,
  profile_id = coalesce(u.profile, d.profile_id)
FROM unnest(%s::bigint[], %s::text[], %s::text[], %s::bigint[], %s::smallint[], %s::text[], %s::bigint[])
  AS u(id, role, serial, rack, unit, pod, profile)
WHERE d.id = u.id
"""
_FREE_BMCS = "UPDATE fleet_bmc SET address = 'moving ' || id WHERE device_id = ANY(%s)"
_CHANGE_BMCS = """
UPDATE fleet_bmc b SET address = u.address, mac = u.mac
FROM unnest(%s::bigint[], %s::text[], %s::text[]) AS u(device, address, mac)
WHERE b.device_id = u.device RETURNING b.device_id
"""
_CHANGE_CABLES = """
UPDATE fleet_cable c SET kind = u.kind, rate = u.rate, length_m = u.length_m, medium = u.medium
FROM unnest(%s::text[], %s::text[], %s::text[], %s::float8[], %s::text[]) AS u(label, kind, rate, length_m, medium)
WHERE c.label = u.label
"""
_DROP_ENDS = "DELETE FROM fleet_cableend e USING fleet_cable c WHERE c.id = e.cable_id AND c.label = ANY(%s)"
_STILL_PLANNED = "SELECT id FROM fleet_cable WHERE label = ANY(%s) AND state = 'planned' ORDER BY id"
_PORTS = """
INSERT INTO fleet_port (device_id, name, node_guid)
SELECT d.id, u.port, '' FROM unnest(%s::text[], %s::text[]) AS u(device, port) JOIN fleet_device d ON d.name = u.device
ON CONFLICT (device_id, name) DO NOTHING
"""
_GUIDS = """
INSERT INTO fleet_port (device_id, name, node_guid)
SELECT d.id, u.port, u.guid FROM unnest(%s::text[], %s::text[], %s::text[]) AS u(device, port, guid)
JOIN fleet_device d ON d.name = u.device
ON CONFLICT (device_id, name) DO UPDATE SET node_guid = excluded.node_guid
"""
_ENDS = """
INSERT INTO fleet_cableend (cable_id, "end", port_id)
SELECT c.id, u.side, p.id
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[]) AS u(label, side, device, port)
JOIN fleet_cable c ON c.label = u.label
JOIN fleet_device d ON d.name = u.device JOIN fleet_port p ON p.device_id = d.id AND p.name = u.port
"""
_DROP_SUPPLIES = """
DELETE FROM fleet_powerinlet i USING unnest(%s::text[], %s::text[]) AS u(device, psu), fleet_device d
WHERE d.name = u.device AND i.device_id = d.id AND i.psu = u.psu
"""
_SUPPLIES = """
INSERT INTO fleet_powerinlet (device_id, psu, feed_id, circuit, limit_w)
SELECT d.id, u.psu, f.id, u.circuit, u.limit_w
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::int[]) AS u(device, psu, feed, circuit, limit_w)
JOIN fleet_device d ON d.name = u.device JOIN fleet_powerfeed f ON f.site_id = d.site_id AND f.name = u.feed
"""
_DROP_ADDRESSES = """
DELETE FROM fleet_address a USING unnest(%s::text[], %s::text[]) AS u(device, interface), fleet_device d
WHERE d.name = u.device AND a.device_id = d.id AND a.interface = u.interface
"""
_ADDRESSES = """
INSERT INTO fleet_address (network_id, device_id, interface, address, mac)
SELECT n.id, d.id, u.interface, u.address::inet, u.mac
FROM unnest(%s::text[], %s::text[], %s::text[], %s::text[], %s::text[]) AS u(device, interface, network, address, mac)
JOIN fleet_device d ON d.name = u.device JOIN fleet_network n ON n.site_id = d.site_id AND n.name = u.network
"""
_CABLES_BY_LABEL = """
SELECT c.label, c.state, c.id, EXISTS (SELECT 1 FROM fleet_cableend e WHERE e.cable_id = c.id)
FROM fleet_cable c WHERE c.label = ANY(%s)
"""


def labels_in_use(cables: Sequence[rows.Cable]) -> list[Problem]:
    """New lines of cables.csv whose label belongs to a cable that is gone for good, or to another site's."""
    wanted = {cable.label: cable for cable in cables}
    with connection.cursor() as cursor:
        cursor.execute(_CABLES_BY_LABEL, [list(wanted)])
        found = cursor.fetchall()
    problems = []
    for label, state, _, planned in found:
        if planned or state in KINDS["cable"].terminal:
            words = f"the label of another cable ({state})"
            line, expected = wanted[label].line, "a label that was never used"
            problems.append(Problem("cables.csv", line, "label", label, words, expected, "taken_label"))
    return problems


class Writer:
    """Writes one difference inside the caller's transaction."""

    def __init__(self, cursor: Any, *, site: str, actor: Actor, start: str, reason: str) -> None:
        self.cursor, self.actor, self.start, self.reason = cursor, actor, start, reason
        self.site, _ = Site.objects.get_or_create(name=site)

    def write(self, found: PlanDiff) -> None:
        """Everything, in the order that the references need."""
        self._networks(found.of("networks.csv"))
        _parties(found.of("parties.csv"))
        if found.renamed:
            self._run(_RENAME, found.renamed.items(), 2)
        self._devices(found.of("devices.csv"))
        self._cables(found.of("cables.csv"))
        self._supplies(found.of("power.csv"))
        self._addresses(found.of("addresses.csv"))
        removed = [network.name for network in found.of("networks.csv").removed]
        NetworkRow.objects.filter(site=self.site, name__in=removed).delete()
        guids = _after(found.of("guids.csv"))
        self._run(_GUIDS, [(g.device, g.port, g.node_guid) for g in guids], 3)

    def _run(self, query: str, lines: Iterable[tuple[Any, ...]], width: int) -> None:
        """One statement for all lines, each column an array; nothing for no lines."""
        columns = sql.columns(lines)
        if columns:
            assert len(columns) == width
            self.cursor.execute(query, columns)

    def _move(self, kind: str, ids: Sequence[int], to: str) -> None:
        lifecycle.move(kind, ids, to=to, actor=self.actor, reason=self.reason)

    # -- devices -------------------------------------------------------------------------------------------------------

    def _devices(self, found: FileDiff) -> None:
        new = [*found.added, *(change.new for change in found.changed)]
        if not new:
            return
        racks, profiles = self._racks(new), _profiles({d.profile for d in new if d.profile})
        self._change_devices(found, racks, profiles)
        made = [self._device_row(d, racks, profiles) for d in found.added]
        DeviceRow.objects.bulk_create(made, batch_size=BATCH)
        pairs = zip(made, found.added, strict=True)
        Bmc.objects.bulk_create(
            [Bmc(device=row, address=d.bmc_address, mac=d.bmc_mac) for row, d in pairs if d.bmc_address],
            batch_size=BATCH,
        )
        for kind in ("host", "switch"):
            if ids := [row.pk for row in made if row.kind == kind]:
                self._move(kind, ids, self.start)

    def _device_row(self, device: rows.Device, racks: dict[Place, int], profiles: dict[str, int]) -> DeviceRow:
        return DeviceRow(
            name=device.name,
            role=device.role,
            kind="host" if device.role in HOST_ROLES else "switch",
            profile_id=profiles[device.profile],
            serial=device.serial or None,
            site=self.site,
            rack_id=racks.get(device.place[1:]),
            unit=device.unit,
            pod=device.pod,
            imported=self.start != "expected",
        )

    def _change_devices(self, found: FileDiff, racks: dict[Place, int], profiles: dict[str, int]) -> None:
        changes = {change.new.name: change for change in found.changed}
        if not changes:
            return
        self.cursor.execute(_LOCK_DEVICES, [list(changes)])
        ids = {name: pk for pk, name in self.cursor.fetchall()}
        self.cursor.execute(_FREE_SERIALS, [[ids[n] for n, c in changes.items() if "serial" in c.columns]])
        lines = []
        for name, change in changes.items():
            new = change.new
            profile = profiles[new.profile] if "profile" in change.columns else None
            rack = racks.get(new.place[1:])
            lines.append((ids[name], new.role, new.serial, rack, new.unit, new.pod, profile))
        self._run(_CHANGE_DEVICES, lines, 7)
        moved = [c.new for c in changes.values() if {"bmc_address", "bmc_mac"} & set(c.columns)]
        self._change_bmcs({ids[d.name]: d for d in moved})

    def _change_bmcs(self, devices: dict[int, rows.Device]) -> None:
        """Two steps, since two BMCs may swap addresses."""
        if not devices:
            return
        self.cursor.execute(_FREE_BMCS, [list(devices)])
        changed = ((pk, d.bmc_address, d.bmc_mac) for pk, d in devices.items())
        self.cursor.execute(_CHANGE_BMCS, sql.columns(changed))
        have = {pk for (pk,) in self.cursor.fetchall()}
        fresh = [Bmc(device_id=pk, address=d.bmc_address, mac=d.bmc_mac) for pk, d in devices.items() if pk not in have]
        Bmc.objects.bulk_create(fresh, batch_size=BATCH)

    def _racks(self, devices: Iterable[rows.Device]) -> dict[Place, int]:
        """Rack ids by place; a rack whose name is not known yet is '' in its row."""
        wanted = sorted({d.place[1:] for d in devices if any(d.place[1:])})
        row_ids = {
            (hall, name): pk for pk, hall, name in Row.objects.filter(site=self.site).values_list("id", "hall", "name")
        }
        missing = sorted({place[:2] for place in wanted} - row_ids.keys())
        made = Row.objects.bulk_create([Row(site=self.site, hall=hall, name=name) for hall, name in missing])
        row_ids |= {(row.hall, row.name): row.pk for row in made}
        racks = Rack.objects.filter(row__site=self.site).values_list("id", "row__hall", "row__name", "name")
        ids = {(hall, row, name): pk for pk, hall, row, name in racks}
        new = [Rack(row_id=row_ids[place[:2]], name=place[2]) for place in wanted if place not in ids]
        places = [place for place in wanted if place not in ids]
        return ids | {place: rack.pk for place, rack in zip(places, Rack.objects.bulk_create(new), strict=True)}

    # -- what belongs to devices ---------------------------------------------------------------------------------------

    def _cables(self, found: FileDiff) -> None:
        after = _after(found)
        dropped = [cable.label for cable in found.removed]
        old = [*dropped, *(change.new.label for change in found.changed)]
        if old:
            self.cursor.execute(_DROP_ENDS, [old])
        if dropped:
            self.cursor.execute(_STILL_PLANNED, [dropped])
            if ids := [pk for (pk,) in self.cursor.fetchall()]:
                self._move("cable", ids, "removed")
        self._new_cables(found.added)
        changed = [change.new for change in found.changed]
        self._run(_CHANGE_CABLES, [(c.label, c.kind, c.rate, c.length_m, c.medium) for c in changed], 5)
        self._run(_PORTS, [end for cable in after for end in cable.ends], 2)
        ends = [(c.label, side, *end) for c in after for side, end in zip("ab", c.ends, strict=True)]
        self._run(_ENDS, ends, 4)

    def _new_cables(self, added: list[rows.Cable]) -> None:
        """Cables that the database has never had are made; one that lost its planned ends is taken up again."""
        if not added:
            return
        self.cursor.execute(_CABLES_BY_LABEL, [[cable.label for cable in added]])
        have = {label for label, *_ in self.cursor.fetchall()}
        again = [c for c in added if c.label in have]
        self._run(_CHANGE_CABLES, [(c.label, c.kind, c.rate, c.length_m, c.medium) for c in again], 5)
        columns = ("label", "kind", "rate", "length_m", "medium")
        fresh = [Cable(**{n: getattr(c, n) for n in columns}) for c in added if c.label not in have]
        Cable.objects.bulk_create(fresh, batch_size=BATCH)
        self._move("cable", [cable.pk for cable in fresh], "planned")

    def _supplies(self, found: FileDiff) -> None:
        self._run(_DROP_SUPPLIES, [(s.device, s.psu) for s in _before(found)], 2)
        after = _after(found)
        have = set(PowerFeed.objects.filter(site=self.site).values_list("name", flat=True)) if after else set()
        missing = sorted({s.feed for s in after} - have)
        PowerFeed.objects.bulk_create([PowerFeed(site=self.site, name=name) for name in missing])
        self._run(_SUPPLIES, [(s.device, s.psu, s.feed, s.circuit, s.limit_w) for s in after], 5)

    def _addresses(self, found: FileDiff) -> None:
        self._run(_DROP_ADDRESSES, [(a.device, a.interface) for a in _before(found)], 2)
        lines = [(a.device, a.interface, a.network, a.address, a.mac) for a in _after(found)]
        self._run(_ADDRESSES, lines, 5)

    def _networks(self, found: FileDiff) -> None:
        columns = ["purpose", "vlan", "cidr", "gateway", "dns", "ntp", "domain", "dhcp"]
        made = [NetworkRow(site=self.site, name=n.name, **{c: getattr(n, c) for c in columns}) for n in _after(found)]
        NetworkRow.objects.bulk_create(
            made, update_conflicts=True, unique_fields=["site", "name"], update_fields=columns
        )


def _parties(found: FileDiff) -> None:
    columns = ["kind", "contact", "phone", "mail", "address", "hours", "contract"]
    made = [Party(name=p.name, owns=p.owns.split(), **{c: getattr(p, c) for c in columns}) for p in _after(found)]
    Party.objects.bulk_create(made, update_conflicts=True, unique_fields=["name"], update_fields=[*columns, "owns"])


def _profiles(names: set[str]) -> dict[str, int]:
    """The newest version of each profile; an unknown one is made, empty, for somebody to fill."""
    newest = Profile.objects.filter(name__in=names).order_by("name", "version").values_list("name", "id")
    ids = dict(newest)
    made = Profile.objects.bulk_create([Profile(name=name) for name in sorted(names - ids.keys())])
    return ids | {profile.name: profile.pk for profile in made}


def _after(found: FileDiff) -> list[Any]:
    return [*found.added, *(change.new for change in found.changed)]


def _before(found: FileDiff) -> list[Any]:
    return [*found.removed, *(change.old for change in found.changed)]
