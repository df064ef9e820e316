"""What can go wrong in words: one class carries code, title, field, value, what would be right, and a hint."""

from collections.abc import Sequence
from typing import Any


class MusterError(Exception):
    """A refusal that a person or a program can act on. Rendered by fleet.http.problem, for pages and API alike.

    code: stable word for programs. status: HTTP status. field, value, expected: what was wrong and what would be right.
    errors: further refusals of the same request, as dicts of the same fields.
    """

    status = 400
    code = "bad_request"

    def __init__(
        self,
        title: str,
        *,
        code: str | None = None,
        field: str = "",
        value: Any = None,
        expected: str = "",
        hint: str = "",
        errors: Sequence[dict[str, Any]] = (),
        retry_after_s: int | None = None,
    ) -> None:
        super().__init__(title)
        self.title = title
        self.code = code or type(self).code
        self.field = field
        self.value = value
        self.expected = expected
        self.hint = hint
        self.errors = list(errors)
        self.retry_after_s = retry_after_s


class BadValue(MusterError):
    """422: a field holds what it cannot hold."""

    status = 422
    code = "bad_value"


class NotFound(MusterError):
    """404: nothing by that name or id."""

    status = 404
    code = "not_found"


class WrongState(MusterError):
    """409: the subject is elsewhere in its life, or something holds it."""

    status = 409
    code = "wrong_state"


class NotAllowed(MusterError):
    """403: signed in, but the role may not."""

    status = 403
    code = "not_allowed"


class NotSignedIn(MusterError):
    """401: no session or token."""

    status = 401
    code = "not_signed_in"


class TooMany(MusterError):
    """429: this token or person asks more often than is allowed; again after retry_after_s."""

    status = 429
    code = "too_many"


class NotNow(MusterError):
    """503: passing; try again after retry_after_s."""

    status = 503
    code = "not_now"
