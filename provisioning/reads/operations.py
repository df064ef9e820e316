"""Operations as lists and as one, with their steps, intents, boot window and log."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import connection
from django.db.models import Q, QuerySet

from fleet.errors import NotFound
from fleet.http.paging import BIGINT
from fleet.models import Device
from fleet.reads import history
from fleet.reads.hosts import name_or_id
from fleet.reads.rows import Columns, Sites, named, scoped
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
}
STEP = ("n", "name", "attempt", "outcome", "words", "started_at", "ended_at")
INTENT = ("id", "step", "attempt", "what", "power", "at", "settled_at")
BOOT = (
    *("mode", "delivery", "opened_at", "closed_at", "stage", "stage_at", "words", "done", "total", "asks", "asked_at"),
    *("refused", "boot_used_at", "home_used_at", "failed_code"),
)
LINE = ("id", "at", "source", "line")
LOG_LINES = 500


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
    row = rows(scoped(Operation.objects.filter(pk=operation_id), sites, "site_id")).first()
    if row is None:
        raise NotFound(f"there is no operation {operation_id}", field="id", value=operation_id)
    log = LogLine.objects.filter(operation_id=operation_id).order_by("-id").values(*LINE)[:LOG_LINES]
    moves = history.transitions(None, subject_kind="operation", subject_id=operation_id).order_by("seq")
    return {
        **ready([row])[0],
        "steps": list(Step.objects.filter(operation_id=operation_id).order_by("id").values(*STEP)),
        "intents": list(Intent.objects.filter(operation_id=operation_id).order_by("id").values(*INTENT)),
        "boot": BootWindow.objects.filter(operation_id=operation_id).order_by("-id").values(*BOOT).first(),
        "transitions": history.ready(list(moves)),
        "log": list(log)[::-1],
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
  (SELECT max(w.stage_at) FROM provisioning_bootwindow w WHERE w.operation_id = o.id))::text)
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


def page(operation_id: int, sites: Sites) -> dict[str, Any]:
    """All that the page of an operation shows: as one(), with its steps in the order of its kind."""
    found = one(operation_id, sites)
    return {**found, "plan": _plan(found)}


def _plan(operation: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each step of the kind with its tries; what comes after the present one has not begun, whatever was before."""
    steps = KINDS[operation["kind"]].steps if operation["kind"] in KINDS else ()
    is_open = operation["state"] in ("queued", "active")
    plan = []
    for n, step in enumerate(steps):
        tries = [] if is_open and n > operation["step"] else [t for t in operation["steps"] if t["n"] == n]
        is_now = is_open and n == operation["step"]
        outcome = "running" if is_now and operation["state"] == "active" else tries[-1]["outcome"] if tries else ""
        plan.append({"n": n + 1, "name": step.name, "tries": tries, "is_now": is_now, "outcome": outcome})
    return plan
