"""One renderer for refusals: problem JSON for programs, a page for people, both from the same MusterError."""

import json
import logging
import re
import uuid
from collections.abc import Callable
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.html import escape

from fleet.errors import MusterError, NotNow, NotSignedIn

log = logging.getLogger("muster.http")

PROBLEM = "application/problem+json"
# SQLSTATE: lock_not_available, deadlock_detected, serialization_failure.
BUSY = {"55P03", "40P01", "40001"}
# And of a server that stops or starts, in the class of failed connections; a connection that broke has no state at all.
AWAY = re.compile(r"08...|57P0[1-5]|")
BUSY_S = 2
AWAY_S = 5
# A machine that boots shows a token in its address: who reads the log must not boot as that machine.
TOKEN = re.compile(r"^(/boot/(?:u|seed)/)[^/]+")


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
    body = json.dumps(problem_body(error), default=str)
    response = with_retry(HttpResponse(body, content_type=PROBLEM, status=error.status), error)
    if isinstance(error, NotSignedIn):
        response["WWW-Authenticate"] = "Bearer"
    return response


def page_response(request: HttpRequest, error: MusterError) -> HttpResponse:
    """The refusal as a page."""
    return with_retry(render(request, "problem.html", {"error": error}, status=error.status), error)


def bare_response(error: MusterError) -> HttpResponse:
    """The refusal as a page that uses neither database nor template."""
    title, hint = (escape(words[:1].upper() + words[1:]) for words in (error.title, error.hint))
    page = f"<!doctype html><html lang=en><title>Muster</title><h1>{title}</h1><p>{hint}</p>"
    return with_retry(HttpResponse(page, status=error.status), error)


def with_retry(response: HttpResponse, error: MusterError) -> HttpResponse:
    """The same answer; its header says when to ask again, where the refusal knows."""
    if error.retry_after_s is not None:
        response["Retry-After"] = str(error.retry_after_s)
    return response


def not_now(error: BaseException | None, request: HttpRequest) -> NotNow | None:
    """The 503 that a database is which cannot do it now; None for any other error. Logs one line, not a trace each."""
    if not isinstance(error, OperationalError | InterfaceError):
        return None
    state = getattr(error.__cause__, "sqlstate", None) or ""
    if state not in BUSY and not AWAY.fullmatch(state):
        return None  # a full disk, a statement that is too slow: the trace says where
    log.warning(
        "%s %s: %s %s", request.method, TOKEN.sub(r"\1...", request.path_info), state, str(error).partition("\n")[0]
    )
    hint = "ask again in a moment; with the same key it is done once"
    if state in BUSY:
        return NotNow("somebody else has what this needs", hint=hint, retry_after_s=BUSY_S)
    return NotNow("the database does not answer now", code="no_database", hint=hint, retry_after_s=AWAY_S)


def wants_json(request: HttpRequest) -> bool:
    """Programs get JSON: below /api/v1/ and /boot/, always."""
    return request.path_info.startswith(("/api/v", "/boot/"))


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
        if passing := not_now(error, request):
            return problem_response(passing) if wants_json(request) else bare_response(passing)
        if not isinstance(error, MusterError):
            number = uuid.uuid4().hex[:6]
            log.exception("number %s: %s %s", number, request.method, request.path_info)
            error = MusterError(
                f"something failed here, number {number}", code="bug", hint="the log has it under this number"
            )
            error.status = 500
        return problem_response(error) if wants_json(request) else page_response(request, error)
