"""Turns without a worker: what a pump does, one after the other, in the test's own transaction.

A kind of operation whose steps answer what the test says, on hosts whose BMCs answer what the test says.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from django.contrib.postgres.functions import TransactionNow
from django.db import connections

from provisioning.bmc.types import Override, Permit, Session, SystemState
from provisioning.engine import claim, write
from provisioning.engine.claim import Want
from provisioning.engine.flight import Flight
from provisioning.engine.snapshot import seal
from provisioning.engine.write import Record
from provisioning.models import Operation
from provisioning.operations.context import Context, Refused
from provisioning.operations.kinds import MINUTE, Kind, Step
from provisioning.operations.outcomes import Done, Outcome
from provisioning.operations.registry import KINDS

T = TypeVar("T")

WORKER = "machine:1:1"
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)
STATE = SystemState(
    power="On", boot_progress="OSRunning", last_reset_at="2026-01-01T00:00:00Z", health="ok",
    override=Override(enabled=None, target=None, mode=None), bios=None, tag=None, reset_kinds=(),
)  # fmt: skip


class FakeBmc:
    """Answers from `state`; an exception in its place is raised. calls: what was asked of it, and of which host."""

    def __init__(self) -> None:
        self.state: SystemState | Exception = STATE
        self.calls: list[tuple[str, str]] = []
        self.name = ""
        self.session: Session | None = Session("token", "/sessions/mine")
        self.open: list[str] | Exception = []

    async def system(self) -> SystemState:
        self.calls.append((self.name, "system"))
        if isinstance(self.state, Exception):
            raise self.state
        return self.state

    async def sel(self, *, limit: int = 50) -> tuple[object, ...]:
        return ()

    async def console_tail(self) -> tuple[str, ...]:
        return ("Loading initial ramdisk ...",)

    async def sessions(self) -> tuple[str, ...]:
        if isinstance(self.open, Exception):
            raise self.open
        return tuple(self.open)

    async def delete_session(self, location: str) -> None:
        self.calls.append((self.name, f"close {location}"))

    async def reset(self, permit: Permit, kind: str) -> None:
        self.calls.append((self.name, f"reset {kind} by {permit.intent_id}"))


class FakeFleet:
    """One BMC for all hosts."""

    def __init__(self) -> None:
        self.one = FakeBmc()

    def bmc(self, target: Any) -> FakeBmc:
        self.one.name = target.name
        return self.one


class Bench:
    """Stands where the pump stands: claims, flies, writes each outcome at once."""

    def __init__(self) -> None:
        self.bmcs = FakeFleet()
        self.agents: Any = None
        self.devices: dict[str, int] = {}
        self.records: list[Record] = []
        self.late: Callable[[Record], None] | None = None

    @property
    def bmc(self) -> FakeBmc:
        return self.bmcs.one

    def put(self, record: Record, *, hurry: bool) -> "asyncio.Future[bool]":
        self.records.append(record)
        if self.late:
            self.late(record)
        future: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        future.set_result((record.op, record.fence) in write.write([record]))
        return future

    async def written(self, put: "asyncio.Future[bool]") -> bool:
        return await put

    async def permit(self, want: Want) -> Permit:
        refusal, intent = claim.intend([want])[0]
        if intent is None:
            raise Refused(refusal, claim.REFUSALS[refusal])
        return Permit(intent)

    async def session_opening(self, name: str) -> None:
        claim.store_sessions([(self.devices[name], "opening", WORKER, b"")])

    async def session_opened(self, name: str, session: Session) -> None:
        claim.store_sessions([(self.devices[name], "open", WORKER, seal(session))])

    def claim(self, room: int = 100) -> list[Flight]:
        """What is due, claimed."""
        return [Flight(row, self) for row in claim.claim(room=room, worker=WORKER)]  # type: ignore[arg-type]

    def turn(self) -> int:
        """Everything that is due once; how many operations that were."""
        flights = self.claim()
        for flight in flights:
            in_loop(flight.fly())
        return len(flights)


def in_loop(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine whose database work belongs to the transaction of this thread."""
    ours = connections["default"]

    async def run() -> T:
        connections["default"] = ours
        return await work

    return asyncio.run(run())


class Script:
    """The steps of the kind `rehearsal`: each gives its answers one after the other, then Done for ever.

    An answer is an outcome, an exception to raise, or a coroutine function of the context.
    """

    def __init__(self, **answers: Sequence[Any]) -> None:
        self.answers = {name: list(given) for name, given in answers.items()}
        self.seen: list[tuple[str, int]] = []
        self.contexts: list[Context] = []

    def step(self, name: str) -> Callable[[Context], Any]:
        async def run(ctx: Context) -> Outcome:
            self.seen.append((name, ctx.attempt))
            self.contexts.append(ctx)
            left = self.answers.get(name) or []
            answer = left.pop(0) if left else Done(f"{name} is done")
            if isinstance(answer, Exception):
                raise answer
            return await answer(ctx) if callable(answer) else answer

        return run


def rehearsal(patch: pytest.MonkeyPatch, script: Script, **kind: Any) -> Script:
    """Make `rehearsal` a kind of operation for this test: steps look, act and settle, by this script."""
    names = {"look": 30 * MINUTE, "act": 20 * MINUTE, "settle": 10 * MINUTE}
    more = kind.pop("steps", {})
    steps = tuple(
        Step(name, script.step(name), deadline_s, **{"cause": f"no_{name}", "attempts": 3, **more.get(name, {})})
        for name, deadline_s in names.items()
    )
    usual = {
        "deadline_s": 60 * MINUTE,
        "becomes": "installed",
        "from_states": frozenset({"burned_in", "installed", "quarantined"}),
    }
    patch.setitem(KINDS, "rehearsal", Kind(name="rehearsal", steps=steps, **{**usual, **kind}))
    return script


def again(operation: Operation, **columns: Any) -> Operation:
    """The operation as it is now; due again when it waits."""
    Operation.objects.filter(pk=operation.pk, wake_at__isnull=False).update(wake_at=TransactionNow(), **columns)
    operation.refresh_from_db()
    return operation
