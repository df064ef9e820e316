"""What an answer of a BMC means: its messages, and the table that turns them into the driver's errors.

Classified by MessageId first and status second: iDRAC says "not ready" with 400 (quirk idrac-not-ready-400) and reports
errors inside 200 (quirk error-in-200). Prefix and version of the id vary, so its last part counts (bmc.md 1.1).
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from provisioning.bmc import fields
from provisioning.bmc.errors import BmcBusy, BmcError, BmcRefused, BmcUnknown, BmcUnsupported
from provisioning.bmc.fields import Json

MAX_WORDS = 300
MAX_RETRY_AFTER_S = 3600.0


@dataclass(frozen=True, slots=True)
class Message:
    """One entry of ExtendedInfo. id: last part of its MessageId."""

    id: str
    words: str
    severity: str
    args: tuple[str, ...]
    properties: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end. body is empty where it broke off after a status that says enough."""

    status: int
    body: bytes
    location: str | None = None
    token: str | None = None
    retry_after: str | None = None
    date: str | None = None

    def parsed(self) -> object:
        """The body as JSON whatever its type says, None if it is none (quirk non-json-body)."""
        try:
            return json.loads(self.body) if self.body else None
        except (ValueError, RecursionError):
            return None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Row of the table. made: builds the error. retry_after_s: when the BMC names no time."""

    made: Callable[..., BmcError]
    code: str
    passing: bool | None = None
    retry_after_s: float | None = None


_NOT_READY = Verdict(BmcBusy, "not_ready", retry_after_s=30)
_FULL = Verdict(BmcBusy, "sessions_full", retry_after_s=60)
_REJECTED = Verdict(BmcRefused, "rejected")
_UNSUPPORTED = Verdict(BmcUnsupported, "not_supported")

BY_MESSAGE: dict[str, Verdict] = {
    "SYS518": _NOT_READY,
    "SWC0700": _NOT_READY,
    "RAC0508": _NOT_READY,
    "ServiceTemporarilyUnavailable": _NOT_READY,
    "ServiceInUnknownState": _NOT_READY,
    "ServiceShuttingDown": _NOT_READY,
    "RAC0218": _FULL,
    "SessionLimitExceeded": _FULL,
    "UnableToModifyDuringSystemPOST": Verdict(BmcBusy, "in_post", retry_after_s=30),
    "PasswordChangeRequired": Verdict(BmcRefused, "must_change_password"),
    "PSU501": Verdict(BmcRefused, "conflict"),
    "SYS011": Verdict(BmcRefused, "conflict"),
    "ResourceInUse": Verdict(BmcRefused, "conflict"),
    "ActionParameterValueConflict": Verdict(BmcRefused, "settling", passing=True, retry_after_s=5),
    "PreconditionFailed": Verdict(BmcRefused, "precondition_failed"),
    "ActionNotSupported": _UNSUPPORTED,
    "ActionParameterNotSupported": _UNSUPPORTED,
    "PropertyUnknown": _UNSUPPORTED,
    "ResetTypeNotSupported": _UNSUPPORTED,
}
BY_STATUS: dict[int, Verdict] = {
    401: Verdict(BmcRefused, "bad_credentials"),
    404: Verdict(BmcUnsupported, "not_found"),
    405: _UNSUPPORTED,
    409: Verdict(BmcRefused, "conflict"),
    412: Verdict(BmcRefused, "precondition_failed"),
    428: Verdict(BmcRefused, "precondition_failed"),
    429: Verdict(BmcBusy, "too_many_requests", retry_after_s=30),
    501: _UNSUPPORTED,
    503: _NOT_READY,
}
# A 5xx to a write may come although the thing was done (quirk job-post-400-created); 503 says it was not.
_LOST_WRITE = Verdict(BmcUnknown, "server_error")
_SERVER_ERROR = Verdict(BmcBusy, "server_error", retry_after_s=30)


def messages(document: object) -> list[Message]:
    """All ExtendedInfo messages of a body: of its error object, its own, and of annotated properties."""
    body = fields.mapping(document)
    error = fields.mapping(body.get("error"))
    groups = [error.get("@Message.ExtendedInfo")]
    groups += [value for key, value in body.items() if key.endswith("@Message.ExtendedInfo")]
    rows = [row for group in groups for row in _group(group)]
    if error and not any(row.words for row in rows) and (not rows or error.get("message")):
        rows.append(_message({"MessageId": error.get("code"), "Message": error.get("message")}))
    return rows


def _group(group: object) -> list[Message]:
    """One ExtendedInfo: a list as it should be, or a lone object, or strings (quirk extinfo-shape)."""
    rows = group if isinstance(group, list) else [group]
    return [
        _message(row) if isinstance(row, dict) else Message("", fields.clean(row), "", (), ())
        for row in rows
        if isinstance(row, dict | str)
    ]


def _message(row: Json) -> Message:
    name = fields.text(row, "MessageId") or ""
    return Message(
        id=name.rpartition(".")[2],
        words=fields.text(row, "Message") or "",
        severity=fields.text(row, "MessageSeverity") or fields.text(row, "Severity") or "",
        args=fields.texts(row.get("MessageArgs")),
        properties=fields.texts(row.get("RelatedProperties")),
    )


def refusal(answer: Answer, *, target: str, verb: str, changes: bool) -> BmcError | None:
    """The error that an answer stands for, None if it is good. changes: the call was a write."""
    if answer.status < 300:
        if not changes and b"ExtendedInfo" not in answer.body and b'"error"' not in answer.body:
            return None
        return _hidden_error(answer, target=target, verb=verb)
    document = answer.parsed()
    rows = messages(document)
    found = next((BY_MESSAGE[row.id] for row in rows if row.id in BY_MESSAGE), None)
    if found is None and any("lockdown" in row.words.lower() for row in rows):
        found = Verdict(BmcRefused, "locked")
    if found is None:
        found = BY_STATUS.get(answer.status) or _by_class(answer.status, changes=changes)
    return _error(found, answer, rows, target=target, verb=verb)


def _by_class(status: int, *, changes: bool) -> Verdict:
    if status < 500:
        return _REJECTED
    return _LOST_WRITE if changes else _SERVER_ERROR


def _hidden_error(answer: Answer, *, target: str, verb: str) -> BmcError | None:
    """An error inside a 2xx body: an error object, or a warning that names a property which we sent."""
    document = answer.parsed()
    rows = messages(document)
    bad = [row for row in rows if row.properties and row.severity.lower() in ("warning", "critical")]
    if not isinstance(fields.at(document, "error"), dict) and not bad:
        return None
    good = [row for row in rows if row.id in ("Success", "NoOperation", "Created", "AccountModified")]
    if not bad and len(good) == len(rows) and rows:
        return None
    found = next((BY_MESSAGE[row.id] for row in rows if row.id in BY_MESSAGE), _REJECTED)
    return _error(found, answer, bad or rows, target=target, verb=verb)


def _error(found: Verdict, answer: Answer, rows: list[Message], *, target: str, verb: str) -> BmcError:
    said = " ".join(dict.fromkeys(row.words for row in rows if row.words))[:MAX_WORDS]
    retry_after_s = retry_after(answer.retry_after)
    if retry_after_s is None:
        retry_after_s = next((_seconds(row) for row in rows if row.id == "ServiceTemporarilyUnavailable"), None)
    words = f"HTTP {answer.status}: {said}" if said else f"HTTP {answer.status} without a reason"
    return found.made(
        target,
        verb,
        found.code,
        words,
        found.passing,
        retry_after_s=found.retry_after_s if retry_after_s is None else retry_after_s,
        status=answer.status,
        message_ids=tuple(row.id for row in rows if row.id),
    )


def _seconds(row: Message) -> float | None:
    return retry_after(row.args[0]) if row.args else None


def retry_after(value: str | None) -> float | None:
    """Seconds from a Retry-After header, which may be a number or a date. None if it is neither."""
    if not value:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit() and len(value) < 12:
        return min(float(value), MAX_RETRY_AFTER_S)
    at = http_date(value)
    return None if at is None else min(max((at - datetime.now(UTC)).total_seconds(), 0.0), MAX_RETRY_AFTER_S)


def http_date(value: str | None) -> datetime | None:
    """An aware time from a Date header."""
    try:
        found = parsedate_to_datetime(value or "")
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
