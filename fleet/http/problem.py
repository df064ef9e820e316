"""One renderer for refusals: problem JSON for programs, a page for people, both from the same MusterError."""

import json
import logging
import uuid
from collections.abc import Callable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from fleet.errors import MusterError, NotSignedIn

log = logging.getLogger("muster.http")

PROBLEM = "application/problem+json"


def problem_body(error: MusterError) -> dict[str, Any]:
    """RFC 9457 with our fields."""
    body: dict[str, Any] = {
        "type": f"about:blank#{error.code}",
        "title": error.title,
        "status": error.status,
        "code": error.code,
    }
    for name in ("field", "expected", "hint"):
        if getattr(error, name):
            body[name] = getattr(error, name)
    if error.value is not None:
        body["value"] = error.value
    if error.errors:
        body["errors"] = error.errors
    return body


def problem_response(error: MusterError) -> HttpResponse:
    """The refusal as problem JSON."""
    response = HttpResponse(json.dumps(problem_body(error), default=str), content_type=PROBLEM, status=error.status)
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = "Bearer"
    return response


def page_response(request: HttpRequest, error: MusterError) -> HttpResponse:
    """The refusal as a page."""
    return render(request, "problem.html", {"error": error}, status=error.status)


def wants_json(request: HttpRequest) -> bool:
    """Programs get JSON: below /api/ and /boot/, always."""
    return request.path_info.startswith(("/api/", "/boot/"))


class Problems:
    """Middleware: a MusterError becomes its answer; a bug becomes a 500 with a number that stands in the log."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Django calls this for what a view raised."""
        if isinstance(error, SuspiciousOperation):  # a body that is too big, say: Django answers 400 by handler400
            return None
        if isinstance(error, Http404):
            error = MusterError("nothing is here", code="not_found")
            error.status = 404
        if not isinstance(error, MusterError):
            number = uuid.uuid4().hex[:6]
            log.exception("number %s: %s %s", number, request.method, request.path_info)
            error = MusterError(
                f"something failed here, number {number}", code="bug", hint="the log has it under this number"
            )
            error.status = 500
        return problem_response(error) if wants_json(request) else page_response(request, error)
