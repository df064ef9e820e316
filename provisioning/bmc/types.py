"""Values that go into the driver and come out of it. All are frozen; None and empty mean "the BMC did not say"."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

Power = Literal["On", "Off", "PoweringOn", "PoweringOff"]
ResetKind = Literal["On", "ForceOff", "ForceRestart", "GracefulShutdown", "GracefulRestart", "PowerCycle"]
BootTarget = Literal["UefiHttp", "Pxe", "Hdd", "Cd", "None"]
Verdict = Literal["ok", "warning", "critical", "unknown"]
SensorKind = Literal["inlet", "temperature", "fan", "psu", "other"]
PartKind = Literal["cpu", "dimm", "drive", "gpu", "nvswitch", "psu"]


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to change hardware. Only the engine makes one, after it wrote the intent down."""

    intent_id: int


@dataclass(frozen=True, slots=True)
class Session:
    """An open Redfish session. location: path of its resource, for the logout."""

    token: str = field(repr=False)
    location: str


@dataclass(frozen=True, slots=True)
class Target:
    """Where a BMC is and how to log in.

    base_url: https, with the port if it is not 443. fingerprint: SHA-256 of the server certificate in hex, None before
    first contact. session: one that an earlier process opened and did not close.
    """

    name: str
    base_url: str
    user: str
    password: str = field(repr=False)
    fingerprint: str | None = None
    session: Session | None = None


class Hooks(Protocol):
    """Told about sessions, so that the caller can keep the token where the next process finds it.

    An opening that is followed by neither opened nor closed is a session that may have leaked: its answer was lost, or
    the process died. What a hook raises goes through to whoever made the call.
    """

    async def session_opening(self, name: str) -> None:
        """A login is about to be sent."""

    async def session_opened(self, name: str, session: Session) -> None:
        """It gave this session. If this raises, the session is closed again."""

    async def session_closed(self, name: str) -> None:
        """There is no session: logged out, forgotten by the BMC, or the login was refused."""


@dataclass(frozen=True, slots=True)
class FirstContact:
    """What a BMC tells without a login. fingerprint: SHA-256 of its certificate in hex."""

    fingerprint: str
    vendor: str | None
    product: str | None
    uuid: str | None
    tag: str | None
    bmc_mac: str | None
    redfish: str | None


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a machine is. boot_macs: Ethernet ports in the order of their slots, lower case with colons."""

    tag: str | None
    serial: str | None
    uuid: str | None
    model: str | None
    bios: str | None
    bmc_mac: str | None
    bmc_firmware: str | None
    boot_macs: tuple[str, ...]
    host_name: str | None


@dataclass(frozen=True, slots=True)
class Override:
    """The boot override as the BMC shows it."""

    enabled: str | None
    target: str | None
    mode: str | None


@dataclass(frozen=True, slots=True)
class SystemState:
    """One GET of the system.

    power: None when the BMC did not say or said something new. last_reset_at: the BMC's own text, to be compared only
    with itself. reset_kinds, boot_targets: what the BMC offers, empty when it does not tell.
    """

    power: Power | None
    boot_progress: str | None
    last_reset_at: str | None
    health: Verdict
    override: Override
    bios: str | None
    tag: str | None
    host_name: str | None = None
    reset_kinds: tuple[str, ...] = ()
    boot_targets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """bmc_at: the BMC's time, aware. read_at: ours at that moment, aware UTC."""

    bmc_at: datetime
    read_at: datetime

    @property
    def offset_s(self) -> float:
        """Seconds by which the BMC is ahead."""
        return (self.bmc_at - self.read_at).total_seconds()


@dataclass(frozen=True, slots=True)
class HttpBoot:
    """UEFI HTTP boot as it is, and as it will be after the next reset.

    interface: name of the network port, None where the BMC chooses. pending_*: equal to the current value when no
    change waits.
    """

    uri: str | None
    enabled: bool
    interface: str | None
    pending_uri: str | None
    pending_enabled: bool
    pending_interface: str | None


@dataclass(frozen=True, slots=True)
class Part:
    """One part that can be pulled out. size_bytes: of a DIMM or drive. pcie_gen: 5 for PCIe 5.0."""

    slot: str
    kind: PartKind
    model: str | None = None
    serial: str | None = None
    health: Verdict = "unknown"
    present: bool = True
    size_bytes: int | None = None
    firmware: str | None = None
    pcie_width: int | None = None
    pcie_gen: int | None = None
    pcie_max_width: int | None = None
    pcie_max_gen: int | None = None


@dataclass(frozen=True, slots=True)
class Hca:
    """An InfiniBand adapter. name: its FQDD. node_guid: 0x and 16 lower-case hex digits."""

    name: str
    node_guid: str | None = None
    model: str | None = None
    serial: str | None = None
    firmware: str | None = None
    health: Verdict = "unknown"
    present: bool = True
    pcie_width: int | None = None
    pcie_gen: int | None = None
    pcie_max_width: int | None = None
    pcie_max_gen: int | None = None


@dataclass(frozen=True, slots=True)
class Nic:
    """An Ethernet port. name: its FQDD. mac: lower case with colons."""

    name: str
    mac: str | None = None
    port: str | None = None
    speed_gbps: int | None = None
    link_up: bool | None = None
    health: Verdict = "unknown"


@dataclass(frozen=True, slots=True)
class Inventory:
    """Everything a profile can ask for. unread: sections that this BMC does not have; they are unknown, not missing."""

    cpus: tuple[Part, ...] = ()
    dimms: tuple[Part, ...] = ()
    drives: tuple[Part, ...] = ()
    gpus: tuple[Part, ...] = ()
    nvswitches: tuple[Part, ...] = ()
    hcas: tuple[Hca, ...] = ()
    nics: tuple[Nic, ...] = ()
    psus: tuple[Part, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FirmwareRow:
    """One installed firmware. Its key is (component, fqdd): ids change with each update."""

    component: str
    name: str | None
    version: str | None
    fqdd: str
    updateable: bool


@dataclass(frozen=True, slots=True)
class Health:
    """psus: empty unless asked for."""

    overall: Verdict
    processors: Verdict
    memory: Verdict
    psus: tuple[Part, ...] = ()


@dataclass(frozen=True, slots=True)
class Sensor:
    """One sensor. reading: degrees Celsius, rpm or percent, watts, by its kind. present: False for an empty place."""

    name: str
    kind: SensorKind
    reading: float | None
    health: Verdict
    present: bool = True


@dataclass(frozen=True, slots=True)
class Watch:
    """How a running host is. sensors: empty where the BMC cannot list them at once; then `health` is its own word."""

    power: Power | None
    health: Verdict
    sensors: tuple[Sensor, ...] = ()


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One row of the system event log. at: aware, None when the BMC's text is no time; raw_at keeps that text."""

    id: int
    at: datetime | None
    raw_at: str | None
    severity: Verdict
    message: str
    message_id: str | None
