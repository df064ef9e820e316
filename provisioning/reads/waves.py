"""How far a campaign's waves are, why the next one does not begin, and when it will: from one list of hosts."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from fleet.models import Device
from provisioning.engine import release, variants
from provisioning.engine.release import NOT_ITS_OWN, Plan, Wave

FAILED = ("failed", "lost")


def progress(row: Mapping[str, Any], hosts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The waves of a campaign and what comes next. At most four queries.

    row: as reads.campaigns.one() gives it. hosts: as reads.campaigns.hosts() gives them.
    """
    with connection.cursor() as cursor:
        rules = release.rules(cursor, [row["id"]])[0]
    plan = Plan(rules, _standing(hosts), _failures(hosts))
    serving = _serving(rules) if rules["floor"] is not None else None
    at = release.next_wave(plan)
    ended = {host["id"]: host["state"] for host in hosts if host["state"] in (*FAILED, "succeeded")}
    return {
        "waves": [_wave(n, size, hosts) for n, size in enumerate(rules["sizes"], 1)],
        "wave": at.wave or len(rules["sizes"]),
        "next": _next(row["state"], plan, at, serving),
        "failed": sum(plan.causes.values()),
        "serving": serving,
        "quiet": f"{rules['bake_s'] / 60:.3g} min" if rules["bake_s"] else "",
        "apart": variants.words(ended),
    }


def _serving(rules: Mapping[str, Any]) -> int:
    return Device.objects.filter(kind="host", state="in_service", site_id=rules["site_id"]).count()


def status(host: Mapping[str, Any]) -> str:
    """What became of a host: done, failed, under_way, waiting (its wave has not let it begin), cancelled."""
    if host["state"] == "queued" and host["is_held"]:
        return "waiting"
    return {"succeeded": "done", "failed": "failed", "lost": "failed", "cancelled": "cancelled"}.get(
        host["state"], "under_way"
    )


def _wave(n: int, size: int, hosts: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    counts = Counter(status(host) for host in hosts if host["wave"] == n)
    return {"n": n, "hosts": size, **{name: counts[name] for name in ("done", "failed", "under_way", "waiting")}}


def _standing(hosts: Iterable[Mapping[str, Any]]) -> dict[int, Wave]:
    found: dict[int, Wave] = {}
    for host in hosts:
        before, now = found.get(host["wave"], Wave()), status(host)
        moving = now == "under_way" or host["state"] == "lost"
        ends: list[datetime] = [at for at in (before.ended_at, host["ended_at"]) if at]
        found[host["wave"]] = Wave(
            before.held + (now == "waiting"),
            before.moving + moving,
            max(ends, default=None),
            before.has_begun or moving or host["started_at"] is not None,
        )
    return found


def _failures(hosts: Iterable[Mapping[str, Any]]) -> dict[int, dict[str, int]]:
    found: dict[int, Counter[str]] = {}
    for host in hosts:
        if host["state"] in FAILED and not host["excused"] and host["cause"] not in NOT_ITS_OWN:
            found.setdefault(host["wave"], Counter())[host["cause"] or host["state"]] += 1
    return {n: dict(causes) for n, causes in found.items()}


def _next(state: str, plan: Plan, at: release.Next, serving: int | None) -> dict[str, Any] | None:
    """Which wave is next, why it does not begin now, and when it will; None when no host is left to begin."""
    if not at.wave or state == "done":
        return None
    rules, why = plan.row, at.why
    if state != "running":
        why = {"halted": "it is halted: a person lets it go on", "paused": "it is paused"}.get(state, "")
        return {"wave": at.wave, "why": why, "at": None}
    if not why and serving is not None and serving <= rules["floor"]:
        why = f"{serving} are in service, the floor is {rules['floor']}: one must come back first"
    moving = sum(wave.moving for wave in plan.waves.values())
    if not why and rules["at_once"] is not None and moving >= rules["at_once"]:
        why = f"{moving} are under way, {rules['at_once']} may at once"
    if not why and rules["limits"]:
        limits = ", ".join(f"{n} a {name}" for name, n in rules["limits"].items())
        why = f"those that wait share a {' or '.join(rules['limits'])} with one that is under way ({limits})"
    return {"wave": at.wave, "why": why, "at": at.at}
