"""Campaigns as lists and as one, with counts by state and by cause."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import QuerySet

from fleet.errors import BadValue, NotFound, WrongState
from fleet.reads import history
from fleet.reads.rows import Columns, Sites, named, scoped
from provisioning.engine import ask, campaign
from provisioning.models import Campaign
from provisioning.operations.registry import CHAINS

COLUMNS: Columns = {
    "id": "id",
    "kind": "kind",
    "state": "state",
    "state_since": "state_since",
    "site": "site__name",
    "hosts": "hosts",
    "at_once": "at_once",
    "select": "select",
    "params": "params",
    "by": "actor__name",
    "reason": "reason",
    "asked_at": "asked_at",
}

# Plan: index operation_campaign. One pass for all campaigns of a page.
COUNTS = """
SELECT campaign_id, state, cause, count(*), count(DISTINCT device_id) FROM provisioning_operation
WHERE campaign_id = ANY(%s) GROUP BY campaign_id, state, cause
"""

# Where each host of a campaign is: its newest operation that is not waiting for another one.
HOSTS = """
SELECT DISTINCT ON (d.id) d.id, d.name, d.state AS host_state, d.cause, o.id AS operation, o.kind, o.state, o.step_name,
  o.words, o.seen
FROM provisioning_operation o JOIN fleet_device d ON d.id = o.device_id
WHERE o.campaign_id = %s ORDER BY d.id, (o.after_id IS NULL) DESC, o.chain_n DESC, o.id DESC
"""


def rows(sites: Sites) -> QuerySet[Campaign, dict[str, Any]]:
    """The columns of a list, for paging."""
    return scoped(Campaign.objects.all(), sites, "site_id").values(*COLUMNS.values())


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names, with counts of their operations. One query more, however many."""
    counts = _counts([row["id"] for row in found])
    return [{**named(row, COLUMNS), **counts[row["id"]]} for row in found]


def _counts(ids: Iterable[int]) -> dict[int, dict[str, dict[str, int]]]:
    counts: dict[int, dict[str, dict[str, int]]] = {pk: {"by_state": {}, "by_cause": {}} for pk in ids}
    with connection.cursor() as cursor:
        cursor.execute(COUNTS, [list(counts)])
        for pk, state, cause, operations, hosts in cursor.fetchall():
            by_state = counts[pk]["by_state"]
            by_state[state] = by_state.get(state, 0) + operations
            if state in ("failed", "lost"):
                by_cause = counts[pk]["by_cause"]
                by_cause[cause or state] = by_cause.get(cause or state, 0) + hosts
    return counts


def one(campaign_id: int, sites: Sites) -> dict[str, Any]:
    """A campaign with its counts and transitions. Raises NotFound (404)."""
    row = rows(sites).filter(pk=campaign_id).first()
    if row is None:
        raise NotFound(f"there is no campaign {campaign_id}", field="id", value=campaign_id)
    moves = history.transitions(None, subject_kind="campaign", subject_id=campaign_id).order_by("seq")
    return {**ready([row])[0], "transitions": history.ready(list(moves))}


@dataclass(frozen=True)
class Review:
    """What a campaign would do, before it does anything. refused: hosts that cannot take part, in words."""

    kind: str
    chain: tuple[str, ...]
    hosts: tuple[str, ...]
    sites: frozenset[int]
    refused: tuple[dict[str, Any], ...]

    def as_dict(self) -> dict[str, Any]:
        """For the API."""
        chain, hosts, refused = list(self.chain), list(self.hosts), list(self.refused)
        return {"dry_run": True, "kind": self.kind, "chain": chain, "hosts": hosts, "refused": refused}


def review(*, kind: str, select: Mapping[str, Any]) -> Review:
    """Which hosts a campaign would take. Raises BadValue (422) for a kind that does not exist, NotFound (404)."""
    if kind not in CHAINS:
        raise BadValue(f"there is no campaign {kind!r}", field="kind", value=kind, expected=", ".join(sorted(CHAINS)))
    devices = campaign.select_hosts(select)
    try:
        ask.refuse(CHAINS[kind][0], devices)
        refused = []
    except WrongState as error:
        refused = error.errors
    return Review(
        kind, CHAINS[kind], tuple(d.name for d in devices), frozenset(d.site_id for d in devices), tuple(refused)
    )


def site_of(campaign_id: int, sites: Sites) -> int:
    """The site of a campaign. Raises NotFound (404), also for one at a site that one may not see."""
    found = scoped(Campaign.objects.filter(pk=campaign_id), sites, "site_id").values_list("site_id", flat=True).first()
    if found is None:
        raise NotFound(f"there is no campaign {campaign_id}", field="id", value=campaign_id)
    return int(found)
