"""Many hosts under one request: a chain of operations for each, in waves; pause, halt, go on, end."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.db.models import Q

from fleet import findings, lifecycle, reasons
from fleet.errors import BadValue, NotFound
from fleet.models import Actor, Device
from provisioning.engine import ask, brakes, release, variants, waves
from provisioning.engine.ask import Asked
from provisioning.engine.hint import look_soon
from provisioning.engine.rules import Rules
from provisioning.models import Campaign, Operation
from provisioning.operations.registry import CHAINS, SERVING, chain_of


def select_hosts(select: Mapping[str, Any]) -> list[Device]:
    """Hosts by {"hosts": [names]} or {"state", "pod", "rack", "row"}. An unknown field is a 422, nothing found too."""
    fields = {"state": "state", "pod": "pod", "rack": "rack__name", "row": "rack__row__name", "hosts": "name__in"}
    unknown = sorted(set(select) - set(fields))
    if unknown:
        raise BadValue(
            f"no filter {unknown[0]!r}",
            field=f"select.{unknown[0]}",
            value=select[unknown[0]],
            expected=", ".join(fields),
        )
    if not select:
        raise BadValue("select says which hosts", field="select", value=select, expected=", ".join(fields))
    for name, value in select.items():
        _check(name, value)
    hosts = select.get("hosts")
    filters = {fields[name]: value for name, value in select.items()}
    found = list(Device.objects.filter(kind="host", role="host", **filters).order_by("name"))
    if hosts is not None and (missing := sorted(set(hosts) - {d.name for d in found})):
        raise NotFound(f"no host {missing[0]!r} among those selected", field="select.hosts", value=missing)
    if not found:
        raise NotFound("no host matches", field="select", value=dict(select))
    return found


def _check(name: str, value: Any) -> None:
    """422 for what no host can be called: the database would refuse it, or find something else."""
    if name == "hosts":
        right, expected = isinstance(value, list) and all(_is_name(v) for v in value), '["host-001"]'
    else:
        right, expected = _is_name(value), "a name"
    if not right:
        raise BadValue(f"{name} is not {expected}", field=f"select.{name}", value=value, expected=expected)


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable()


def create(
    *,
    kind: str,
    devices: Sequence[Device],
    select: Mapping[str, Any],
    params: Mapping[str, Any],
    actor: Actor,
    reason: str = "",
    at_once: int | None = None,
    rules: Rules | None = None,
) -> Campaign:
    """Make a campaign and start it: a chain for each of these hosts, all in one transaction.

    select: how they were found, for the record. at_once: for who has no other rule. Raises BadValue (422), WrongState
    (409) that lists every host that cannot take part.
    """
    check(kind, devices, params)
    with transaction.atomic():
        refuse(kind, devices)
        if any(d.state in SERVING for d in devices):
            brakes.lock([devices[0].site_id])
        dealt, columns = deal(kind, devices, rules or Rules(at_once=at_once))
        campaign = Campaign.objects.create(
            kind=kind,
            site_id=devices[0].site_id,
            select=dict(select),
            params=dict(params),
            hosts=len(devices),
            actor=actor,
            reason=reason,
            **columns,
        )
        lifecycle.move("campaign", [campaign.pk], to="draft", actor=actor, reason=reason or "asked for")
        ask.create(_chains(kind, dealt, params), actor=actor, reason=reason, campaign=campaign)
        refuse(kind, devices, moved=True)
        lifecycle.move("campaign", [campaign.pk], to="running", actor=actor, reason=reason or "started")
        release.release([campaign.pk])
        look_soon()
    campaign.refresh_from_db()
    return campaign


def check(kind: str, devices: Sequence[Device], params: Mapping[str, Any]) -> None:
    """Raises BadValue (422) for a kind, parameters or a choice of hosts that no campaign can have."""
    if kind not in CHAINS:
        raise BadValue(f"there is no campaign {kind!r}", field="kind", value=kind, expected=", ".join(sorted(CHAINS)))
    if len(CHAINS[kind]) == 1:
        ask.check_kind(kind, params)
    elif params:
        name = sorted(params)[0]
        raise BadValue(f"{kind} has no parameters", field=f"params.{name}", value=params[name], expected="none")
    if len(sites := {d.site_id for d in devices}) > 1:
        raise BadValue(
            f"these hosts are at {len(sites)} sites", field="select", value=sorted(sites), expected="hosts of one site"
        )


def refuse(kind: str, devices: Sequence[Device], *, moved: bool = False) -> None:
    """409 with every host that may not begin this campaign. moved: as they are now, locked (ask.refuse_moved)."""
    first: dict[str, list[Device]] = {}
    for device in devices:
        first.setdefault(chain_of(kind, device.state)[0], []).append(device)
    for name, some in sorted(first.items()):
        (ask.refuse_moved if moved else ask.refuse)(name, some)


def deal(kind: str, devices: Sequence[Device], rules: Rules) -> tuple[list[list[Device]], dict[str, Any]]:
    """The hosts of each wave, and the campaign's columns. Raises BadValue (422)."""
    by_id = {d.pk: d for d in devices}
    leaving = sum(d.state == "in_service" for d in devices)
    serving = _serving(devices[0].site_id)
    columns = rules.columns(kind=kind, hosts=len(devices), leaving=leaving, serving=serving)
    if len(columns["sizes"]) == 1:
        return [list(devices)], columns
    dealt = waves.deal(variants.of(list(by_id)), columns["sizes"])
    return [[by_id[c.id] for c in wave] for wave in dealt], columns


def _serving(site_id: int) -> int:
    """Also those that drain: they come back."""
    return Device.objects.filter(kind="host", state__in=SERVING, site_id=site_id).count()


def _chains(kind: str, dealt: Sequence[Sequence[Device]], params: Mapping[str, Any]) -> list[Asked]:
    """One chain a host. What brings a host into service, or back to it, asks for that at its end."""
    asked: list[Asked] = []
    for n, wave in enumerate(dealt, 1):
        for device in wave:
            chain = chain_of(kind, device.state)
            for at, name in enumerate(chain):
                own = dict(params) if name == kind else {}
                if name == "validate" and len(chain) > 1:
                    own = {"into_service": True}
                asked.append(Asked(name, device, own, None if at == 0 else len(asked) - 1, at, n))
    return asked


def move(*, campaign_id: int, to: str, actor: Actor, reason: str) -> Campaign:
    """Pause, halt, go on or end. What is active goes on to its own end; nothing new starts while it does not run."""
    words = reasons.needed(reason)
    with transaction.atomic():
        try:
            campaign = Campaign.objects.select_for_update(of=("self",)).get(pk=campaign_id)
        except Campaign.DoesNotExist as error:
            raise NotFound(f"there is no campaign {campaign_id}", field="id", value=campaign_id) from error
        if campaign.state == to:
            return campaign
        lifecycle.move("campaign", [campaign_id], to=to, actor=actor, reason=words)
        if campaign.state == "halted":
            _go_on_after_halt(campaign_id, actor, words)
        if to == "done":
            _drop_rest(campaign_id, actor)
        look_soon()
    campaign.refresh_from_db()
    return campaign


def _go_on_after_halt(campaign_id: int, actor: Actor, words: str) -> None:
    """Somebody has seen what failed: it counts no more, and nobody need be told any more."""
    failed = Operation.objects.filter(campaign_id=campaign_id, state__in=["failed", "lost"], excused=False)
    ids = list(failed.order_by("device_id", "id").select_for_update().values_list("id", flat=True))
    Operation.objects.filter(pk__in=ids).update(excused=True)
    findings.close(Q(stable_id=f"campaign:campaign_halted:campaign:{campaign_id}"), words=words, actor=actor)


def _drop_rest(campaign_id: int, actor: Actor) -> None:
    queued = Operation.objects.select_for_update().filter(campaign_id=campaign_id, state="queued")
    rest = list(queued.order_by("device_id", "id").values_list("id", flat=True))
    lifecycle.move("operation", rest, to="cancelled", actor=actor, reason="its campaign was ended")
    Operation.objects.filter(pk__in=rest).update(cause="cancelled", after=None)
