"""Every host where it stands on the floor, in the colours of its state or told apart by something else."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection
from django.utils import timezone

from fleet.reads.rows import Sites
from fleet.states import GROUPS, KINDS, group_of_host

TROUBLE = ("bad", "warn")
LISTED = 40

# What a cell says of its host. Plan: one scan of the hosts, the same for the page and for its version.
HOSTS = """
SELECT d.id, d.name, d.state, d.state_since, d.health, d.cause, d.active_operation, d.active_kind, d.unit,
  s.name AS site, coalesce(w.hall, '') AS hall, coalesce(w.name, '') AS row, coalesce(r.name, '') AS rack,
  {value} AS value
FROM fleet_device d JOIN fleet_site s ON s.id = d.site_id
LEFT JOIN fleet_rack r ON r.id = d.rack_id LEFT JOIN fleet_row w ON w.id = r.row_id {joins}
WHERE d.kind = 'host' AND (%(all)s OR d.site_id = ANY(%(sites)s))
ORDER BY s.name, w.hall, length(w.name), w.name, length(r.name), r.name, d.unit DESC NULLS LAST, d.name
"""
VERSION = """
SELECT coalesce(md5(string_agg(concat(id, state, health, active_operation, rack_id, unit), ' ' ORDER BY id)), ''),
  coalesce(bool_or(active_operation IS NOT NULL), false)
FROM fleet_device WHERE kind = 'host' AND (%(all)s OR site_id = ANY(%(sites)s))
"""
# The leaf of the first rail stands for all of a host's leafs: hosts that share it share the others.
_LEAF = """LEFT JOIN LATERAL (SELECT l.name FROM fleet_port p JOIN fleet_cableend e ON e.port_id = p.id
  JOIN fleet_cable c ON c.id = e.cable_id AND c.kind = 'infiniband'
  JOIN fleet_cableend o ON o.cable_id = e.cable_id AND o.end <> e.end JOIN fleet_port q ON q.id = o.port_id
  JOIN fleet_device l ON l.id = q.device_id WHERE p.device_id = d.id ORDER BY p.name LIMIT 1) leaf ON true"""
_FEED = """LEFT JOIN LATERAL (SELECT string_agg(DISTINCT f.name, ', ' ORDER BY f.name) AS names FROM fleet_powerinlet i
  JOIN fleet_powerfeed f ON f.id = i.feed_id WHERE i.device_id = d.id) feed ON true"""


@dataclass(frozen=True)
class By:
    """A way to tell hosts apart: its word, and where the value comes from. odd: the usual value is not worth a look."""

    word: str
    value: str = "''"
    joins: str = ""
    odd: bool = False


BY = {
    "state": By("state"),
    "leaf": By("leaf", "coalesce(leaf.name, '')", _LEAF),
    "feed": By("power feed", "coalesce(feed.names, '')", _FEED),
    "profile": By(
        "profile",
        "coalesce(p.name || ' v' || p.version, '')",
        "LEFT JOIN fleet_profile p ON p.id = d.profile_id",
        odd=True,
    ),
    "firmware": By("BMC firmware", "coalesce(b.firmware, '')", "LEFT JOIN fleet_bmc b ON b.device_id = d.id", odd=True),
    "age": By("time in state"),
}

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
AGES = (("m", "under an hour", HOUR), ("h", "under a day", DAY), ("d", "under a week", 7 * DAY))
LONGEST = ("w", "a week or more")


def version(sites: Sites) -> tuple[str, bool]:
    """What the page shows, in a word, and whether something is in passing. One query."""
    with connection.cursor() as cursor:
        cursor.execute(VERSION, {"all": sites is None, "sites": list(sites or ())})
        have, is_passing = cursor.fetchone()
    return have, is_passing


def floor(by: str, show: str, picked: str, sites: Sites, limit: Callable[[float], float]) -> dict[str, Any]:
    """All that the page shows. One query, whatever the number of hosts.

    by: one of BY. show: a group, or empty for all. picked: the value to make stand out. limit: the real seconds of a
    state's limit, which an installation may scale.
    """
    hosts = _hosts(by, sites)
    now = timezone.now()
    for host in hosts:
        host["group"] = group_of_host(host)
        host["is_late"] = _is_late(host, now, limit)
    legend = _legend(by, hosts, picked, now)
    for host in hosts:
        host["look"] = _look(by, host, show, legend)
    counts = Counter(h["group"] for h in hosts)
    trouble = sorted((h for h in hosts if h["group"] in TROUBLE), key=_worst)
    return {
        "hosts": len(hosts),
        "groups": [(g, counts[g]) for g in GROUPS if counts[g]],
        "legend": legend,
        "places": _places(hosts),
        "trouble": trouble[:LISTED],
        "troubles": len(trouble),
    }


def _hosts(by: str, sites: Sites) -> list[dict[str, Any]]:
    way = BY[by]
    with connection.cursor() as cursor:
        query = HOSTS.format(value=way.value, joins=way.joins)
        cursor.execute(query, {"all": sites is None, "sites": list(sites or ())})
        names = [c.name for c in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


LIMITS = {s.name: s.limit_s for s in KINDS["host"].states if s.limit_s is not None}


def _is_late(host: Mapping[str, Any], now: datetime, limit: Callable[[float], float]) -> bool:
    limit_s = LIMITS.get(host["state"])
    if limit_s is None or host["active_operation"] is not None:
        return False
    return bool(now - host["state_since"] > timedelta(seconds=limit(limit_s)))


def _worst(host: Mapping[str, Any]) -> tuple[int, Any]:
    return TROUBLE.index(host["group"]), host["state_since"]


def _legend(by: str, hosts: list[dict[str, Any]], picked: str, now: datetime) -> list[dict[str, Any]]:
    """The values that stand on the floor, each with a code of a letter or two for its cells; none for states."""
    if by == "state":
        return []
    if by == "age":
        for host in hosts:
            host["value"] = _age(now - host["state_since"])
        codes = [(word, code) for code, word, *_ in (*AGES, LONGEST)]
    else:
        codes = [(value, _code(n)) for n, value in enumerate(sorted({h["value"] for h in hosts}, key=_natural))]
    counts = Counter(h["value"] for h in hosts)
    usual = counts.most_common(1)[0][0] if counts and BY[by].odd and not picked else None
    return [
        {
            "value": value,
            "word": value or "unknown",
            "code": code,
            "n": counts[value],
            "picked": value == picked if picked else usual is not None and value != usual,
        }
        for value, code in codes
        if counts[value]
    ]


def _age(span: timedelta) -> str:
    return next((word for _, word, most in AGES if span < most), LONGEST[1])


def _code(n: int) -> str:
    return str(n + 1) if n < 99 else "+"


def _natural(text: str) -> list[Any]:
    return [(int(piece), "") if piece.isdecimal() else (0, piece) for piece in re.split(r"(\d+)", text)]


def _look(by: str, host: Mapping[str, Any], show: str, legend: list[dict[str, Any]]) -> dict[str, str]:
    """The class of a cell, and the code or shape in it."""
    if show and host["group"] != show:
        return {"group": "dim", "code": "", "shape": ""}
    if by == "state":
        return {"group": host["group"], "code": "", "shape": "" if host["group"] in ("ok", "none") else host["group"]}
    if by == "age" and host["is_late"]:
        return {"group": "warn", "code": "", "shape": "warn"}
    one = next(v for v in legend if v["value"] == host["value"])
    kind = "none" if not one["value"] else "picked" if one["picked"] else "plain"
    return {"group": kind, "code": one["code"] if one["value"] else "", "shape": ""}


def _places(hosts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of racks of hosts, in the order of the query."""
    rows: dict[tuple[str, ...], dict[str, list[dict[str, Any]]]] = {}
    for host in hosts:
        rows.setdefault((host["site"], host["hall"], host["row"]), {}).setdefault(host["rack"], []).append(host)
    several = len({key[0] for key in rows}) > 1
    return [
        {
            "row": row,
            "words": ", ".join(filter(None, (site if several else "", hall if several else ""))),
            "racks": [
                {"name": name, "hosts": found, "trouble": any(h["group"] in TROUBLE for h in found)}
                for name, found in racks.items()
            ],
        }
        for (site, hall, row), racks in rows.items()
    ]
