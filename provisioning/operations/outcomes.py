"""What a step returns, what it asks the turn to write, and which driver error becomes which outcome."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from provisioning.bmc.errors import BmcError, BmcUnknown

# -- what the turn writes beside an outcome, in the same transaction; steps themselves write no row


@dataclass(frozen=True)
class Evidence:
    """One observation to keep. Its id goes into the transition that the operation earns."""

    kind: str
    words: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OpenFinding:
    """Something is not as it should be. key: makes the stable id, with domain, kind and the host."""

    domain: str
    kind: str
    severity: str
    words: str
    key: str = ""
    closed: bool = False


@dataclass(frozen=True)
class OpenWindow:
    """Let the host boot from the network for this operation, with these orders."""

    mode: str
    delivery: str
    orders: Mapping[str, Any]
    uri_sha256: str


@dataclass(frozen=True)
class CloseWindow:
    """The boot window is over; its tokens are dead."""


@dataclass(frozen=True)
class BmcSeen:
    """Columns of the host's BMC row."""

    columns: Mapping[str, Any]


@dataclass(frozen=True)
class HostSeen:
    """Columns of the host's row (never its state)."""

    columns: Mapping[str, Any]


@dataclass(frozen=True)
class PartsSeen:
    """The parts that the host has now: (kind, slot, serial, model, firmware, size)."""

    parts: tuple[tuple[str, str, str, str, str, str], ...]


@dataclass(frozen=True)
class IntoService:
    """After validated: give the host to the scheduler, when nothing stands against it."""


@dataclass(frozen=True)
class LeaveService:
    """Take the host out of service, for planned work."""


@dataclass(frozen=True)
class LoginRefused:
    """The BMC refused our login; two in a row open the breaker for everybody."""


Effect = (
    Evidence
    | OpenFinding
    | OpenWindow
    | CloseWindow
    | BmcSeen
    | HostSeen
    | PartsSeen
    | IntoService
    | LeaveService
    | LoginRefused
)


@dataclass(frozen=True)
class Done:
    """Go on to the next step. result is merged into operation.result."""

    words: str
    result: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True)
class Wait:
    """Nothing to do yet. seconds: of field time. in_doubt: what was sent is not yet known to have worked.

    poked: what is waited for wakes the operation itself (a boot event), so that looking again soon brings nothing.
    """

    seconds: float
    why: str
    result: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    progress: tuple[int, int] | None = None
    in_doubt: bool = False
    poked: bool = False


@dataclass(frozen=True)
class Retry:
    """A passing fault. counts: against the step's attempts; else only its deadline ends it. cause: when it does.

    back_to: the earlier step to go on from; the step that says so bounds how often.
    """

    why: str
    cause: str = ""
    counts: bool = True
    after_s: float | None = None
    result: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[Effect, ...] = ()
    in_doubt: bool = False
    back_to: str = ""


@dataclass(frozen=True)
class Fail:
    """Final. cause: a code of contracts.md; why: words for people."""

    why: str
    cause: str
    effects: tuple[Effect, ...] = ()
    traceback: str = ""


@dataclass(frozen=True)
class Lost:
    """The outcome is unknown and must not be guessed: a person or a look decides before anything acts."""

    why: str
    effects: tuple[Effect, ...] = ()


Outcome = Done | Wait | Retry | Fail | Lost

# class or code of the error (provisioning.bmc.errors) -> (cause of the failure, counts against attempts, final at once)
ERRORS: dict[str, tuple[str, bool, bool]] = {
    "BmcUnreachable": ("bmc_unreachable", False, False),
    "BmcTlsRefused": ("bmc_tls", False, True),
    "tls_handshake": ("bmc_unreachable", False, False),
    "BmcBusy": ("bmc_busy", False, False),
    "BmcRefused": ("bmc_refused", True, False),
    "bad_credentials": ("bmc_credentials", True, False),
    "must_change_password": ("bmc_credentials", False, True),
    "settling": ("bmc_busy", False, False),
    "locked": ("bmc_locked", False, True),
    "BmcUnsupported": ("bmc_unsupported", False, True),
    "BmcUnknown": ("bmc_unreachable", False, False),
}


def from_error(error: BmcError) -> Outcome:
    """The outcome that a known driver error is: by its code, else by its class."""
    cause, counts, final = ERRORS.get(error.code) or ERRORS[type(error).__name__]
    words = f"{error.verb}: {error.words}"
    effects: tuple[Effect, ...] = (LoginRefused(),) if error.code == "bad_credentials" else ()
    if final:
        return Fail(words, cause, effects)
    return Retry(words, cause, counts, error.retry_after_s, effects=effects, in_doubt=isinstance(error, BmcUnknown))
