"""What the launcher sees of the fleet: counts, the end of the bring-up, and the summary of `make demo ONCE=1`.

It reads the tables as the application's role and the simulator's control API: the system itself never sees the truth.
"""

import json
import urllib.error
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import Any

import psycopg

DONE = ("in_service", "quarantined")
_UNDER_WAY = ("", "queued", "active", "lost")
# All of it is indexed or small: 511 hosts and some thousand operations cost a millisecond.
_LOOK = """
SELECT (SELECT jsonb_object_agg(state, n) FROM
         (SELECT state, count(*) AS n FROM fleet_device WHERE kind = 'host' GROUP BY state) AS states),
       (SELECT count(*) FROM provisioning_operation WHERE state = ANY(%s)),
       (SELECT coalesce(max(id), 0) FROM fleet_transition) + (SELECT coalesce(max(id), 0) FROM provisioning_step)
"""
_ENDS = """
SELECT name, state, cause,
       ARRAY(SELECT kind FROM fleet_finding AS finding WHERE finding.device_id = device.id)
FROM fleet_device AS device WHERE kind = 'host' ORDER BY name
"""


class AskFailed(RuntimeError):
    """A request to the web or to the simulator was refused or not answered; the words say what came back."""


@dataclass(frozen=True)
class Look:
    """hosts: number by state. under_way: operations that have not ended. moved: grows with every transition or step."""

    hosts: dict[str, int]
    under_way: int
    moved: int

    @property
    def done(self) -> float:
        """Share of the hosts that are in service or quarantined; 1 when there are none."""
        total = sum(self.hosts.values())
        return sum(self.hosts.get(state, 0) for state in DONE) / total if total else 1.0

    def __str__(self) -> str:
        states = ", ".join(f"{n} {state or 'new'}" for state, n in sorted(self.hosts.items())) or "no hosts"
        return f"{states}; {self.under_way} operations under way"


class Tables:
    """Looks at the tables over one connection, made again when it breaks."""

    def __init__(self, database_url: str) -> None:
        self._url = database_url
        self._link: psycopg.Connection[Any] | None = None

    def look(self) -> Look:
        """One look. Raises psycopg.OperationalError when the database does not answer; the next look tries again."""
        if self._link is None or self._link.closed:
            self._link = psycopg.connect(self._url, autocommit=True)
        row = self._link.execute(_LOOK, [list(_UNDER_WAY)]).fetchone()
        assert row is not None
        return Look(hosts=row[0] or {}, under_way=row[1], moved=row[2])

    def close(self) -> None:
        """End the connection."""
        if self._link is not None:
            self._link.close()


def ask(url: str, *, body: dict[str, Any] | None = None, headers: dict[str, str] | None = None) -> Any:
    """GET, or POST when there is a body; gives the JSON answer. Raises AskFailed."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json", **(headers or {})})
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        raise AskFailed(f"{url}: {error.code} {error.read(2000).decode(errors='replace')}") from error
    except (OSError, ValueError) as error:
        raise AskFailed(f"{url}: {error}") from error


def answers(url: str) -> None:
    """GET, and raise OSError unless it is answered with less than 500."""
    try:
        with urllib.request.urlopen(url, timeout=10):
            return
    except urllib.error.HTTPError as error:
        if error.code >= 500:
            raise


def wrong_ends(ends: list[tuple[str, str, str, list[str]]], truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Hosts that are not where their injected fault says that they must be.

    ends: (name, state, cause, kinds of its findings). truth: the simulator's answer, by host.
    """
    wrong = []
    for name, state, cause, findings in ends:
        told = truth.get(name, {"fault": None, "expected": {"state": "in_service", "cause": None}})
        allowed = [told["expected"], *(told.get("may_also") or [])]
        fits = any(end["state"] == state and end["cause"] in (None, cause) for end in allowed)
        if (finding := told.get("finding")) and state == "in_service" and finding not in findings:
            fits = False
        if not fits:
            got = {"state": state, "cause": cause or None}
            wrong.append({"host": name, "fault": told["fault"], "expected": told["expected"], "got": got})
    missing = sorted(set(truth) - {name for name, *_ in ends})
    return wrong + [
        {"host": name, "fault": truth[name]["fault"], "expected": "a host", "got": None} for name in missing
    ]


def summary(
    database_url: str, *, truth: dict[str, Any], stats: dict[str, Any], history: dict[str, Any]
) -> dict[str, Any]:
    """The summary without what only the launcher knows (times, seed). stats, truth: the simulator's answers."""
    with psycopg.connect(database_url) as link:
        ends = link.execute(_ENDS).fetchall()
        operations = link.execute("SELECT count(*) FROM provisioning_operation").fetchone() or (0,)
        transitions = link.execute("SELECT count(*) FROM fleet_transition").fetchone() or (0,)
    states = Counter(state for _, state, _, _ in ends)
    return {
        "hosts": len(ends),
        "in_service": states["in_service"],
        "quarantined": states["quarantined"],
        "by_cause": dict(sorted(Counter(cause for _, state, cause, _ in ends if state == "quarantined").items())),
        "wrong": wrong_ends(ends, truth),
        "transitions": transitions[0],
        "operations": operations[0],
        "bmc_requests": stats.get("bmc_requests", 0),
        "violations": stats.get("violations", 0),
        "history_ok": history.get("ok") is True,
    }


def holds(result: dict[str, Any]) -> bool:
    """Whether a summary is one that `ONCE=1` may exit 0 with."""
    return not result["wrong"] and result["violations"] == 0 and result["history_ok"] is True
