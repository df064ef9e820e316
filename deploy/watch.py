"""What the launcher sees of the fleet, through the API: counts, the end of the bring-up, the summary of ONCE=1.

Only the launcher also asks the simulator's control API: the system itself never sees the truth.
"""

import json
import urllib.error
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DONE = ("in_service", "quarantined")
_PAGE = 500


class AskFailed(RuntimeError):
    """A request to the web or to the simulator was refused or not answered; the words say what came back."""


@dataclass(frozen=True)
class Look:
    """hosts: number by state. under_way: operations that have not ended. transitions: of all subjects."""

    hosts: dict[str, int]
    under_way: int
    transitions: int

    @property
    def done(self) -> float:
        """Share of the hosts that are in service or quarantined; 1 when there are none."""
        total = sum(self.hosts.values())
        return sum(self.hosts.get(state, 0) for state in DONE) / total if total else 1.0

    def __str__(self) -> str:
        states = ", ".join(f"{n} {state or 'new'}" for state, n in sorted(self.hosts.items())) or "no hosts"
        return f"{states}; {self.under_way} operations under way"


@dataclass(frozen=True)
class End:
    """Where a host stands. findings: the kinds of all that was ever found on it."""

    name: str
    state: str
    cause: str | None
    findings: frozenset[str] = frozenset()


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


class Api:
    """Muster's API with a token. Every call raises AskFailed when it is refused or not answered."""

    def __init__(self, url: str, token: str) -> None:
        self._url = f"{url}/api/v1"
        self._headers = {"Authorization": f"Bearer {token}"}

    def bring_up(self, key: str) -> Any:
        """Ask for the campaign over every host that is cabled. key: the same key asks for it once."""
        body = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "demo: bring up the whole fleet"}
        return ask(f"{self._url}/campaigns", body=body, headers={**self._headers, "Idempotency-Key": key})

    def look(self) -> Look:
        """The fleet in numbers, now."""
        found = ask(f"{self._url}/summary", headers=self._headers)
        return Look(found["by_state"], under_way=found["active_operations"], transitions=found["transitions"])

    def numbers(self) -> dict[str, Any]:
        """The part of the summary of ONCE=1 that is the system's own account."""
        found = ask(f"{self._url}/summary", headers=self._headers)
        return {
            "hosts": found["hosts"],
            **{state: found["by_state"].get(state, 0) for state in DONE},
            "by_cause": found["by_cause"],
            "transitions": found["transitions"],
            "operations": found["operations"],
        }

    def ends(self) -> list[End]:
        """Where each host stands, and what was found on it."""
        findings: dict[str, set[str]] = {}
        for row in self._all("findings"):
            findings.setdefault(row["host"], set()).add(row["kind"])
        return [
            End(row["name"], row["state"], row["cause"] or None, frozenset(findings.get(row["name"], ())))
            for row in self._all("hosts")
        ]

    def _all(self, noun: str) -> Iterator[dict[str, Any]]:
        cursor = None
        while True:
            query = {"limit": _PAGE, **({"cursor": cursor} if cursor else {})}
            page = ask(f"{self._url}/{noun}?{urllib.parse.urlencode(query)}", headers=self._headers)
            yield from page["items"]
            if not (cursor := page["next"]):
                return


def wrong_ends(ends: list[End], truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Hosts that are not where their injected fault says that they must be. truth: the simulator's answer, by host."""
    wrong = []
    for end in ends:
        told = truth.get(end.name, {"fault": None, "expected": {"state": "in_service", "cause": None}})
        if not _fits(end, told):
            got = {"state": end.state, "cause": end.cause}
            wrong.append({"host": end.name, "fault": told["fault"], "expected": told["expected"], "got": got})
    for name in sorted(truth.keys() - {end.name for end in ends}):
        expected = truth[name]["expected"]
        wrong.append({"host": name, "fault": truth[name]["fault"], "expected": expected, "got": None})
    return wrong


def _fits(end: End, told: dict[str, Any]) -> bool:
    allowed = [told["expected"], *(told.get("may_also") or [])]
    if not any(right["state"] == end.state and right["cause"] == end.cause for right in allowed):
        return False
    finding = told.get("finding")
    return finding is None or end.state != "in_service" or finding in end.findings


def holds(result: dict[str, Any]) -> bool:
    """Whether a summary is one that `ONCE=1` may exit 0 with."""
    unwanted = ("violations", "sessions_leaked", "resets_unpermitted")
    return not result["wrong"] and not any(result.get(name) for name in unwanted) and result["history_ok"] is True


def resets(journal: Path) -> dict[str, int]:
    """By the simulator's journal: how many resets its BMCs took, how many without an intent or with one used before."""
    intents: Counter[str | None] = Counter()
    with journal.open() as lines:
        for line in lines:
            entry = json.loads(line) if "ComputerSystem.Reset" in line else {}
            if entry.get("event") == "request" and entry["status"] < 300:
                intents[entry["intent"]] += 1
    unpermitted = sum(n if intent is None else n - 1 for intent, n in intents.items())
    return {"resets": intents.total(), "resets_unpermitted": unpermitted}
