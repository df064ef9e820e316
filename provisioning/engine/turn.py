"""The pump: claims due operations, runs their steps on one event loop, writes what they found in batches."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from django.db import Error, close_old_connections

from fleet.errors import MusterError
from provisioning.agent.client import Agent
from provisioning.bmc.client import Fleet
from provisioning.bmc.types import Permit, Session
from provisioning.engine import claim, release, sweep, write
from provisioning.engine.claim import Want
from provisioning.engine.flight import Flight, kill_at
from provisioning.engine.snapshot import seal
from provisioning.engine.write import Record
from provisioning.operations.context import Refused

log = logging.getLogger("muster.engine")

IN_FLIGHT = 128
LOOK_S = 0.1
FLUSH_S = 0.02
BATCH = 200
RENEW_S = 15.0
REST_S = 2.0
RELEASE_S = 1.0  # looking what a campaign of thousands may begin takes milliseconds: not after every batch
RELEASE_AT_REST_S = 5.0  # a wave that was quiet for long enough, or a window that opens, is noticed by nothing else

T = TypeVar("T")


class Collector:
    """Gathers calls of some milliseconds into one call of a function that takes them all."""

    def __init__(
        self, run: Callable[[list[Any]], list[Any] | None], executor: ThreadPoolExecutor, wait_s: float
    ) -> None:
        self._run, self._executor, self._wait_s = run, executor, wait_s
        self._waiting: list[tuple[Any, asyncio.Future[Any]]] = []
        self._task: asyncio.Task[None] | None = None

    async def add(self, item: Any) -> Any:
        """The answer for this item, once its batch has run. Raises what the batch raised."""
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._task is None:
            self._task = asyncio.create_task(self._flush())
        return await future

    async def _flush(self) -> None:
        await asyncio.sleep(self._wait_s)
        batch, self._waiting, self._task = self._waiting, [], None
        try:
            answers = await in_thread(self._executor, self._run, [item for item, _ in batch])
        except Exception as error:  # noqa: BLE001 (whoever waits must hear of it; the flight words it)
            for _, future in batch:
                if not future.done():
                    future.set_exception(error)
            return
        for n, (_, future) in enumerate(batch):
            if not future.done():
                future.set_result(answers[n] if answers is not None else None)


async def in_thread(executor: ThreadPoolExecutor, run: Callable[..., T], *arguments: Any) -> T:
    """Run blocking database work in a thread that keeps its own connection."""

    def work() -> T:
        close_old_connections()
        return run(*arguments)

    return await asyncio.get_running_loop().run_in_executor(executor, work)


class Pump:
    """One per worker process. Its loop lives as long as the process, so that BMC sessions and connections live on."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.worker = claim.me()
        self.outcomes_db = ThreadPoolExecutor(1, "outcomes")
        self.intents_db = ThreadPoolExecutor(1, "intents")
        self.flights: dict[int, asyncio.Task[None]] = {}
        self.fences: dict[int, int] = {}
        self.out: list[tuple[Record, asyncio.Future[bool]]] = []
        self.dropped: set[tuple[int, int]] = set()
        self.hurry = asyncio.Event()
        self.devices: dict[str, int] = {}
        self._lock = threading.Lock()
        self._renewed = time.monotonic()
        self.has_ended = False
        self._released = 0.0
        self.sweeping: asyncio.Task[int] | None = None
        threading.Thread(target=self._loop_forever, name="pump", daemon=True).start()
        asyncio.run_coroutine_threadsafe(self._open(), self.loop).result()

    def _loop_forever(self) -> None:
        asyncio.set_event_loop(self.loop)
        self.loop.run_forever()

    async def _open(self) -> None:
        self.bmcs = Fleet(hooks=self, call_timeout_s=claim.CALL_TIMEOUT_S)
        self.agents = Agent()
        self.intents = Collector(claim.intend, self.intents_db, FLUSH_S)
        self.sessions = Collector(claim.store_sessions, self.intents_db, FLUSH_S)

    def look(self, seconds: float = 20.0) -> None:
        """Run the pump until it rests, at most so long. Returns at once when it runs already (then it looks anew)."""
        if not self._lock.acquire(blocking=False):
            self.loop.call_soon_threadsafe(self.hurry.set)
            return
        try:
            run: Future[None] = asyncio.run_coroutine_threadsafe(self.run(seconds), self.loop)
            run.result()
        finally:
            self._lock.release()

    async def run(self, seconds: float) -> None:
        """Claim, start, write, renew, until nothing is in flight or due soon."""
        end = time.monotonic() + seconds
        while True:
            open_for_more = time.monotonic() < end
            started = await self._start() if open_for_more else 0
            if not self.flights and not self.out and not started:
                if self.has_ended or time.monotonic() - self._released >= RELEASE_AT_REST_S:
                    self.has_ended, self._released = True, 0.0
                    await self._release()
                    continue
                if not open_for_more:
                    return
                due = await in_thread(self.outcomes_db, claim.next_due)
                if due is None or due > REST_S:
                    return
                await self._nap(min(max(due, 0.01), LOOK_S * 2))
                continue
            await self._nap(LOOK_S)
            await self._write()
            await self._renew()
            await self._release()

    async def _nap(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self.hurry.wait(), seconds)
            await asyncio.sleep(FLUSH_S)
        except TimeoutError:
            pass
        self.hurry.clear()

    async def _start(self) -> int:
        room = min(IN_FLIGHT - len(self.flights), BATCH)
        if room <= 0:
            return 0
        rows = await in_thread(self.outcomes_db, lambda: claim.claim(room=room, worker=self.worker))
        for row in rows:
            try:
                flight = Flight(row, self)
            except Exception:  # such as a kind that an older version does not know
                log.exception("operation %d cannot be worked on here; its claim will run out", row["id"])
                continue
            self.fences[flight.op] = flight.fence
            task = asyncio.create_task(flight.fly())
            self.flights[flight.op] = task
            task.add_done_callback(lambda t, op=flight.op: self._landed(op, t))  # type: ignore[misc]
        return len(rows)

    def _landed(self, op: int, task: asyncio.Task[None]) -> None:
        if self.flights.get(op) is task:  # a newer flight of the same operation keeps its claim
            self.flights.pop(op)
            self.fences.pop(op, None)
        self.dropped = {key for key in self.dropped if key[0] != op or op in self.flights}
        if not task.cancelled() and (error := task.exception()):
            log.error("operation %d: its flight broke; its claim will run out", op, exc_info=error)
        self.hurry.set()

    def put(self, record: Record, *, hurry: bool) -> asyncio.Future[bool]:
        """Hand over an outcome. The future tells when it is written: False when its fence is no longer ours."""
        future: asyncio.Future[bool] = self.loop.create_future()
        self.out.append((record, future))
        if hurry:
            self.hurry.set()
        return future

    async def written(self, put: asyncio.Future[bool]) -> bool:
        """Wait until an outcome is written, and all that its flight handed over before it; False when one is not."""
        if not put.done():
            self.hurry.set()
        return await put

    async def _write(self) -> None:
        while self.out:
            batch, self.out = self.out[:BATCH], self.out[BATCH:]
            records = [record for record, _ in batch if (record.op, record.fence) not in self.dropped]
            try:
                kept = await in_thread(self.outcomes_db, write.write, records) if records else set()
            except Exception:
                log.exception("%d outcomes could not be written; their claims will run out", len(batch))
                kept = set()
            # After an outcome that is lost nothing of the same flight is written: the next one would skip a step.
            self.dropped |= {(record.op, record.fence) for record in records} - kept
            for record, future in batch:
                if not future.done():
                    future.set_result((record.op, record.fence) in kept)
            self.has_ended |= any(record.ended for record, _ in batch)

    async def _release(self) -> None:
        """Let hosts begin that campaigns hold back, some time after others have ended."""
        if self.has_ended and time.monotonic() - self._released >= RELEASE_S:
            self.has_ended, self._released = False, time.monotonic()
            await self._try("campaigns let nobody begin", release.release)

    async def _renew(self) -> None:
        if time.monotonic() - self._renewed < RENEW_S or not self.fences:
            return
        renewed = await self._try("claims were not renewed", claim.renew, list(self.fences.items()))
        self._renewed = time.monotonic() - (0 if renewed else RENEW_S - REST_S)

    async def _try(self, fault: str, run: Callable[..., Any], *arguments: Any) -> bool:
        """Work that the next look does as well as this one: what is in flight must not stop for it."""
        try:
            await in_thread(self.outcomes_db, run, *arguments)
        except (MusterError, Error):
            log.exception(fault)
            return False
        return True

    async def database(self, run: Callable[..., T], *arguments: Any, **named: Any) -> T:
        """Run database work between the writes of outcomes."""
        return await in_thread(self.outcomes_db, partial(run, *arguments, **named))

    def sweep(self) -> None:
        """Let the health sweep run beside the flights, unless it runs already. Returns at once."""
        self.loop.call_soon_threadsafe(self._sweep)

    def _sweep(self) -> None:
        if self.sweeping is None or self.sweeping.done():
            self.sweeping = asyncio.create_task(sweep.run(self))
            self.sweeping.add_done_callback(_swept)

    async def permit(self, want: Want) -> Permit:
        """The permit for a side effect, once its intent is committed. Raises Refused."""
        refusal, intent = await self.intents.add(want)
        if intent is None:
            raise Refused(refusal, claim.REFUSALS.get(refusal, refusal))
        return Permit(intent)

    # -- hooks of the BMC driver: a session is on record before and after it is opened, so that a crash leaks none

    async def session_opening(self, name: str) -> None:
        """The next login of this BMC is about to be sent."""
        await self.sessions.add((self.devices[name], "opening", self.worker, b""))

    async def session_opened(self, name: str, session: Session) -> None:
        """It was granted: keep the token, encrypted."""
        kill_at("session:opened")
        await self.sessions.add((self.devices[name], "open", self.worker, seal(session)))

    async def session_closed(self, name: str) -> None:
        """It is gone."""
        await self.sessions.add((self.devices[name], "", self.worker, b""))


def _swept(task: asyncio.Task[int]) -> None:
    if not task.cancelled() and (error := task.exception()):
        log.error("the health sweep broke; the next one begins where it ended", exc_info=error)


_pump: Pump | None = None
_made = threading.Lock()


def pump() -> Pump:
    """This process's pump; made on first use, when the worker's process is the one that will run it."""
    global _pump
    with _made:
        if _pump is None:
            _pump = Pump()
        return _pump
