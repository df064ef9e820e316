"""People and programs move hosts along the edges of the lifecycle: one or many, all or none. And the forced edge.

Edges and roles are those of fleet.states. Of their guards, those are checked that stand on what exists: no operation
under way, no hold, good health and a fresh validation before service, a second person before retirement. The others
stand on what does not exist yet, and the reason on record takes their place: scans of tags, racks, units and cables
(edges 3 to 6), the drain budget (16), tests tied to the cause (23), work orders (25, 27), RMA numbers (26, 28), parts
that came and hosts that were swapped (29, 30), erase proof and released cables (31). A brake (17) stops no person, but
counts what they move.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection, transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from fleet import findings, lifecycle, reasons
from fleet.errors import BadValue, NotFound, WrongState
from fleet.findings import Found
from fleet.lifecycle import Moved
from fleet.models import ROLES, Actor, Device
from fleet.states import DAY, HOST_EDGES, HOST_STATES, allowed
from provisioning.engine import ask, brakes, effects, service
from provisioning.engine.hint import look_soon
from provisioning.models import UNDER_WAY, Operation

STATES = tuple(s.name for s in HOST_STATES)
FORCED_TO = "quarantined"
FORCER = "L"
# The state that an act of fleet.second leads to.
SECOND = {"retired": "retire"}
# Whoever takes hosts out of service locks their site's brake first (provisioning.engine.brakes).
OUT_OF_SERVICE = {"draining", "quarantined"}
# What a drain waits for, by the scheduler.
EMPTIED = ("draining", "validated")

# The number is newer than any worker's: whatever one of them still writes, or wants to send, is refused.
END = """
UPDATE provisioning_operation SET fence = nextval('provisioning_fence'), claimed_until = NULL, claimed_by = '',
  wake_at = NULL, after_id = NULL, waits_for = '', ended_at = now(), cause = %s, words = %s
WHERE id = ANY(%s)
"""


@dataclass(frozen=True)
class Locked:
    """Hosts and all that was asked for on them and has not ended, locked in that order's reverse."""

    devices: list[Device]
    operations: list[Operation]

    @property
    def ids(self) -> list[int]:
        """The hosts' ids, in order."""
        return [d.pk for d in self.devices]

    def under_way(self) -> dict[int, Operation]:
        """By host: its operation that is queued, active or lost, and waits behind no other one."""
        return {o.device_id: o for o in self.operations if o.after_id is None and o.device_id is not None}


def why_not(
    *, state: str, held: int, health: str, to: str, role: str, since: datetime | None = None, force: bool = False
) -> str:
    """Why a host may not go there by this role (a letter), '' when it may. Its operation is looked at elsewhere.

    since: when it came to its state; None where that is not to be judged. force: a host that is there stays, and only
    its operation is ended.
    """
    if force and state == to == FORCED_TO and role == FORCER:
        return ""
    if to not in allowed("host", state, role):
        takers = {r for e in HOST_EDGES if (e.from_state, e.to_state) == (state, to) for r in e.roles} - {"S"}
        if takers:
            return f"to go to {to} from there needs the role {' or '.join(ROLES[r] for r in ROLES if r in takers)}"
        return f"nobody may move it to {to} from there"
    if to == service.GOAL:
        if held:
            return "a hold stands on it"
        if health in service.BAD_HEALTH:
            return f"its health is {health}"
        if state == service.FROM and since and since <= timezone.now() - service.fresh():
            return f"its validation is older than {service.FRESH_S // DAY} d: validate it again"
    return ""


def move(
    *,
    hosts: Sequence[int],
    to: str,
    reason: str,
    actor: Actor,
    force: bool = False,
    ends: Collection[int] | None = None,
    confirmed_by: Actor | None = None,
) -> list[Moved]:
    """Move hosts to a state, all or none, in one statement.

    force: to quarantined although operations are under way; they are ended, also on hosts that are there and stay, of
    which nothing is returned. ends: those that may be, None for any.
    confirmed_by: the second person of a move that needs one (SECOND); provisioning.engine.act asks for them.
    Raises BadValue (422), NotFound (404), WrongState (409) that lists each host that is refused, why, and where it may
    go. Source: lifecycle, table of edges; "Forced edge".
    """
    words = reasons.needed(reason)
    _check(hosts, to, force)
    with transaction.atomic():
        if to in OUT_OF_SERVICE:
            brakes.lock(Device.objects.filter(pk__in=hosts, state=service.GOAL).values_list("site_id", flat=True))
        found = _lock(hosts)
        _refuse(found, to, actor, force=force, ends=ends)
        if to in SECOND:
            if confirmed_by is None:
                raise WrongState(f"a move to {to} needs a second person", field="to", value=to)
            words = f"{words} (asked by {actor.name}, confirmed by {confirmed_by.name})"
        return _go(found, to, words, actor, cause="forced" if force else "")


def check(*, hosts: Sequence[int], to: str, actor: Actor, force: bool = False) -> None:
    """Raise what move() would now, and move nothing."""
    _check(hosts, to, force)
    with transaction.atomic():
        _refuse(_lock(hosts), to, actor, force=force)


def _check(hosts: Sequence[int], to: str, force: bool) -> None:
    if not hosts:
        raise BadValue("a move needs hosts", field="hosts", value=[], expected="one at least")
    if to not in STATES:
        raise BadValue(f"there is no state {to!r}", field="to", value=to, expected=", ".join(STATES))
    if force and to != FORCED_TO:
        raise BadValue(f"nothing is forced to {to}", field="to", value=to, expected=FORCED_TO)


def _lock(hosts: Sequence[int]) -> Locked:
    """Operations before hosts, each in the order of the hosts (decision 5). Raises NotFound (404), WrongState (409).

    Whoever asks for an operation locks its host last, and looks again: one that comes meanwhile is seen here, or there.
    """
    ids = sorted(set(hosts))
    operations = list(_not_ended(ids).select_for_update().order_by("device_id", "id"))
    devices = list(Device.objects.select_for_update().filter(pk__in=ids, kind="host").order_by("pk"))
    if missing := sorted(set(ids) - {d.pk for d in devices}):
        errors = [{"field": "host", "value": n, "title": f"there is no host {n}"} for n in missing]
        raise NotFound(f"there is no host {missing[0]}", field="host", value=missing[0], errors=errors)
    if set(_not_ended(ids).values_list("id", flat=True)) - {o.pk for o in operations}:
        raise ask.busy(ids)
    return Locked(devices, operations)


def _not_ended(hosts: Sequence[int]) -> QuerySet[Operation]:
    return Operation.objects.filter(device_id__in=hosts, mutating=True, state__in=UNDER_WAY)


def _refuse(found: Locked, to: str, actor: Actor, *, force: bool = False, ends: Collection[int] | None = None) -> None:
    """409 with every host that may not go."""
    under_way, errors = found.under_way(), []
    for device in found.devices:
        why = why_not(
            state=device.state,
            held=device.held,
            health=device.health,
            to=to,
            role=actor.role,
            since=device.state_since,
            force=force,
        )
        operation = under_way.get(device.pk)
        if not why and operation is None and device.state == to:
            why = "nothing is under way that it would end"
        ends_it = force and (ends is None or (operation is not None and operation.pk in ends))
        if not why and operation and not ends_it and not _is_answer(operation, device.state, to):
            why = f"operation {operation.pk} ({operation.kind}, {operation.state}) is under way"
        if why:
            errors.append(_refusal(device, actor, why))
    if errors:
        hint = "an operation under way is waited for or cancelled first; an admin may force its host to quarantined"
        first = errors[0]
        raise WrongState(
            first["title"],
            field="host",
            value=first["value"],
            expected=first["expected"],
            hint=hint if under_way else "",
            errors=errors,
        )


def _is_answer(operation: Operation, state: str, to: str) -> bool:
    """Whether this move is what the operation waits for: the scheduler says that nothing runs there any more."""
    return operation.kind == "drain" and (state, to) == EMPTIED


def _refusal(device: Device, actor: Actor, why: str) -> dict[str, Any]:
    may = ", ".join(s for s in STATES if s in allowed("host", device.state, actor.role)) or "nowhere"
    return {
        "field": "host",
        "value": device.name,
        "title": f"{device.name} is {device.state}: {why}",
        "expected": f"from there the role {ROLES[actor.role]} may move it to: {may}",
    }


def _go(found: Locked, to: str, words: str, actor: Actor, *, cause: str = "") -> list[Moved]:
    """Nothing that was asked for before goes on by itself on a host that is forced out, or retired."""
    cause = cause or ("by_hand" if to == FORCED_TO else "")
    if cause == "forced" or to in SECOND:
        _end(found, actor, words, cause or to)
    going = [d.pk for d in found.devices if d.state != to]
    moved = lifecycle.move("host", going, to=to, actor=actor, reason=words, cause=cause)
    Device.objects.filter(pk__in=going).update(cause=cause)
    if to in SECOND:  # nobody will look at it any more
        findings.close(Q(device_id__in=going), words=f"the host is {to}", actor=actor)
    if to == EMPTIED[1]:
        answered = [o.pk for o in found.under_way().values() if o.kind == "drain" and o.state == "active"]
        Operation.objects.filter(pk__in=answered).update(pokes=F("pokes") + 1, wake_at=Now())
    look_soon()
    return moved


def _end(found: Locked, actor: Actor, words: str, cause: str) -> None:
    """End operations that nobody waits for: cancelled, or lost where a critical section stands on the host's power.

    A lost one keeps its host and its critical section, as ever, until somebody has looked.
    """
    critical = {d.no_power_by for d in found.devices}
    lost = [o for o in found.operations if o.state == "active" and o.pk in critical]
    over = [o.pk for o in found.operations if o.state != "lost" and o not in lost]
    told = f"{actor.name}: {words}"
    lifecycle.move("operation", over, to="cancelled", actor=actor, reason=words, cause=cause)
    lifecycle.move("operation", [o.pk for o in lost], to="lost", actor=actor, reason=words, cause="outcome_unknown")
    with connection.cursor() as cursor:
        cursor.execute(END, [cause, told, over])
        cursor.execute(END, ["outcome_unknown", told, [o.pk for o in lost]])
        effects.close_windows(cursor, [o.pk for o in found.operations if o.state == "active"])
    Device.objects.filter(active_operation__in=over).update(active_operation=None, active_kind="", active_step="")
    findings.open(_look_at(o, told) for o in lost)


def _look_at(operation: Operation, told: str) -> Found:
    words = f"{operation.kind} was ended in step {operation.step_name}, which nobody may interrupt ({told}): look at it"
    return Found("operation", "outcome_unknown", "critical", words, operation.device_id, operation=operation.pk)
