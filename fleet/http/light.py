"""The boot service answers thousands of small requests a minute: it needs no session, no CSRF, no messages."""

import logging
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.urls import Resolver404, resolve

from fleet.errors import MusterError, NotFound
from fleet.http.problem import not_now, problem_response

LIGHT = "/boot/"
log = logging.getLogger("muster.http")


class Failed(MusterError):
    """500: a bug of ours; the log has it."""

    status = 500
    code = "bug"


class LightPaths:
    """Middleware, first of all: what lies below /boot/ goes straight to its view."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path_info.startswith(LIGHT):
            return self.get_response(request)
        response = _answer(request)
        # Else the framework writes each failure into the log once more, with the whole address: the token is in it.
        response._has_been_logged = True  # type: ignore[attr-defined]
        return response


def _answer(request: HttpRequest) -> HttpResponse:
    try:
        match = resolve(request.path_info)
        answer: HttpResponse = match.func(request, *match.args, **match.kwargs)
        return answer
    except Resolver404:
        return problem_response(NotFound("nothing is here"))
    except MusterError as error:
        return problem_response(error)
    except Exception as error:
        if passing := not_now(error, request):
            return problem_response(passing)
        log.exception("the boot service failed")
        return problem_response(Failed("something failed here"))
