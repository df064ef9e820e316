"""What all machines share: time, journal, options, the way to the boot service."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from provisioning.simulator.boot_client import BootClient
from provisioning.simulator.clock import SimClock
from provisioning.simulator.journal import Journal

SESSION_IDLE_S = 1800.0
LEAST_SESSION_IDLE_S = 30.0  # real; a client under load must not lose its session between two calls


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one run. `boot_url` is where PXE firmware asks without a one-time URI."""

    seed: int = 1
    user: str = "root"
    password: str = "calvin"
    boot_url: str = "http://127.0.0.1:8000/boot"
    whole_image_share: int = 64  # 1 in so many hosts fetches the whole image and checks its digest
    latency_ms: float = 0.0


@dataclass(slots=True)
class World:
    """One per simulator."""

    options: Options
    clock: SimClock
    journal: Journal
    boot: BootClient
    tasks: set[asyncio.Task[Any]] = field(default_factory=set)

    @property
    def session_idle_s(self) -> float:
        """Simulated seconds after which an unused session is gone."""
        scale = self.clock.scale if self.clock.delays else 1.0
        return max(SESSION_IDLE_S, LEAST_SESSION_IDLE_S * scale)

    def spawn(self, work: Coroutine[Any, Any, object]) -> asyncio.Task[Any]:
        """Run `work` beside everything else; an error in it ends the process's peace, not silently."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.journal.write("defect", words=repr(error))
            asyncio.get_running_loop().call_exception_handler(
                {"message": "simulated machine failed", "exception": error, "task": task}
            )
