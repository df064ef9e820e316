"""Errors and messages in Dell's shape."""

import json
from typing import Any, NamedTuple

REGISTRY = "IDRAC.2.8."
BASE = "Base.1.12."


class Message(NamedTuple):
    """Status, registry, text, what to do, severity."""

    status: int
    registry: str
    text: str
    resolution: str
    severity: str = "Critical"


_LOGIN = "Retry the operation with a valid user name and password or session token."
_CHOOSE = "Choose a value from the list of acceptable values."
_WAIT_FOR_JOB = (
    "Wait for the scheduled job to complete or delete the configuration jobs"
    " before attempting more set attribute operations."
)
_ACCEPTABLE = "is not in the list of acceptable values."
_COMMITTED = "Pending configuration values are already committed, unable to perform another set operation."
_NO_ACTION = "No response action is required."
_MALFORMED = "The service detected a malformed request body that it was unable to interpret."
_NOT_LOGGED_IN = "The authentication credentials included with this request are missing or invalid."
_STALE = "The ETag supplied did not match the current ETag of the resource."
_OTHER_TYPE = "The value {0} for the property {1} is of a different type than the property can accept."
_READ_ONLY = "The property {0} is a read only property and cannot be assigned a value."
_NO_PARAMETER = "The action {0} requires the parameter {1} to be present in the request body."
_BUSY = "iDRAC is not ready or the data is temporarily unavailable."
_NO_CLOCK = "Unable to complete the operation because the time could not be set."

# By the last part of the MessageId, which is all that a client may match on.
MESSAGES: dict[str, Message] = {
    "Success": Message(200, BASE, "The request completed successfully.", "None.", "OK"),
    "SYS413": Message(200, REGISTRY, "The operation successfully completed.", _NO_ACTION, "OK"),
    "AccessDenied": Message(401, BASE, _NOT_LOGGED_IN, _LOGIN),
    "RAC0218": Message(503, REGISTRY, "The maximum number of user sessions is reached.", "Close other sessions."),
    "SYS518": Message(503, REGISTRY, _BUSY, "Wait for a few minutes and retry the operation.", "Warning"),
    "PSU501": Message(409, REGISTRY, "Server is already powered {0}.", _NO_ACTION, "Warning"),
    "SYS403": Message(404, REGISTRY, "The resource at the URI {0} was not found.", "Provide a valid resource."),
    "SYS402": Message(405, REGISTRY, "The HTTP method {0} is not supported by the resource {1}.", "Use another."),
    "UnrecognizedRequestBody": Message(400, BASE, _MALFORMED, "Correct the request body."),
    "UnsupportedMediaType": Message(415, BASE, "The media type {0} is not supported.", "Send application/json."),
    "PropertyValueNotInList": Message(
        400, BASE, "The value {0} for the property {1} " + _ACCEPTABLE, _CHOOSE, "Warning"
    ),
    "PropertyValueTypeError": Message(400, BASE, _OTHER_TYPE, "Correct the value of the property.", "Warning"),
    "PropertyNotWritable": Message(400, BASE, _READ_ONLY, "Remove the property from the request body.", "Warning"),
    "PropertyUnknown": Message(400, BASE, "The property {0} is unknown here.", "Remove the property.", "Warning"),
    "ActionParameterMissing": Message(400, BASE, _NO_PARAMETER, "Supply the action with the required parameter."),
    "ActionParameterValueNotInList": Message(
        400, BASE, "The value {0} for the parameter {1} in the action {2} " + _ACCEPTABLE, _CHOOSE
    ),
    "PreconditionFailed": Message(412, BASE, _STALE, "Read the resource again."),
    "SYS011": Message(400, REGISTRY, _COMMITTED, _WAIT_FOR_JOB, "Warning"),
    "SYS428": Message(400, REGISTRY, "The attribute {0} is read only or unknown.", "Remove the attribute.", "Warning"),
    "SYS426": Message(400, REGISTRY, _NO_CLOCK, "Check the real-time clock of the system board."),
    "SYS404": Message(409, REGISTRY, "The host must be powered off for this operation.", "Power the host off."),
    "JCP021": Message(400, REGISTRY, "The job {0} cannot be deleted in its present state.", "Wait until it is over."),
    "RED096": Message(400, REGISTRY, "The package {0} is not compatible with this system.", "Use another package."),
    "VRM0012": Message(409, REGISTRY, "The virtual media is already attached.", "Eject it first."),
    "VRM0013": Message(409, REGISTRY, "No virtual media is attached.", "Attach it first."),
}


class RedfishError(Exception):
    """Becomes an answer with the message's status. `properties`: which ones it is about."""

    def __init__(self, message: str, *args: object, properties: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.args_shown = [str(arg) for arg in args]
        self.properties = properties

    @property
    def status(self) -> int:
        """Status of the answer."""
        return MESSAGES[self.message].status

    def body(self) -> bytes:
        """The error object."""
        info = extended(self.message, self.args_shown, self.properties)
        text = "A general error has occurred. See ExtendedInfo for more information"
        error = {"@Message.ExtendedInfo": [info], "code": f"{BASE}GeneralError", "message": text}
        return json.dumps({"error": error}).encode()


def extended(name: str, args: list[str], properties: tuple[str, ...] = ()) -> dict[str, Any]:
    """One entry of ExtendedInfo."""
    message = MESSAGES[name]
    return {
        "Message": message.text.format(*args),
        "MessageArgs": args,
        "MessageArgs@odata.count": len(args),
        "MessageId": message.registry + name,
        "RelatedProperties": [f"#/{name}" for name in properties],
        "RelatedProperties@odata.count": len(properties),
        "Resolution": message.resolution,
        "Severity": message.severity,
    }


def success() -> dict[str, Any]:
    """The body of a write that went well."""
    return {"@Message.ExtendedInfo": [extended("Success", []), extended("SYS413", [])]}
