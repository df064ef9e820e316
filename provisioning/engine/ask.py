"""What people and programs may ask of the engine: operations, cancel, retry, skip. Each writes all or nothing."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from fleet import findings, lifecycle, reasons
from fleet.errors import BadValue, MusterError, NotFound, WrongState
from fleet.models import Actor, Device
from provisioning.engine.chain import cancel_rest
from provisioning.engine.hint import look_soon
from provisioning.models import UNDER_WAY, BootWindow, Campaign, Operation, Step
from provisioning.operations import power
from provisioning.operations.registry import KINDS

# Results that belong to one boot, and mean nothing to the next.
OF_A_BOOT = ("boot_tries", "asks_before", "before_reset", "adopted")
# Steps that begin a boot or a run of tests: behind them its tokens are dead, or its results are in.
BEGINNINGS = {"window", "start"}

# Chains refer to rows of the same insert, so ids are drawn first.
DRAW = "SELECT nextval(pg_get_serial_sequence('provisioning_operation', 'id')), now() FROM generate_series(1, %s)"

# One statement with a column an array: 3,066 rows took 2.8 s by bulk_create, whose statement has 116,000 parameters.
DIFFERING = ("id", "kind", "device_id", "site_id", "after_id", "chain_n", "wave", "mutating", "step_name")
INSERT = """
INSERT INTO provisioning_operation (id, kind, device_id, site_id, campaign_id, after_id, chain_n, wave, excused,
  mutating, params, actor_id, reason, step, step_name, attempt, wake_at, asked_at, state, seq, head, pokes, waits_for,
  fence, claims, claimed_by, done, total, result, seen, cause, words, cancel_reason)
SELECT r.id, r.kind, r.device, r.site, %(campaign)s, r.after, r.chain_n, r.wave, false, r.mutating, r.params,
  %(actor)s, %(reason)s, 0, r.step_name, 1, CASE WHEN r.after IS NULL AND r.wave = 0 THEN now() END, now(),
  '', 0, '', 0, '', 0, 0, '', 0, 0, '{}', '', '', '', ''
FROM unnest(%(id)s::bigint[], %(kind)s::text[], %(device_id)s::bigint[], %(site_id)s::bigint[], %(after_id)s::bigint[],
  %(chain_n)s::int[], %(wave)s::int[], %(mutating)s::bool[], %(params)s::jsonb[], %(step_name)s::text[])
  AS r(id, kind, device, site, after, chain_n, wave, mutating, params, step_name)
"""


@dataclass(frozen=True)
class Asked:
    """One operation to be made. after: index in the same list of the one before it in its chain, None for due now.

    wave: of its campaign, which says when the first of a chain begins; 0 for at once.
    """

    kind: str
    device: Device
    params: Mapping[str, Any]
    after: int | None = None
    chain_n: int = 0
    wave: int = 0


def check_kind(kind: str, params: Mapping[str, Any]) -> None:
    """422 for a kind or parameters that do not exist."""
    if kind not in KINDS:
        raise BadValue(f"there is no operation {kind!r}", field="kind", value=kind, expected=", ".join(sorted(KINDS)))
    allowed = {"power": {"action"}, "validate": {"into_service"}}.get(kind, set())
    unknown = sorted(set(params) - allowed)
    if unknown:
        expected = ", ".join(sorted(allowed)) or "no parameters"
        raise BadValue(
            f"{kind} has no parameter {unknown[0]!r}",
            field=f"params.{unknown[0]}",
            value=params[unknown[0]],
            expected=expected,
        )
    action = params.get("action")
    if kind == "power" and not (isinstance(action, str) and action in power.ACTIONS):
        expected = ", ".join(sorted(power.ACTIONS))
        raise BadValue("power needs an action", field="params.action", value=action, expected=expected)
    if not isinstance(params.get("into_service", False), bool):
        raise BadValue(
            "into_service is true or false",
            field="params.into_service",
            value=params["into_service"],
            expected="true or false",
        )


def operations(
    *, kind: str, devices: Sequence[Device], params: Mapping[str, Any], actor: Actor, reason: str = ""
) -> list[Operation]:
    """Ask for one operation on each of these devices: all or none, in one statement.

    Raises BadValue (422), WrongState (409) that lists every host that is refused and why.
    """
    check_kind(kind, params)
    refuse(kind, devices)
    with transaction.atomic():
        made = create([Asked(kind, device, params) for device in devices], actor=actor, reason=reason)
        refuse_moved(kind, devices)
    return made


def why_not(kind: str, device: Device) -> str:
    """Why this device may not start this kind now, as "host-001 ..." goes on; '' when it may."""
    if device.kind != "host":
        return f"is a {device.role}, not a host"
    if device.state not in KINDS[kind].from_states:
        return f"is {device.state}; {kind} starts from {', '.join(sorted(KINDS[kind].from_states))}"
    if device.active_operation is not None:
        return f"has operation {device.active_operation} ({device.active_kind}) under way"
    return ""


def refuse(kind: str, devices: Sequence[Device]) -> None:
    """409 with every host that may not start this kind now: wrong state, or busy."""
    found = [(device.name, why) for device in devices if (why := why_not(kind, device))]
    refused = [{"field": "host", "value": name, "title": f"{name} {why}"} for name, why in found]
    if refused:
        raise WrongState(str(refused[0]["title"]), field="host", value=refused[0]["value"], errors=refused)


def refuse_moved(kind: str, devices: Sequence[Device]) -> None:
    """As refuse(), of the hosts as they are now, locked: a person may have moved one since it was read.

    After its operation is written, so that nobody who waits for the unique index holds a host (decision 9).
    """
    now = Device.objects.select_for_update(no_key=True).filter(pk__in=[d.pk for d in devices]).order_by("pk")
    refuse(kind, list(now.only("name", "role", "kind", "state", "active_operation", "active_kind")))


def create(asked: Sequence[Asked], *, actor: Actor, reason: str = "", campaign: Any = None) -> list[Operation]:
    """Insert operations and their first transition. The unique index decides about a second one on a host: 409."""
    rows = [
        Operation(
            kind=a.kind,
            device_id=a.device.pk,
            site_id=a.device.site_id,
            campaign_id=campaign and campaign.pk,
            after_id=a.after,  # its place in the list; _insert puts the id there
            chain_n=a.chain_n,
            wave=a.wave,
            mutating=KINDS[a.kind].mutating,
            params=dict(a.params),
            actor_id=actor.pk,
            reason=reason[: reasons.MOST],
            step_name=KINDS[a.kind].steps[0].name,
        )
        for a in asked
    ]
    if not rows:
        return rows
    try:
        with transaction.atomic():
            _insert(rows)
            ids = [o.pk for o in rows]
            lifecycle.move("operation", ids, to="queued", actor=actor, reason=reason[: reasons.MOST] or "asked for")
            look_soon()
    except IntegrityError as error:
        if "one_mutating_operation" not in str(error):
            raise
        raise busy([a.device.pk for a in asked]) from error
    return rows


def _insert(rows: list[Operation]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(DRAW, [len(rows)])
        drawn = cursor.fetchall()
        for operation, (pk, now) in zip(rows, drawn, strict=True):
            operation.pk, operation.asked_at = pk, now
            if operation.after_id is None:
                operation.wake_at = now if not operation.wave else None
            else:
                operation.after_id = drawn[operation.after_id][0]
        one = rows[0]
        arguments: dict[str, Any] = {name: [getattr(o, name) for o in rows] for name in DIFFERING}
        arguments |= {"params": [json.dumps(o.params) for o in rows]}
        arguments |= {"campaign": one.campaign_id, "actor": one.actor_id, "reason": one.reason}
        cursor.execute(INSERT, arguments)


def busy(devices: Sequence[int]) -> WrongState:
    """The 409 that names the operation that is already under way on each of these hosts."""
    found = Operation.objects.filter(
        device_id__in=devices, mutating=True, state__in=UNDER_WAY, after__isnull=True
    ).values_list("device__name", "id", "kind", "state")
    errors = [
        {
            "field": "host",
            "value": name,
            "title": f"{name} has operation {pk} ({kind}, {state}) under way",
            "operation": pk,
        }
        for name, pk, kind, state in found
    ]
    title = str(errors[0]["title"]) if errors else "another operation was asked for at the same moment"
    return WrongState(title, code="busy", field="host", errors=errors, hint="wait for it or cancel it")


def _locked(operation_id: int) -> Operation:
    try:
        return Operation.objects.select_for_update(of=("self",)).select_related("device").get(pk=operation_id)
    except Operation.DoesNotExist as error:
        raise NotFound(f"there is no operation {operation_id}", field="id", value=operation_id) from error


def _lock_campaign(operation_id: int) -> None:
    """Before the operation itself, so that no campaign is called done while one of its operations comes back."""
    campaign = Operation.objects.filter(pk=operation_id).values_list("campaign_id", flat=True).first()
    if campaign is not None:
        Campaign.objects.select_for_update(no_key=True).get(pk=campaign)


def cancel(*, operation_id: int, actor: Actor, reason: str) -> Operation:
    """Cancel at the next safe point: at once when nobody has begun, else after the step under way."""
    words = reasons.needed(reason)
    with transaction.atomic():
        operation = _locked(operation_id)
        if operation.state == "queued":
            lifecycle.move("operation", [operation_id], to="cancelled", actor=actor, reason=words, cause="cancelled")
            Operation.objects.filter(pk=operation_id).update(wake_at=None, cause="cancelled", words=words, after=None)
            cancel_rest([operation_id], actor)
        elif operation.state == "active":
            _poke(operation_id, cancel_by_id=actor.pk, cancel_reason=words)
        elif operation.state != "cancelled":
            raise WrongState(
                f"operation {operation_id} is {operation.state}",
                field="state",
                value=operation.state,
                expected="queued or active",
            )
        look_soon()
    operation.refresh_from_db()
    return operation


def _poke(operation_id: int, **columns: Any) -> None:
    Operation.objects.filter(pk=operation_id).update(pokes=F("pokes") + 1, wake_at=Now(), **columns)


def retry(*, operation_id: int, actor: Actor, reason: str) -> Operation:
    """A failed operation goes on from its failed step, by a person who saw why it failed.

    Also when its campaign is done: then it goes on by itself, and the campaign stays done.
    """
    words = reasons.needed(reason)
    with transaction.atomic():
        _lock_campaign(operation_id)
        operation = _locked(operation_id)
        _must_be(operation, "failed")
        _may_start(operation)
        _requeue(operation, actor, words, step=_safe_step(operation))
    operation.refresh_from_db()
    return operation


def skip(*, operation_id: int, actor: Actor, reason: str) -> Operation:
    """An admin leaves out the failed step; on record as a step of its own."""
    words = reasons.needed(reason)
    with transaction.atomic():
        _lock_campaign(operation_id)
        operation = _locked(operation_id)
        _must_be(operation, "failed")
        _may_start(operation)
        steps = KINDS[operation.kind].steps
        if operation.step + 1 >= len(steps):
            raise WrongState(
                "the last step earns the state: it cannot be skipped", field="step", value=operation.step_name
            )
        if operation.ended_at is None:
            raise MusterError("operation has no end", code="bug")
        Step.objects.create(
            operation=operation,
            n=operation.step,
            name=operation.step_name,
            attempt=operation.attempt,
            fence=operation.fence,
            started_at=operation.ended_at,
            ended_at=operation.ended_at,
            outcome="skipped",
            words=f"by {actor.name}: {words}",
        )
        _requeue(operation, actor, f"skipped step {operation.step_name}: {words}", step=operation.step + 1)
    operation.refresh_from_db()
    return operation


def _must_be(operation: Operation, state: str) -> None:
    if operation.state != state:
        raise WrongState(
            f"operation {operation.pk} is {operation.state}", field="state", value=operation.state, expected=state
        )


def _may_start(operation: Operation) -> None:
    """The host may have gone elsewhere since the failure, into service even."""
    if operation.device is not None:
        refuse(operation.kind, [operation.device])


def _safe_step(operation: Operation) -> int:
    """From the failed step; but a boot or a run of tests that failed begins again."""
    return 0 if begins_again(operation.kind, operation.step) else operation.step


def begins_again(kind: str, step: int) -> bool:
    """Whether a retry of this step starts the whole operation over, because of what came before it."""
    return bool({s.name for s in KINDS[kind].steps[:step]} & BEGINNINGS)


def _requeue(operation: Operation, actor: Actor, words: str, *, step: int) -> None:
    """Due again from this step. run counts up: the host's agent then runs its tests anew and repeats no old result."""
    name = KINDS[operation.kind].steps[step].name
    result = {k: v for k, v in operation.result.items() if k not in OF_A_BOOT}
    try:
        with transaction.atomic():
            lifecycle.move("operation", [operation.pk], to="queued", actor=actor, reason=words)
            _poke(
                operation.pk,
                step=step,
                step_name=name,
                attempt=1,
                step_started_at=None,
                step_deadline_at=None,
                deadline_at=None,
                ended_at=None,
                cause="",
                words="",
                excused=False,
                cancel_by=None,
                cancel_reason="",
                result={**result, "run": int(result.get("run", 1)) + 1},
            )
    except IntegrityError as error:
        raise busy([operation.device_id or 0]) from error
    if operation.device is not None:
        refuse_moved(operation.kind, [operation.device])
    look_soon()


def found(*, operation_id: int, actor: Actor, reason: str, go_on: bool) -> Operation:
    """Somebody looked at a lost operation: it goes on from its step, or it failed."""
    words = reasons.needed(reason)
    with transaction.atomic():
        operation = _locked(operation_id)
        _must_be(operation, "lost")
        to = "active" if go_on else "failed"
        lifecycle.move(
            "operation", [operation_id], to=to, actor=actor, reason=words, cause="" if go_on else "outcome_unknown"
        )
        if go_on:
            operation.intents.filter(settled_at=None).update(settled_at=operation.ended_at)
            anew = {"step_started_at": None, "step_deadline_at": None, "deadline_at": None}
            _poke(operation_id, ended_at=None, attempt=operation.attempt + 1, **anew)
        else:
            _give_back(operation, words)
        _close_finding(operation, actor, words)
        look_soon()
    operation.refresh_from_db()
    return operation


def _close_finding(operation: Operation, actor: Actor, words: str) -> None:
    """Somebody has looked, which is what the finding asked for; where the host stands now says the rest."""
    findings.close(Q(operation_id=operation.pk, kind="outcome_unknown"), words=words, actor=actor)
    if operation.device_id is not None:
        findings.judge([operation.device_id], looked=True)


def _give_back(operation: Operation, words: str) -> None:
    """A lost operation failed: its host is free, its boot tokens are dead, and it goes where its kind takes it."""
    BootWindow.objects.filter(operation=operation, closed_at=None).update(closed_at=Now())
    Device.objects.filter(active_operation=operation.pk).update(
        active_operation=None, active_kind="", active_step="", no_power_by=None
    )
    device, to = operation.device, KINDS[operation.kind].fails_to
    if device is None or not to or device.state not in KINDS[operation.kind].from_states - {to}:
        return
    reason = f"{operation.kind}, step {operation.step_name}: {words}"[: reasons.MOST]
    engine = lifecycle.system("engine")
    lifecycle.move("host", [device.pk], to=to, actor=engine, reason=reason, cause="outcome_unknown")
    Device.objects.filter(pk=device.pk).update(cause="outcome_unknown")
