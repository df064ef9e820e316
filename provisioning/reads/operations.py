"""Operations as lists and as one, with their steps, intents, boot window and log."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet
from django.utils import timezone

from fleet.errors import NotFound
from fleet.http.paging import BIGINT
from fleet.models import Device
from fleet.reads import history
from fleet.reads.hosts import name_or_id
from fleet.reads.rows import Columns, Sites, named, scoped
from provisioning.engine import ask
from provisioning.models import BootWindow, Intent, LogLine, Operation, Step
from provisioning.operations.registry import KINDS

COLUMNS: Columns = {
    "id": "id",
    "kind": "kind",
    "state": "state",
    "state_since": "state_since",
    "host": "device__name",
    "host_id": "device_id",
    "campaign": "campaign_id",
    "after": "after_id",
    "step": "step",
    "step_name": "step_name",
    "attempt": "attempt",
    "waits_for": "waits_for",
    "seen": "seen",
    "cause": "cause",
    "words": "words",
    "done": "done",
    "total": "total",
    "params": "params",
    "by": "actor__name",
    "reason": "reason",
    "asked_at": "asked_at",
    "started_at": "started_at",
    "step_started_at": "step_started_at",
    "step_deadline_at": "step_deadline_at",
    "deadline_at": "deadline_at",
    "ended_at": "ended_at",
    "wake_at": "wake_at",
}
STEP = ("n", "name", "attempt", "outcome", "words", "started_at", "ended_at")
INTENT = ("id", "step", "attempt", "what", "power", "at", "settled_at")
BOOT = (
    *("mode", "delivery", "opened_at", "closed_at", "stage", "stage_at", "words", "done", "total", "asks", "asked_at"),
    *("refused", "boot_used_at", "home_used_at", "failed_code", "tests"),
)
LINE = ("id", "at", "source", "line")
LOG_LINES = 500
PAGE_LINES = 200
# "Usually" needs a few to go by, and looks at so many of the newest that succeeded.
USUAL_OF, USUAL_LEAST, USUAL_AMONG = 20, 3, 2000

# How long the last ones of a kind on hosts of a profile took. Plan: index operation_state backwards.
USUAL = """
SELECT count(*), percentile_cont(0.1) WITHIN GROUP (ORDER BY s), percentile_cont(0.9) WITHIN GROUP (ORDER BY s)
FROM (SELECT extract(epoch FROM o.ended_at - o.started_at)::float8 AS s
  FROM (SELECT kind, device_id, started_at, ended_at FROM provisioning_operation WHERE state = 'succeeded'
        ORDER BY id DESC LIMIT %(among)s) o
  JOIN fleet_device d ON d.id = o.device_id
  WHERE o.kind = %(kind)s
  AND d.profile_id IS NOT DISTINCT FROM (SELECT profile_id FROM fleet_device WHERE id = %(device)s)
  AND o.started_at IS NOT NULL LIMIT %(of)s) t
"""

# Lines of an operation's log by their number in it. Plan: index logline_operation.
LOG = """
SELECT n, at, source, line, total FROM (
  SELECT row_number() OVER (ORDER BY id) AS n, count(*) OVER () AS total, at, source, line FROM provisioning_logline
  WHERE operation_id = %(operation)s AND (%(begun)s::timestamptz IS NULL OR at BETWEEN %(begun)s AND %(ended)s)) l
WHERE n > coalesce(%(after)s, total - %(limit)s) ORDER BY n LIMIT %(limit)s
"""


def select(filters: Mapping[str, Any], sites: Sites) -> QuerySet[Operation]:
    """Operations by named fields; host is a name or an id."""
    found = scoped(Operation.objects.all(), sites, "site_id")
    for name, column in (("kind", "kind"), ("state", "state"), ("campaign", "campaign_id"), ("cause", "cause")):
        if filters.get(name):
            found = found.filter(**{column: filters[name]})
    if host := filters.get("host"):
        found = found.filter(device_id__in=list(hosts_called([name_or_id(host)]).values_list("id", flat=True)))
    return found


def hosts_called(names: list[str | int]) -> QuerySet[Device]:
    """Hosts by name (a text, whatever is in it) or id (a number)."""
    texts, ids = [n for n in names if isinstance(n, str)], [n for n in names if isinstance(n, int)]
    return Device.objects.filter(Q(name__in=texts) | Q(pk__in=ids), kind="host")


def rows(operations: QuerySet[Operation]) -> QuerySet[Operation, dict[str, Any]]:
    """The columns of a list, for paging."""
    found: QuerySet[Operation, dict[str, Any]] = operations.values(*COLUMNS.values())
    return found


def ready(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a page under their names; steps: how many its kind has."""
    return [{**named(row, COLUMNS), "steps_total": steps_of(row["kind"])} for row in found]


def steps_of(kind: str) -> int:
    """How many steps a kind has."""
    return len(KINDS[kind].steps) if kind in KINDS else 0


def one(operation_id: int, sites: Sites) -> dict[str, Any]:
    """An operation with all that is on record of it. Raises NotFound (404). Six queries."""
    found = _record(operation_id, sites)
    log = LogLine.objects.filter(operation_id=operation_id).order_by("-id").values(*LINE)[:LOG_LINES]
    return {**found, "log": list(log)[::-1]}


def _record(operation_id: int, sites: Sites) -> dict[str, Any]:
    row = rows(scoped(Operation.objects.filter(pk=operation_id), sites, "site_id")).first()
    if row is None:
        raise NotFound(f"there is no operation {operation_id}", field="id", value=operation_id)
    moves = history.transitions(None, subject_kind="operation", subject_id=operation_id).order_by("seq")
    return {
        **ready([row])[0],
        "steps": list(Step.objects.filter(operation_id=operation_id).order_by("id").values(*STEP)),
        "intents": list(Intent.objects.filter(operation_id=operation_id).order_by("id").values(*INTENT)),
        "boot": BootWindow.objects.filter(operation_id=operation_id).order_by("-id").values(*BOOT).first(),
        "transitions": history.ready(list(moves)),
    }


def made(ids: list[int]) -> list[dict[str, Any]]:
    """The rows of operations that were just asked for or changed, in the order of their ids."""
    return ready(list(rows(Operation.objects.filter(pk__in=ids)).order_by("id")))


def called(names: list[str | int]) -> list[Device]:
    """Hosts by name or id, each once. Raises NotFound (404) that lists every one that does not exist."""
    devices = list(hosts_called(names).order_by("name"))
    known = {d.name for d in devices} | {d.pk for d in devices}
    if missing := [n for n in names if n not in known]:
        errors = [{"field": "host", "value": n, "title": f"there is no host {n}"} for n in missing]
        raise NotFound(f"there is no host {missing[0]}", field="host", value=missing[0], errors=errors)
    return devices


def site_of(operation_id: int, sites: Sites) -> int:
    """The site of an operation. Raises NotFound (404), also for one at a site that one may not see."""
    found = (
        scoped(Operation.objects.filter(pk=operation_id), sites, "site_id").values_list("site_id", flat=True).first()
    )
    if found is None:
        raise NotFound(f"there is no operation {operation_id}", field="id", value=operation_id)
    return int(found)


# Everything that the page of an operation shows has left its trace in one of these columns.
VERSION = """
SELECT o.state, md5(row(o.seq, o.step, o.attempt, o.waits_for, o.done, o.total, o.ended_at, o.cancel_reason,
  (SELECT max(s.id) FROM provisioning_step s WHERE s.operation_id = o.id),
  (SELECT max(i.id) FROM provisioning_intent i WHERE i.operation_id = o.id),
  (SELECT max(l.id) FROM provisioning_logline l WHERE l.operation_id = o.id),
  (SELECT concat(max(w.stage_at), max(w.done), max(jsonb_array_length(w.tests)))
   FROM provisioning_bootwindow w WHERE w.operation_id = o.id))::text)
FROM provisioning_operation o WHERE o.id = %(id)s AND (%(all)s OR o.site_id = ANY(%(sites)s))
"""


@dataclass(frozen=True)
class Version:
    """have: what a page shows of the operation; another one means that it has changed."""

    id: int
    have: str
    is_passing: bool


def version(operation_id: int, sites: Sites) -> Version:
    """One query. Raises NotFound (404)."""
    row = None
    if operation_id <= BIGINT:
        with connection.cursor() as cursor:
            cursor.execute(VERSION, {"id": operation_id, "all": sites is None, "sites": list(sites or ())})
            row = cursor.fetchone()
    if row is None:
        raise NotFound(f"there is no operation {operation_id}", field="id", value=operation_id)
    return Version(operation_id, row[1], row[0] in ("queued", "active"))


def page(operation_id: int, sites: Sites, *, after: int | None = None, step: int | None = None) -> dict[str, Any]:
    """All that the page of an operation shows. after: its log from that line on. step: only the lines of one step."""
    found = _record(operation_id, sites)
    return {
        **found,
        "plan": _plan(found),
        "usual": usual(found["kind"], found["host_id"]),
        "begins_again": found["kind"] in KINDS and ask.begins_again(found["kind"], found["step"]),
        "lines": lines(operation_id, after=after, span=_span(found, step)),
        "only": step,
    }


def usual(kind: str, device_id: int | None) -> tuple[timedelta, timedelta] | None:
    """How long most of the last ones took, from and to; None while there are too few to say. One query."""
    asked = {"kind": kind, "device": device_id, "of": USUAL_OF, "among": USUAL_AMONG}
    with connection.cursor() as cursor:
        cursor.execute(USUAL, asked)
        n, low, high = cursor.fetchone()
    return (timedelta(seconds=low), timedelta(seconds=high)) if n >= USUAL_LEAST else None


def lines(operation_id: int, *, after: int | None, span: tuple[Any, Any]) -> dict[str, Any]:
    """{"rows", "total", "before", "last", "left"}: lines by number, and how many are not here. One query."""
    bounds = {"operation": operation_id, "after": after, "limit": PAGE_LINES, "begun": span[0], "ended": span[1]}
    with connection.cursor() as cursor:
        cursor.execute(LOG, bounds)
        rows = [dict(zip(("n", "at", "source", "line", "total"), row, strict=True)) for row in cursor.fetchall()]
    total, first, last = (rows[0]["total"], rows[0]["n"], rows[-1]["n"]) if rows else (0, 1, 0)
    return {"rows": rows, "total": total, "before": first - 1, "last": last, "left": total - last}


def _span(operation: Mapping[str, Any], step: int | None) -> tuple[Any, Any]:
    """From when to when a step ran; steps are numbered from 1 as people do."""
    if step is None:
        return None, None
    tries = [t for t in operation["steps"] if t["n"] == step - 1]
    is_now = operation["state"] == "active" and operation["step"] == step - 1
    ends = [t["ended_at"] for t in tries] + ([timezone.now()] if is_now else [])
    begun = [t["started_at"] for t in tries] + ([operation["step_started_at"]] if is_now else [])
    now = timezone.now()
    return min(filter(None, begun), default=now), max(ends, default=now)


def log_lines(operation_id: int) -> Iterator[str]:
    """The whole log as text, a line each, read as it is sent."""
    found = LogLine.objects.filter(operation_id=operation_id).order_by("id").values_list("at", "source", "line")
    for at, source, line in found.iterator(chunk_size=2000):
        yield f"{at:%Y-%m-%dT%H:%M:%S.%fZ} {source} {line}\n"


def _plan(operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each step of the kind with its tries; what comes after the present one has not begun, whatever was before."""
    steps = KINDS[operation["kind"]].steps if operation["kind"] in KINDS else ()
    is_open = operation["state"] in ("queued", "active")
    plan = []
    for n, step in enumerate(steps):
        tries = [] if is_open and n > operation["step"] else [t for t in operation["steps"] if t["n"] == n]
        is_now = is_open and n == operation["step"]
        outcome = "running" if is_now and operation["state"] == "active" else tries[-1]["outcome"] if tries else ""
        took = sum((t["ended_at"] - t["started_at"] for t in tries), timedelta())
        row = {"n": n + 1, "name": step.name, "tries": tries, "is_now": is_now, "outcome": outcome}
        plan.append({**row, "took": took if tries else None})
    return plan
