"""One simulated server: what stands behind a BMC, and everything about it that a restart must remember."""

import asyncio
import collections
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from provisioning.simulator import draw, faults, reference
from provisioning.simulator.bmc import Bmc
from provisioning.simulator.faults import Fault
from provisioning.simulator.plan import HostPlan, mac
from provisioning.simulator.world import World

CONSOLE_LINES = 200
_FAILED_MESSAGES = {"psu_dead": "PSU0001", "dimm_missing": "MEM0001"}
_WRONG_CLOCK_S = -3.1e8  # nearly ten years


@dataclass(slots=True)
class Installed:
    """The system on the disk. `agent_token` comes with the answer to the phone-home."""

    image: str
    hostname: str
    phone_home_url: str
    phone_home_token: str
    ssh_host_key: str
    agent_token: str | None = None


@dataclass(slots=True)
class Override:
    """The boot override as the BMC shows it."""

    enabled: str = "Disabled"
    target: str = "None"


@dataclass(slots=True)
class RamdiskRun:
    """A ramdisk that has its orders: all that it needs to go on after the simulator was started again."""

    base: str
    session: str
    orders: dict[str, Any]
    has_introduced_itself: bool = False
    is_done: bool = False
    results: list[dict[str, Any]] = field(default_factory=list)


@dataclass(slots=True)
class TestRun:
    """Tests that the agent of the installed host was asked for."""

    tests: list[dict[str, Any]]
    started_s: float
    results: list[dict[str, Any]] = field(default_factory=list)


class Host:
    """Power, boot and operating system of one server. The functions of power.py and boot.py move it."""

    __slots__ = (
        "agent_is_up",
        "bios",
        "bmc",
        "board_firmware",
        "boot_id",
        "boot_progress",
        "boot_target",
        "boots",
        "clock_offset_s",
        "console",
        "copies_until_s",
        "fault",
        "last_reset_at",
        "networks",
        "override",
        "phase",
        "plan",
        "power",
        "ramdisk",
        "reset_intents",
        "reset_requests",
        "resets",
        "system",
        "task",
        "test_runs",
        "world",
    )

    def __init__(self, plan: HostPlan, world: World, fault: str | None = None) -> None:
        self.plan = plan
        self.world = world
        self.bmc = Bmc(plan, world)
        self.fault: Fault | None = None
        self.power = "Off"
        self.phase = "off"
        self.boot_progress = "None"
        self.boot_id = ""
        self.boots = 0
        self.networks = 0  # boots that came as far as the network
        self.resets = 0  # power actions that were applied
        self.reset_requests = 0
        self.reset_intents: dict[str, int] = {}
        self.last_reset_at: datetime | None = None
        self.override = Override()
        self.boot_target = "None"  # the override that this boot has used up
        self.ramdisk: RamdiskRun | None = None
        self.bios: dict[str, Any] = {}  # settings that differ from the reference
        self.board_firmware: dict[str, str] = {}  # FQDD: version, where it differs from the reference
        self.clock_offset_s = draw.between(-400, 400, world.options.seed, plan.name, "hardware clock")
        self.system: Installed | None = None
        self.copies_until_s = 0.0  # the HGX board copies its new images in the background
        self.agent_is_up = False
        self.test_runs: dict[str, TestRun] = {}
        self.console: collections.deque[str] = collections.deque(maxlen=CONSOLE_LINES)
        self.task: asyncio.Task[Any] | None = None
        if fault is not None:
            self.break_by(fault)

    # Identity. Another machine stands there under the fault wrong_serial: nothing of it agrees with the plan.

    @property
    def name(self) -> str:
        """The plan's name."""
        return self.plan.name

    @property
    def _identity(self) -> tuple[object, ...]:
        stranger = ("stranger",) if self.has("wrong_serial") else ()
        return (self.world.options.seed, self.plan.name, *stranger)

    @property
    def tag(self) -> str:
        """The service tag, which is also what the operating system reads as the serial number."""
        return draw.code(7, *self._identity, "tag") if self.has("wrong_serial") else self.plan.tag

    @property
    def uuid(self) -> str:
        """Dell's form: the first four bytes spell DELL backwards."""
        rest = f"{draw.number(*self._identity, 'uuid'):016x}{draw.number(*self._identity, 'uuid', 2):016x}"
        return str(uuid.UUID("4c4c4544" + rest[8:], version=4))

    @property
    def boot_mac(self) -> str:
        """MAC address of the port that boots."""
        return mac(*self._identity, "eth0") if self.has("wrong_serial") else self.plan.boot_mac

    @property
    def node_guids(self) -> tuple[str, ...]:
        """One GUID an HCA, mlx5_0 first."""
        if not self.has("wrong_serial"):
            return self.plan.node_guids
        return tuple(f"0x{draw.number(*self._identity, 'guid', rail):016x}" for rail in range(8))

    @property
    def bmc_mac(self) -> str:
        """MAC address of the BMC."""
        return mac(*self._identity, "bmc") if self.has("wrong_serial") else self.plan.bmc_mac

    def serial(self, *part: object) -> str:
        """The serial number of a part of this machine."""
        return draw.code(14, *self._identity, *part)

    def firmware(self, fqdd: str, version: str) -> str:
        """The version that runs there, given the reference one."""
        if self.fault is not None and self.fault.part == "firmware" and self.fault.slot == fqdd:
            return older(version) if self.fault.how == "older" else str(self.fault.how)
        return self.board_firmware.get(fqdd, version)

    @property
    def bios_version(self) -> str:
        """The BIOS that runs."""
        return self.firmware("BIOS.Setup.1-1", reference.BIOS_VERSION)

    # Faults

    def has(self, fault: str) -> bool:
        """Whether the host carries this fault."""
        return self.fault is not None and self.fault.name == fault

    def fire(self, fault: str, *, once: bool = False, **facts: Any) -> bool:
        """Whether `fault` shows here and now; journalled. `once`: the first time only."""
        if self.fault is None or self.fault.name != fault or (once and self.fault.fired):
            return False
        self.fault.fired += 1
        self.world.journal.write("fault_fired", self.name, fault=fault, time=self.fault.fired, **facts)
        return True

    def break_by(self, fault: str) -> None:
        """Give the host this fault."""
        self.fault = Fault(fault, seed=self.world.options.seed, host=self.name)
        if fault == "bmc_credentials":
            self.bmc.set_login(self.world.options.user, draw.code(12, self._identity, "unknown password"))
        if fault in ("clock_wrong", "clock_refused"):
            self.bmc.clock_offset_s = _WRONG_CLOCK_S
        if self.fault.how == "failed":
            words = f"{self.fault.slot} failed."
            self.bmc.log("Sel", _FAILED_MESSAGES[fault], words, "Critical")
        self.world.journal.write("fault_set", self.name, fault=fault, slot=self.fault.slot, how=self.fault.how)

    def mend(self) -> str | None:
        """Take the fault away, as hands would; returns what it was."""
        if self.fault is None:
            return None
        fault, self.fault = self.fault.name, None
        if fault == "bmc_credentials":
            self.bmc.set_login(self.world.options.user, self.world.options.password)
            self.bmc.bad_logins.clear()
        if fault in ("clock_wrong", "clock_refused"):
            self.bmc.clock_offset_s = 0.0
        self.world.journal.write("fault_mended", self.name, fault=fault)
        return fault

    # What moves

    def say(self, line: str) -> None:
        """A line on the serial console."""
        self.console.append(line)

    def enter(self, phase: str, progress: str | None = None, **facts: Any) -> None:
        """Note a phase of the boot, in the journal and (`progress`) as the BMC shows it."""
        self.phase = phase
        if progress is not None:
            self.boot_progress = progress
        self.world.journal.write("phase", self.name, phase=phase, boot=self.boots, **facts)

    def note_reset(self) -> None:
        """The processors start anew: a new boot id, and LastResetTime moves even within one second."""
        now = self.bmc.now().replace(microsecond=0)
        last = self.last_reset_at
        if last is not None and now <= last < now + timedelta(minutes=1):
            now = last + timedelta(seconds=1)
        self.last_reset_at = now
        self.boot_id = str(uuid.uuid4())
        self.boots += 1
        self.boot_target = "None"
        self.ramdisk = None
        self.agent_is_up = False
        self.test_runs.clear()

    def stop(self) -> None:
        """End whatever runs on the processors."""
        self.agent_is_up = False
        self.ramdisk = None
        if self.task is not None:
            self.task.cancel()
            self.task = None

    def is_copying(self) -> bool:
        """The HGX board copies an image: its power must stay."""
        return self.world.clock.now_s() < self.copies_until_s

    def utc(self) -> str:
        """The host's own clock."""
        at = datetime.now(UTC) + timedelta(seconds=self.clock_offset_s)
        return at.isoformat(timespec="seconds").replace("+00:00", "Z")

    def truth(self) -> dict[str, Any]:
        """What the control API says about the fault."""
        return self.fault.truth() if self.fault is not None else faults.healthy()


def older(version: str) -> str:
    """A version that came before `version`, in the same form: its last number that can go down went down."""
    parts = version.split(".")
    for index in reversed(range(len(parts))):
        if parts[index].isdigit() and int(parts[index]) > 0:
            parts[index] = f"{int(parts[index]) - 1:0{len(parts[index])}d}"
            break
    return ".".join(parts)
