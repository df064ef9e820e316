"""Simulated time: one timer heap drives all machines, whatever their number."""

import asyncio
import heapq
import itertools
from collections.abc import Callable
from typing import Any

LEAST_PAUSE_S = 0.2  # real seconds; keeps loops of the simulated firmware from spinning


class Timer:
    """One entry of the heap; `cancel` leaves it there, empty."""

    __slots__ = ("args", "call")

    def __init__(self, call: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.call: Callable[..., object] | None = call
        self.args = args

    def cancel(self) -> None:
        """Never call; a timer that was called is left alone."""
        self.call = None


class SimClock:
    """Delays in simulated seconds, divided by `scale`; `delays=False` takes all of them away.

    Must be made inside a running event loop.
    """

    def __init__(self, *, scale: float, delays: bool = True) -> None:
        self.scale = scale
        self.delays = delays
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._heap: list[tuple[float, int, Timer]] = []
        self._order = itertools.count()
        self._handle: asyncio.TimerHandle | None = None

    def real_s(self, simulated_s: float) -> float:
        """How many real seconds `simulated_s` takes here."""
        return simulated_s / self.scale if self.delays else 0.0

    def now_s(self) -> float:
        """Simulated seconds since the start."""
        return (self._loop.time() - self._start) * (self.scale if self.delays else 1.0)

    def at(self, delay_s: float, call: Callable[..., object], *args: Any) -> Timer:
        """Call `call(*args)` in `delay_s` simulated seconds; returns a timer that can be cancelled."""
        return self._push(self.real_s(delay_s), call, args)

    async def sleep(self, simulated_s: float) -> None:
        """Sleep `simulated_s` simulated seconds."""
        delay = self.real_s(simulated_s)
        if delay <= 0:
            await asyncio.sleep(0)
            return
        await self._wait(delay)

    async def pause(self, simulated_s: float) -> None:
        """As `sleep`, but never under 0.2 real seconds: for loops that would spin without delays."""
        await self._wait(max(self.real_s(simulated_s), LEAST_PAUSE_S))

    async def _wait(self, delay: float) -> None:
        done: asyncio.Future[None] = self._loop.create_future()
        timer = self._push(delay, _wake, (done,))
        try:
            await done
        finally:
            timer.cancel()

    def _push(self, delay: float, call: Callable[..., object], args: tuple[Any, ...]) -> Timer:
        timer = Timer(call, args)
        due = self._loop.time() + delay
        heapq.heappush(self._heap, (due, next(self._order), timer))
        if self._handle is None or due < self._handle.when():
            self._arm(due)
        return timer

    def _arm(self, due: float) -> None:
        if self._handle is not None:
            self._handle.cancel()
        self._handle = self._loop.call_at(due, self._run)

    def _run(self) -> None:
        self._handle = None
        now = self._loop.time()
        while self._heap and self._heap[0][0] <= now:
            timer = heapq.heappop(self._heap)[2]
            if timer.call is not None:
                timer.call(*timer.args)
        if self._heap and self._handle is None:
            self._arm(self._heap[0][0])


def _wake(done: "asyncio.Future[None]") -> None:
    if not done.done():
        done.set_result(None)
