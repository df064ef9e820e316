"""A step alone: its context made by hand, its BMC and its agent answering what the test says."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

from provisioning.agent.client import AgentError, Facts
from provisioning.bmc.types import Override, Permit, SystemState, Target
from provisioning.operations.context import Context, HostSnapshot, SentIntent, WindowSnapshot

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
STATE = SystemState(
    power="On", boot_progress="OSRunning", last_reset_at="t0", health="ok",
    override=Override(enabled="Disabled", target="None", mode=None), bios="2.3.5", tag="TAG0001",
    reset_kinds=("On", "ForceOff", "ForceRestart", "GracefulShutdown", "GracefulRestart", "PowerCycle"),
)  # fmt: skip
HOST = HostSnapshot(
    id=1, name="host-001", state="installed", serial="TAG0001", uuid="uuid-1", boot_id="boot-2", health="ok", held=0,
    boot_macs=("02:00:00:00:00:01",), address="127.128.0.1:7777", bmc_address="127.64.0.1", bmc_mac="02:00:00:00:01:01",
    bmc_fingerprint="", waived=frozenset(),
)  # fmt: skip
WINDOW = WindowSnapshot(
    mode="install", opened_at=NOW, boot_used_at=None, asks=0, asked_at=None, stage="", stage_at=None, words="", done=0,
    total=0, failed_code="", boot_id="", inventory=None, tests=[], tested=None, written=None, phone_home=None,
)  # fmt: skip


@dataclass
class Answers:
    """Stands for the BMC: attributes are what a call gives, an exception is raised. sent: the writes, in order."""

    state: SystemState | Exception = STATE
    sent: list[tuple[Any, ...]] = field(default_factory=list)
    gives: dict[str, Any] = field(default_factory=dict)

    async def system(self) -> SystemState:
        return self._give(self.state)

    async def ready(self) -> None:
        self._give(self.gives.get("ready"))

    def __getattr__(self, name: str) -> Any:
        async def call(*arguments: Any, **more: Any) -> Any:
            if arguments and isinstance(arguments[0], Permit):
                self.sent.append((name, *arguments[1:], *more.values()))
            return self._give(self.gives.get(name))

        return call

    @staticmethod
    def _give(answer: Any) -> Any:
        if isinstance(answer, Exception):
            raise answer
        return answer


@dataclass
class FakeAgent:
    """Stands for the agent on the host."""

    answer: Any = None
    started: list[str] = field(default_factory=list)

    async def facts(self, address: str, token: str) -> Facts:
        return self._give()

    async def start_tests(self, address: str, token: str, tests_id: str, tests: list) -> None:
        self.started.append(tests_id)
        self._give()

    async def tests(self, address: str, token: str, tests_id: str) -> dict[str, Any]:
        return self._give()

    def _give(self) -> Any:
        if isinstance(self.answer, AgentError):
            raise self.answer
        return self.answer


def context(
    bmc: Answers | None = None, *, waited_s: float = 60, window: dict | None = None, sent: tuple = (), **changes: Any
) -> Context:
    """A context in which a step stands for waited_s seconds. window: changes of an open one, None for none.

    sent: (what, seconds ago, attempt, settled). host: changes of the host.
    """
    bmc = bmc or Answers()
    intended: list[tuple[str, bool]] = []

    async def permit(what: str, *, power: bool, beacon: bool) -> Permit:
        intended.append((what, power))
        return Permit(len(intended))

    usual: dict[str, Any] = {
        "operation_id": 7, "kind": "install", "params": {}, "result": {}, "attempt": 1, "step_name": "step",
        "step_started_at": NOW - timedelta(seconds=waited_s), "now": NOW, "profile": {},
        "boot_url": "http://boot", "agent": FakeAgent(),
    }  # fmt: skip
    usual |= {name: value for name, value in changes.items() if name != "host"}
    made = Context(
        host=replace(HOST, **changes.get("host", {})),
        window=None if window is None else replace(WINDOW, **window),
        sent=tuple(
            SentIntent(what, NOW - timedelta(seconds=ago), attempt, settled) for what, ago, attempt, settled in sent
        ),
        target=Target(name="host-001", base_url="https://127.64.0.1", user="root", password="calvin"),
        fleet=SimpleNamespace(bmc=lambda target: bmc),
        permit=permit,
        **usual,
    )
    made.intended = intended  # type: ignore[attr-defined]
    return made
