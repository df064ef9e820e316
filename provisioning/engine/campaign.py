"""The least that brings up a fleet: one request, a chain of operations per host, a limit, pause and halt."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection, transaction

from fleet import lifecycle, reasons
from fleet.errors import BadValue, NotFound
from fleet.models import Actor, Device
from provisioning.engine import ask
from provisioning.engine.ask import Asked
from provisioning.engine.hint import look_soon
from provisioning.models import Campaign, Operation
from provisioning.operations.registry import CHAINS

# Hosts that are held back have a first operation without wake_at. The campaign's row is locked, so that two looks
# never hand out the same place twice (lessons M40).
RELEASE = """
WITH c AS (
  SELECT id, at_once FROM provisioning_campaign WHERE state = 'running' AND at_once IS NOT NULL ORDER BY id FOR UPDATE),
busy AS (
  SELECT o.campaign_id AS id, count(DISTINCT o.device_id) AS n
  FROM provisioning_operation o JOIN c ON c.id = o.campaign_id
  WHERE o.state IN ('queued', 'active', 'lost') AND o.after_id IS NULL AND o.wake_at IS NOT NULL GROUP BY 1),
next AS (
  SELECT o.id, row_number() OVER (PARTITION BY o.campaign_id ORDER BY o.id) AS place,
    c.at_once - coalesce(busy.n, 0) AS room
  FROM provisioning_operation o JOIN c ON c.id = o.campaign_id LEFT JOIN busy ON busy.id = c.id
  WHERE o.state = 'queued' AND o.after_id IS NULL AND o.wake_at IS NULL)
UPDATE provisioning_operation o SET wake_at = now() FROM next WHERE o.id = next.id AND next.place <= next.room
"""

RUNNING = "SELECT id FROM provisioning_campaign WHERE state = 'running' ORDER BY id FOR UPDATE"

# A campaign is done when nothing of it can still move by itself: what waits for a failed one waits for a person. Asked
# once its row is locked, as a retry locks it: else one that is committed meanwhile would be overlooked.
DONE = """
SELECT c.id FROM provisioning_campaign c WHERE c.id = ANY(%s) AND NOT EXISTS (
  SELECT 1 FROM provisioning_operation o WHERE o.campaign_id = c.id
    AND (o.state IN ('active', 'lost') OR (o.state = 'queued' AND o.after_id IS NULL)))
ORDER BY c.id
"""


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
    at_once: int | None,
    actor: Actor,
    reason: str = "",
) -> Campaign:
    """Make a campaign and start it: a chain for each of these hosts, all in one transaction.

    select: how they were found, for the record. Raises BadValue (422), WrongState (409) that lists every host that
    cannot take part.
    """
    if kind not in CHAINS:
        raise BadValue(f"there is no campaign {kind!r}", field="kind", value=kind, expected=", ".join(sorted(CHAINS)))
    chain = CHAINS[kind]
    if len(chain) == 1:
        ask.check_kind(chain[0], params)
    elif params:
        name = sorted(params)[0]
        raise BadValue(f"{kind} has no parameters", field=f"params.{name}", value=params[name], expected="none")
    with transaction.atomic():
        ask.refuse(chain[0], devices)
        site_id = devices[0].site_id
        campaign = Campaign.objects.create(
            kind=kind,
            site_id=site_id,
            select=dict(select),
            params=dict(params),
            at_once=at_once,
            hosts=len(devices),
            actor=actor,
            reason=reason,
        )
        lifecycle.move("campaign", [campaign.pk], to="draft", actor=actor, reason=reason or "asked for")
        made = ask.create(_chains(chain, devices, params), actor=actor, reason=reason, campaign=campaign)
        ask.refuse_moved(chain[0], devices)
        if at_once is not None:
            Operation.objects.filter(pk__in=[o.pk for o in made[at_once * len(chain) :: len(chain)]]).update(
                wake_at=None
            )
        lifecycle.move("campaign", [campaign.pk], to="running", actor=actor, reason=reason or "started")
        look_soon()
    campaign.refresh_from_db()
    return campaign


def _chains(chain: Sequence[str], devices: Sequence[Device], params: Mapping[str, Any]) -> list[Asked]:
    asked: list[Asked] = []
    for device in devices:
        for n, kind in enumerate(chain):
            own = (
                {"into_service": True}
                if len(chain) > 1 and kind == "validate"
                else dict(params)
                if len(chain) == 1
                else {}
            )
            asked.append(Asked(kind, device, own, None if n == 0 else len(asked) - 1, n))
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
        if to == "done":
            _drop_rest(campaign_id, actor)
        look_soon()
    campaign.refresh_from_db()
    return campaign


def _drop_rest(campaign_id: int, actor: Actor) -> None:
    queued = Operation.objects.select_for_update().filter(campaign_id=campaign_id, state="queued")
    rest = list(queued.order_by("device_id", "id").values_list("id", flat=True))
    lifecycle.move("operation", rest, to="cancelled", actor=actor, reason="its campaign was ended")
    Operation.objects.filter(pk__in=rest).update(cause="cancelled", after=None)


def release() -> int:
    """Let as many held-back hosts begin as their campaigns' limits allow; returns how many."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RELEASE)
        return int(cursor.rowcount)


def finish() -> int:
    """Running campaigns of which nothing moves any more are done."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(RUNNING)
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
