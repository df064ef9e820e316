"""Campaigns as lists and as one, with counts by state and by cause."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from fleet.errors import NotFound, WrongState
from fleet.http.paging import BIGINT
from fleet.models import Device
from fleet.reads import history
from fleet.reads.rows import Columns, Sites, named, scoped
from provisioning.engine import campaign
from provisioning.engine.rules import Rules
from provisioning.models import Campaign
from provisioning.operations.registry import chain_of, ends_chain
from provisioning.reads import waves

COLUMNS: Columns = {
    "id": "id",
    "kind": "kind",
    "state": "state",
    "state_since": "state_since",
    "site": "site__name",
    "hosts": "hosts",
    "waves": "waves",
    "sizes": "sizes",
    "at_once": "at_once",
    "bake_s": "bake_s",
    "budget": "budget",
    "floor": "floor",
    "limits": "limits",
    "opens": "opens",
    "closes": "closes",
    "until": "until",
    "halt_on_common_cause": "on_common_cause",
    "select": "select",
    "params": "params",
    "by": "actor__name",
    "reason": "reason",
    "asked_at": "asked_at",
}

MOST_SHOWN = 100  # of each group; the list of hosts has them all

# Plan: index operation_campaign. One pass for all campaigns of a page.
COUNTS = """
SELECT campaign_id, kind, chain_n, state, cause, count(*) FROM provisioning_operation
WHERE campaign_id = ANY(%s) GROUP BY campaign_id, kind, chain_n, state, cause
"""

# Where each host of a campaign is: its newest operation that is not waiting for another one.
HOSTS = """
SELECT DISTINCT ON (d.id) d.id, d.name, d.state AS host_state, o.id AS operation, o.kind, o.state, o.step_name, o.cause,
  o.words, o.wave, o.wake_at IS NULL AS is_held, o.ended_at, o.started_at, o.excused
FROM provisioning_operation o JOIN fleet_device d ON d.id = o.device_id
WHERE o.campaign_id = %s ORDER BY d.id, (o.after_id IS NULL) DESC, o.chain_n DESC, o.id DESC
"""


def rows(sites: Sites) -> QuerySet[Campaign, dict[str, Any]]:
    """The columns of a list, for paging."""
    return scoped(Campaign.objects.all(), sites, "site_id").values(*COLUMNS.values())


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names, with counts of their operations. One query more, however many.

    by_state: operations. by_cause: failed or lost ones. hosts_done: hosts whose last operation has succeeded.
    """
    counts = _counts({row["id"]: row["kind"] for row in found})
    return [{**named(row, COLUMNS), **_hours(row), **counts[row["id"]]} for row in found]


def _hours(row: Mapping[str, Any]) -> dict[str, str | None]:
    return {name: row[name] and f"{row[name]:%H:%M}" for name in ("opens", "closes")}


def _counts(kinds: Mapping[int, str]) -> dict[int, dict[str, Any]]:
    counts: dict[int, dict[str, Any]] = {pk: {"by_state": {}, "by_cause": {}, "hosts_done": 0} for pk in kinds}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [list(counts)])
        for pk, kind, chain_n, state, cause, n in cursor.fetchall():
            _add(counts[pk]["by_state"], state, n)
            if state in ("failed", "lost"):
                _add(counts[pk]["by_cause"], cause or state, n)
            elif state == "succeeded" and ends_chain(kind, chain_n, kinds[pk]):
                counts[pk]["hosts_done"] += n
    return counts


def _add(counts: dict[str, int], name: str, n: int) -> None:
    counts[name] = counts.get(name, 0) + n


def one(campaign_id: int, sites: Sites) -> dict[str, Any]:
    """A campaign with its counts and transitions. Raises NotFound (404)."""
    row = rows(sites).filter(pk=campaign_id).first()
    if row is None:
        raise NotFound(f"there is no campaign {campaign_id}", field="id", value=campaign_id)
    moves = history.transitions(None, subject_kind="campaign", subject_id=campaign_id).order_by("seq")
    return {**ready([row])[0], "transitions": history.ready(list(moves))}


def whole(campaign_id: int, sites: Sites) -> dict[str, Any]:
    """The same with its waves, for the API. Raises NotFound (404)."""
    found = one(campaign_id, sites)
    seen = waves.progress(found, hosts(campaign_id))
    return {
        **found,
        "progress": seen["waves"],
        "next": seen["next"],
        "failures": seen["failed"],
        "apart": seen["apart"],
    }


@dataclass(frozen=True)
class Review:
    """What a campaign would do, before it does anything. refused: hosts that cannot take part, in words.

    Who starts it starts it on these devices: another selection might find others, at another site.
    """

    kind: str
    chain: tuple[str, ...]
    devices: tuple[Device, ...]
    refused: tuple[dict[str, Any], ...]
    rules: Rules = field(default_factory=Rules)

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Their names."""
        return tuple(d.name for d in self.devices)

    @property
    def sites(self) -> frozenset[int]:
        """Where they are, for the check of rights."""
        return frozenset(d.site_id for d in self.devices)

    def as_dict(self) -> dict[str, Any]:
        """For the API."""
        chain, hosts, refused = list(self.chain), list(self.hosts), list(self.refused)
        dealt, columns = campaign.deal(self.kind, self.devices, self.rules)
        told = {name: columns[name] for name in ("at_once", "bake_s", "budget", "floor", "limits", "until")}
        return {
            "dry_run": True,
            "kind": self.kind,
            "chain": chain,
            "hosts": hosts,
            "refused": refused,
            "waves": [{"n": n, "hosts": [d.name for d in wave]} for n, wave in enumerate(dealt, 1)],
            "rules": {**told, **_hours(columns), "halt_on_common_cause": columns["on_common_cause"]},
        }


def review(
    *, kind: str, select: Mapping[str, Any], params: Mapping[str, Any] | None = None, rules: Rules | None = None
) -> Review:
    """Which hosts a campaign would take, in which waves. Raises BadValue (422), NotFound (404)."""
    devices = campaign.select_hosts(select)
    campaign.check(kind, devices, params or {})
    try:
        campaign.refuse(kind, devices)
        refused = []
    except WrongState as error:
        refused = error.errors
    chain = max((chain_of(kind, d.state) for d in devices), key=len)
    return Review(kind, chain, tuple(devices), tuple(refused), rules or Rules())


def site_of(campaign_id: int, sites: Sites) -> int:
    """The site of a campaign. Raises NotFound (404), also for one at a site that one may not see."""
    found = scoped(Campaign.objects.filter(pk=campaign_id), sites, "site_id").values_list("site_id", flat=True).first()
    if found is None:
        raise NotFound(f"there is no campaign {campaign_id}", field="id", value=campaign_id)
    return int(found)


def page(campaign_id: int, sites: Sites) -> dict[str, Any]:
    """All that the page of a campaign shows. Seven queries at most. Raises NotFound (404)."""
    if campaign_id > BIGINT:
        raise NotFound(f"there is no campaign {campaign_id}", field="id", value=campaign_id)
    found, members = one(campaign_id, sites), hosts(campaign_id)
    seen = waves.progress(found, members)
    last = found["transitions"][-1] if found["transitions"] else None
    return {
        "campaign": found,
        "groups": _groups(found["kind"], members),
        "progress": seen,
        "under_way": sum(wave["under_way"] for wave in seen["waves"]),
        "stopped": last if found["state"] in ("halted", "paused") else None,
    }


def hosts(campaign_id: int) -> list[dict[str, Any]]:
    """Where each host of a campaign is: its newest operation that does not wait for another one. One query."""
    with connection.cursor() as cursor:
        cursor.execute(HOSTS, [campaign_id])
        names = [c.name for c in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def _groups(kind: str, found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Hosts by what became of them: trouble by cause first, then what is under way, what waits, what is done."""
    groups: dict[tuple[int, str, str], list[dict[str, Any]]] = {}
    for host in found:
        groups.setdefault(_group(kind, host), []).append(host)
    return [
        {"state": state, "cause": cause, "hosts": members[:MOST_SHOWN], "n": len(members)}
        for (_, state, cause), members in sorted(groups.items(), key=lambda g: (g[0][0], -len(g[1]), g[0]))
    ]


def _group(kind: str, host: Mapping[str, Any]) -> tuple[int, str, str]:
    if host["state"] in ("failed", "lost"):
        return 0, host["state"], host["cause"]
    order = {"active": 1, "queued": 2, "cancelled": 3, "succeeded": 4}
    return order.get(host["state"], 5), host["state"], ""
