"""A plan folder into the database: all or nothing, repeatable, every reason against it at once.

A load compares the folder with its site as it stands and writes the difference only; a second load of the same folder
writes nothing. What the folder leaves empty and the database knows (a serial that inspection found, a place, a GUID) is
kept: a plan may be silent, it does not forget. A device is never removed by a load (it has a history: retire it); a
cable that the plan drops loses its planned ends, and one that nobody has laid yet is `removed`.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, fields, replace

from django.db import IntegrityError, connection, transaction

from fleet.errors import WrongState
from fleet.models import Actor, PlanVersion
from fleet.models.devices import HOST_ROLES
from fleet.plan import check, files, tables
from fleet.plan.diff import PlanDiff, diff
from fleet.plan.export import from_database
from fleet.plan.problems import PlanRefused, Problem
from fleet.plan.rows import Device, Plan

_LOCK = 0x706C616E  # one load at a time
_SETTLED = ("name", "role", "profile", "site", "line")  # columns of a device that are never empty, and its line
_SERIAL_OPEN = ("expected", "received", "racked", "cabled", "quarantined")  # states in which a host's tag is a claim
_STATES = "SELECT name, state FROM fleet_device WHERE name = ANY(%s) AND kind = 'host'"
# What must be unique over all sites, and is another site's or a retired device's. One index look-up a value.
_TAKEN: dict[str, tuple[str, str]] = {
    "name": (
        "SELECT d.name, d.name, s.name, d.state FROM fleet_device d JOIN fleet_site s ON s.id = d.site_id"
        " WHERE d.name = ANY(%s) AND (s.name <> %s OR d.state = 'retired')",
        "taken_name",
    ),
    "serial": (
        "SELECT d.serial, d.name, s.name, d.state FROM fleet_device d JOIN fleet_site s ON s.id = d.site_id"
        " WHERE d.serial = ANY(%s) AND (s.name <> %s OR d.state = 'retired')",
        "taken_serial",
    ),
    "bmc_address": (
        "SELECT b.address, d.name, s.name, d.state FROM fleet_bmc b JOIN fleet_device d ON d.id = b.device_id"
        " JOIN fleet_site s ON s.id = d.site_id WHERE b.address = ANY(%s) AND (s.name <> %s OR d.state = 'retired')",
        "taken_address",
    ),
}


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did. version: id of the plan_version row, None when there was nothing to write."""

    difference: PlanDiff
    version: int | None


def compare(plan: Plan) -> tuple[Plan, Plan, PlanDiff]:
    """The plan in the database, the given one with what it leaves open filled from there, and the difference."""
    old = from_database(_site(plan))
    new = _filled(plan, old)
    found = diff(old, new)
    for name in ("parties.csv", "guids.csv"):  # a plan that is silent on them does not forget them
        if name in found.files:
            found.files[name].removed.clear()
            if not found.files[name]:
                del found.files[name]
    return old, new, found


def load(
    *,
    plan: Plan,
    actor: Actor,
    start: str = "expected",
    reason: str = "",
    show: Callable[[PlanDiff], None] | None = None,
) -> Loaded:
    """Write a plan without errors (check.read_sound) into the database.

    start: the state of devices that are new, `expected` or `cabled` (then flagged as imported, not scanned); new cables
    are `planned`. show: is given the difference before anything is written. Raises PlanRefused with every reason.
    """
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        _, new, found = compare(plan)
        if show:
            show(found)
        if found.is_empty:
            return Loaded(found, None)
        if problems := [*check.check(new).errors, *_refusals(found, new)]:
            raise PlanRefused(problems, title="The plan cannot be loaded")
        digest = files.sha256(plan)
        words = f"plan {digest[:12]}" + (f": {reason}" if reason else "")
        try:
            tables.Writer(cursor, site=_site(plan), actor=actor, start=start, reason=words).write(found)
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")
        except IntegrityError as error:
            raise _conflict(error) from error
        counts = {"holds": plan.counts(), "changes": found.counts(), "renamed": len(found.renamed)}
        version = PlanVersion.objects.create(sha256=digest, actor=actor, reason=reason, counts=counts)
    return Loaded(found, version.pk)


def _site(plan: Plan) -> str:
    return plan.devices[0].site if plan.devices else ""


def _filled(plan: Plan, old: Plan) -> Plan:
    """The plan with the values that it leaves empty in devices.csv, as far as the database has them."""
    known, by_serial = old.by_name(), {d.serial: d for d in old.devices if d.serial}
    devices = [_fill(d, known.get(d.name) or by_serial.get(d.serial)) for d in plan.devices]
    return replace(plan, devices=devices) if devices != plan.devices else plan


def _fill(device: Device, known: Device | None) -> Device:
    if known is None:
        return device
    place = ("hall", "row", "rack")
    moved = any(getattr(device, n) and getattr(device, n) != getattr(known, n) for n in place)
    open_columns = [f.name for f in fields(device) if f.name not in _SETTLED and getattr(device, f.name) in ("", None)]
    values = {name: getattr(known, name) for name in open_columns if getattr(known, name) not in ("", None)}
    if moved:
        values = {name: value for name, value in values.items() if name not in (*place, "unit")}
    return replace(device, **values) if values else device


def _refusals(found: PlanDiff, new: Plan) -> Iterator[Problem]:
    """What the database cannot take, in the words of the folder."""
    devices = found.of("devices.csv")
    for device in devices.removed:
        words, expected = "is in the database and not in the plan", "the device in the plan, or retired first"
        yield Problem("devices.csv", 0, "name", device.name, words, expected, "not_retired")
    for device in new.devices:
        if device.bmc_mac and not device.bmc_address:
            expected = "its address too, or both empty until then"
            yield Problem(
                "devices.csv", device.line, "bmc_mac", device.bmc_mac, "a MAC without address", expected, "bmc_address"
            )
    yield from _taken([*devices.added, *(c.new for c in devices.changed), *_renamed(found, new)], _site(new))
    yield from _changed_identities(found)
    yield from tables.labels_in_use(found.of("cables.csv").added)


def _renamed(found: PlanDiff, new: Plan) -> list[Device]:
    names = set(found.renamed.values())
    return [d for d in new.devices if d.name in names]


def _taken(devices: Iterable[Device], site: str) -> Iterator[Problem]:
    """Names, serials and BMC addresses that another site or a retired device has."""
    devices = list(devices)
    with connection.cursor() as cursor:
        for column, (query, code) in _TAKEN.items():
            wanted = {getattr(d, column): d for d in devices if getattr(d, column)}
            cursor.execute(query, [list(wanted), site])
            for value, name, of_site, state in cursor.fetchall():
                words = f"belongs to {name} of {of_site} ({state})"
                line = wanted[value].line
                yield Problem("devices.csv", line, column, value, words, "a value that is free", code)


def _changed_identities(found: PlanDiff) -> Iterator[Problem]:
    """A serial that the machine itself has shown, and a role of another kind, do not change by a plan."""
    changed = [c for c in found.of("devices.csv").changed if {"serial", "role"} & set(c.columns)]
    before = {new: old for old, new in found.renamed.items()}
    states = _host_states([before.get(c.new.name, c.new.name) for c in changed])
    for change in changed:
        old, new = change.old, change.new
        state = states.get(before.get(new.name, new.name), _SERIAL_OPEN[0])
        if "serial" in change.columns and old.serial and state not in _SERIAL_OPEN:
            words = f"{new.name} is {state} and has shown the serial {old.serial}"
            expected = f"{old.serial}, or the host quarantined first"
            yield Problem("devices.csv", new.line, "serial", new.serial, words, expected, "identity")
        if (old.role in HOST_ROLES) != (new.role in HOST_ROLES):
            words, expected = f"{new.name} is a {old.role} in the database", f"{old.role}, or another name"
            yield Problem("devices.csv", new.line, "role", new.role, words, expected, "identity")


def _host_states(names: list[str]) -> dict[str, str]:
    with connection.cursor() as cursor:
        cursor.execute(_STATES, [names])
        return dict(cursor.fetchall())


def _conflict(error: IntegrityError) -> WrongState:
    """A constraint that no check foresaw: another writer was faster. Nothing is written."""
    return WrongState(
        "the plan meets something that has changed meanwhile; nothing was written",
        value=str(error).splitlines()[0],
        expected="the same load again",
    )
