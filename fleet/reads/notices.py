"""Rules and notices as lists. No address of a webhook or chat, no key: what is shown is the rule's `target`."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Count, Q, QuerySet

from fleet.errors import NotFound
from fleet.models import Notice, NoticeRule
from fleet.reads.rows import Columns, Sites, named

RULES: Columns = {
    "id": "id",
    "name": "name",
    "site": "site__name",
    "severity": "severity",
    "domains": "domains",
    "kinds": "kinds",
    "channel": "channel",
    "target": "target",
    "quiet_from": "quiet_from",
    "quiet_until": "quiet_until",
    "zone": "site__timezone",
    "critical_breaks_quiet": "critical_breaks_quiet",
    "escalate_after_min": "escalate_after_min",
    "escalate_to": "escalate_to_id",
    "escalate_to_name": "escalate_to__name",
    "tell_closed": "tell_closed",
    "active": "active",
    "changed_at": "changed_at",
    "changed_by": "changed_by__name",
    "waiting": "waiting",
    "retry_at": "retry_at",
}
NOTICES: Columns = {
    "id": "id",
    "rule": "rule_id",
    "rule_name": "rule__name",
    "finding": "finding_id",
    "host": "finding__device__name",
    "why": "why",
    "state": "state",
    "subject": "subject",
    "delivery": "delivery",
    "tries": "tries",
    "made_at": "made_at",
    "ended_at": "ended_at",
    "error": "error",
}


def rules(sites: Sites) -> QuerySet[NoticeRule, dict[str, Any]]:
    """Rules that stand: of these sites, and those of all sites."""
    found = NoticeRule.objects.filter(deleted_at=None)
    if sites is not None:
        found = found.filter(Q(site_id__in=sites) | Q(site_id=None))
    waiting = Count("notices", filter=Q(notices__state="waiting"))
    rows: QuerySet[NoticeRule, dict[str, Any]] = found.annotate(waiting=waiting).values(*RULES.values())
    return rows


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rules of a page under their names; hours as 22:00."""
    rows = [named(row, RULES) for row in found]
    for row in rows:
        row |= {name: row[name] and row[name].strftime("%H:%M") for name in ("quiet_from", "quiet_until")}
        row["zone"] = row["zone"] or "UTC"
    return rows


def rule(rule_id: int, sites: Sites) -> dict[str, Any]:
    """A rule as a row. Raises NotFound (404), also for other sites."""
    rows = ready(list(rules(sites).filter(pk=rule_id)))
    if not rows:
        raise NotFound(f"there is no rule {rule_id}", field="id", value=rule_id)
    return rows[0]


def site_of(rule_id: int, sites: Sites) -> int | None:
    """The site of a rule, None for all. Raises NotFound (404), also for other sites."""
    found = rules(sites).filter(pk=rule_id).values_list("site_id", flat=True)
    if not found:
        raise NotFound(f"there is no rule {rule_id}", field="id", value=rule_id)
    return found[0]


def notices(filters: Mapping[str, Any], sites: Sites) -> QuerySet[Notice, dict[str, Any]]:
    """What was told, by named fields; of hosts of these sites, and what their own rules told."""
    found = Notice.objects.filter(**{name: value for name, value in filters.items() if value is not None})
    if sites is not None:
        found = found.filter(Q(rule__site_id__in=sites) | Q(finding__device__site_id__in=sites))
    rows: QuerySet[Notice, dict[str, Any]] = found.values(*NOTICES.values())
    return rows


def told(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Notices of a page under their names."""
    rows = [named(row, NOTICES) for row in found]
    return [row | {"delivery": row["delivery"] and str(row["delivery"])} for row in rows]


def one(notice_id: int) -> dict[str, Any]:
    """A notice as a row."""
    return told(list(Notice.objects.filter(pk=notice_id).values(*NOTICES.values())))[0]
