"""Answers that no view makes: bare refusals of the framework in our words, and the headers of every answer."""

import sys
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from fleet.errors import MusterError
from fleet.http.problem import bare_response, not_now, page_response, problem_response, wants_json

# No inline script or style anywhere; htmx asks our own server only.
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)


class Answers:
    """Middleware: the content policy on each answer, and "method not allowed" in words."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        # Nothing is called so, and PostgreSQL cannot even be asked.
        cannot_be = "\0" in request.path_info
        response = bad_request(request, ValueError()) if cannot_be else self.get_response(request)
        if response.status_code == 405 and "application/problem+json" not in response.get("Content-Type", ""):
            response = _not_allowed(request, response["Allow"])
        response.setdefault("Content-Security-Policy", POLICY)
        return response


def _not_allowed(request: HttpRequest, allowed: str) -> HttpResponse:
    error = _error(405, f"{request.method} is not possible here", "method", expected=allowed)
    response = _answer(request, error)
    response["Allow"] = allowed
    return response


def _error(status: int, title: str, code: str, **more: Any) -> MusterError:
    error = MusterError(title, code=code, **more)
    error.status = status
    return error


def _answer(request: HttpRequest, error: MusterError) -> HttpResponse:
    return problem_response(error) if wants_json(request) else page_response(request, error)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler404: an address that does not exist."""
    return _answer(request, _error(404, f"there is nothing at {request.path_info}"[:200], "not_found"))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: what the framework cannot read."""
    return _answer(request, _error(400, "this request cannot be read", "unreadable"))


def no_permission(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler403."""
    return _answer(request, _error(403, "this is not allowed", "not_allowed"))


def failed(request: HttpRequest) -> HttpResponse:
    """handler500: a failure outside of any view, such as a session that cannot be stored."""
    error = not_now(sys.exc_info()[1], request) or _error(500, "Something failed here. The log says what.", "bug")
    return problem_response(error) if wants_json(request) else bare_response(error)


def form_expired(request: HttpRequest, reason: str = "") -> HttpResponse:
    """CSRF_FAILURE_VIEW: the form is from before a sign-in, or from another site."""
    hint = "go back, load the page again, and send the form once more"
    return _answer(request, _error(403, "this form is too old", "form_expired", hint=hint))
