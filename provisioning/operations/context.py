"""What a step may use: the operation, a snapshot of its host, the BMC, the agent, the way to a side effect."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from provisioning.agent.client import Agent
from provisioning.bmc.client import Bmc, Fleet
from provisioning.bmc.types import Permit, Target


@dataclass(frozen=True)
class HostSnapshot:
    """The host as the database had it when its operation was claimed."""

    id: int
    name: str
    state: str
    serial: str
    uuid: str
    boot_id: str
    health: str
    held: int
    boot_macs: tuple[str, ...]
    address: str
    bmc_address: str
    bmc_mac: str
    bmc_fingerprint: str
    waived: frozenset[str]
    scheduler: str = "none"


@dataclass(frozen=True)
class WindowSnapshot:
    """How far the host's network boot has come (provisioning.models.BootWindow)."""

    mode: str
    opened_at: datetime
    boot_used_at: datetime | None
    asks: int
    asked_at: datetime | None
    stage: str
    stage_at: datetime | None
    words: str
    done: int
    total: int
    failed_code: str
    boot_id: str
    inventory: dict[str, Any] | None
    tests: list[dict[str, Any]]
    tested: dict[str, Any] | None
    written: dict[str, Any] | None
    phone_home: dict[str, Any] | None


@dataclass(frozen=True)
class SentIntent:
    """An intent of this step that is on record: what, when, in which attempt; settled: its outcome is on record too."""

    what: str
    at: datetime
    attempt: int
    settled: bool


@dataclass
class Context:
    """One turn's view of one operation. Steps read it, and act only through intend()."""

    operation_id: int
    kind: str
    params: dict[str, Any]
    result: dict[str, Any]
    attempt: int
    step_name: str
    step_started_at: datetime
    now: datetime
    host: HostSnapshot
    profile: dict[str, Any]
    window: WindowSnapshot | None
    sent: tuple[SentIntent, ...]
    boot_url: str
    target: Target
    fleet: Fleet
    agent: Agent
    permit: Callable[..., Awaitable[Permit]]
    log_lines: list[str] = field(default_factory=list)

    @property
    def bmc(self) -> Bmc:
        """The host's BMC; its sessions and connections belong to the worker process."""
        return self.fleet.bmc(self.target)

    @property
    def sent_now(self) -> tuple[SentIntent, ...]:
        """Intents of this attempt at this step."""
        return tuple(i for i in self.sent if i.attempt == self.attempt)

    @property
    def in_doubt(self) -> tuple[SentIntent, ...]:
        """Intents of this step whose sender died, or whose answer never came: look before anything is repeated."""
        return tuple(i for i in self.sent if not i.settled)

    async def intend(self, what: str, *, power: bool = False, beacon: bool = False) -> Permit:
        """Put on record what is about to be done to the hardware, and get the permit for it.

        Raises Refused (nothing was sent) when a hold, a critical section, the power cap or a lost claim says no.
        """
        return await self.permit(what, power=power, beacon=beacon)

    def log(self, words: str) -> None:
        """A line for the operation's log, written with the outcome."""
        self.log_lines.append(words)


class Refused(Exception):
    """intend() said no. code: one of provisioning.engine.claim.REFUSALS."""

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code
        self.words = words
