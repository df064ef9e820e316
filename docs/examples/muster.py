#!/usr/bin/env python3
"""A small typed client of Muster's API, and a command around it. Python 3.11, nothing else: copy the file and use it.

export MUSTER_URL=http://127.0.0.1:8000 MUSTER_TOKEN=...
muster.py hosts --state quarantined
muster.py ask identify host-001 host-002 --reason "look at it" --wait
muster.py move host-001 quarantined --reason "it smells"
muster.py events --kinds host_state,finding_opened --after CURSOR
"""

import argparse
import json
import os
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, fields
from http.client import HTTPException
from typing import Any, Self

TRIES = 6
ENDED = ("succeeded", "failed", "cancelled")


class Refused(Exception):
    """The API said no. body: problem JSON with title, code, field, value, expected, hint, errors."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(body.get("title", f"status {status}"))
        self.status = status
        self.body = body


class _Row:
    @classmethod
    def of(cls, row: dict[str, Any]) -> Self:
        """A row of the API; fields that are newer than this client are left out."""
        return cls(**{f.name: row[f.name] for f in fields(cls)})  # type: ignore[arg-type]


@dataclass(frozen=True)
class Host(_Row):
    """A host in a list."""

    id: int
    name: str
    state: str
    cause: str
    health: str
    rack: str | None
    active_operation: int | None


@dataclass(frozen=True)
class Operation(_Row):
    """What was asked for, and how far it is."""

    id: int
    kind: str
    host: str | None
    state: str
    step_name: str
    cause: str
    words: str


@dataclass(frozen=True)
class Event(_Row):
    """Something that happened."""

    id: int
    at: str
    kind: str
    device: str | None
    words: str
    data: dict[str, Any]


class Muster:
    """The API. Every call raises Refused; one that acts may be sent again after any other failure."""

    def __init__(self, url: str, token: str) -> None:
        self.url = f"{url.rstrip('/')}/api/v1"
        self.token = token

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        """GET; what is None is left out of the query."""
        asked = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        return self._send(urllib.request.Request(f"{self.url}{path}?{asked}"))

    def post(self, path: str, body: dict[str, Any] | None = None, *, key: str = "") -> dict[str, Any]:
        """POST, once: tried again with the same key until there is an answer. key: yours, to go on after a crash."""
        headers = {"Idempotency-Key": key or uuid.uuid4().hex, "Content-Type": "application/json"}
        data = b"" if body is None else json.dumps(body).encode()
        return self._send(urllib.request.Request(f"{self.url}{path}", data, headers, method="POST"))

    def _send(self, request: urllib.request.Request) -> dict[str, Any]:
        request.add_header("Authorization", f"Bearer {self.token}")
        for n in range(TRIES):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    found: dict[str, Any] = json.load(answer)
                    return found
            except urllib.error.HTTPError as error:
                body = json.load(error)
                if n + 1 == TRIES or not (error.code in (429, 503) or body.get("code") == "running"):
                    raise Refused(error.code, body) from error
                time.sleep(float(error.headers.get("Retry-After", 1)))
            except (OSError, HTTPException):
                if n + 1 == TRIES:
                    raise
                time.sleep(2**n / 4)
        raise AssertionError("a try returns or raises")

    def pages(self, path: str, **query: Any) -> Iterator[dict[str, Any]]:
        """Every row of a list, page after page."""
        cursor: str | None = None
        while True:
            page = self.get(path, cursor=cursor, limit=1000, **query)
            yield from page["items"]
            cursor = page["next"]
            if cursor is None:
                return

    def hosts(self, **filters: Any) -> Iterator[Host]:
        """Hosts that match."""
        return (Host.of(row) for row in self.pages("/hosts", **filters))

    def ask(self, kind: str, hosts: list[str], *, reason: str, params: dict[str, Any] | None = None) -> list[Operation]:
        """Start an operation on each of these hosts: all or none."""
        body = {"kind": kind, "hosts": hosts, "params": params or {}, "reason": reason}
        return [Operation.of(row) for row in self.post("/operations", body)["operations"]]

    def wait(self, operations: list[Operation], *, pace_s: float = 2) -> list[Operation]:
        """Look until each has ended."""
        while True:
            now = [Operation.of(self.get(f"/operations/{o.id}")) for o in operations]
            if all(o.state in ENDED for o in now):
                return now
            time.sleep(pace_s)

    def events(self, after: str = "now", *, kinds: str | None = None) -> Iterator[tuple[str, list[Event], bool]]:
        """What happens: (cursor, events, more). Keep the cursor once you have done what the events ask of you."""
        while True:
            page = self.get("/events", after=after or None, kinds=kinds)
            after = page["next"]
            yield after, [Event.of(row) for row in page["items"]], page["more"]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    hosts = verbs.add_parser("hosts", help="list hosts")
    hosts.add_argument("--state")
    hosts.add_argument("--cause")
    ask = verbs.add_parser("ask", help="start an operation on hosts")
    ask.add_argument("kind")
    ask.add_argument("hosts", nargs="+")
    ask.add_argument("--reason", required=True)
    ask.add_argument("--wait", action="store_true", help="until each has ended; exit code 1 unless all succeeded")
    move = verbs.add_parser("move", help="move a host along its lifecycle")
    move.add_argument("host")
    move.add_argument("to")
    move.add_argument("--reason", required=True)
    events = verbs.add_parser("events", help="follow what happens, one JSON object a line")
    events.add_argument("--after", default="now", help="a cursor; '' for all that ever happened")
    events.add_argument("--kinds")
    events.add_argument("--once", action="store_true", help="end when there is no more")
    return parser


def _run(api: Muster, asked: argparse.Namespace) -> int:
    if asked.verb == "hosts":
        for host in api.hosts(state=asked.state, cause=asked.cause):
            print(f"{host.name:20} {host.state:12} {host.cause:20} {host.rack or ''}")
    elif asked.verb == "move":
        print(json.dumps(api.post("/transitions", {"host": asked.host, "to": asked.to, "reason": asked.reason})))
    elif asked.verb == "ask":
        found = api.ask(asked.kind, asked.hosts, reason=asked.reason)
        found = api.wait(found) if asked.wait else found
        for operation in found:
            print(
                f"{operation.id:8} {operation.host or '':20} {operation.state:10} {operation.cause} {operation.words}"
            )
        return int(asked.wait and any(o.state != "succeeded" for o in found))
    else:
        for cursor, events, more in api.events(asked.after, kinds=asked.kinds):
            for event in events:
                print(json.dumps({"cursor": cursor, **vars(event)}), flush=True)
            if asked.once and not more:
                return 0
            time.sleep(0 if more else 2)
    return 0


def main() -> int:
    """Exit 0: done. 1: it did not succeed. 2: refused, in words on stderr."""
    asked = _parser().parse_args()
    try:
        return _run(Muster(os.environ["MUSTER_URL"], os.environ["MUSTER_TOKEN"]), asked)
    except Refused as error:
        more = [f"{e.get('value', '')}: {e['title']}" for e in error.body.get("errors", [])]
        print(error, *more, error.body.get("expected") or error.body.get("hint") or "", sep="\n  ", file=sys.stderr)
        return 2
    except KeyError as error:
        print(f"set {error.args[0]}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
