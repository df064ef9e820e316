"""Forms of pages: read a field or refuse it in words, act once a key, show what was typed again."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from django.db import OperationalError
from django.http import HttpResponse, HttpResponseRedirect

from fleet import reasons
from fleet.errors import BadValue, MusterError, NotNow
from fleet.http import idempotency
from fleet.http.auth import PageRequest
from fleet.http.problem import not_now, with_retry


def text(data: Mapping[str, Any], name: str, *, most: int = 200) -> str:
    """A field's text without blanks around it. Raises BadValue (422)."""
    value = str(data.get(name) or "").strip()
    if len(value) > most or "\0" in value:
        raise BadValue(f"{name} cannot hold this", field=name, value=value[:200], expected=f"at most {most} characters")
    return value


def reason(data: Mapping[str, Any], *, default: str = "") -> str:
    """Why a person does this. Raises BadValue (422)."""
    return reasons.needed(text(data, "reason", most=reasons.MOST) or default)


def choice(data: Mapping[str, Any], name: str, choices: Sequence[str]) -> str:
    """A field that holds one of these words. Raises BadValue (422)."""
    value = text(data, name)
    if value not in choices:
        raise BadValue(f"{name} is needed", field=name, value=value, expected=", ".join(choices))
    return value


def number(data: Mapping[str, Any], name: str, *, low: int, high: int) -> int | None:
    """A field's whole number; None when it is empty. Raises BadValue (422)."""
    value = text(data, name)
    if not value:
        return None
    if not (value.isascii() and value.isdecimal() and len(value) < 19 and low <= int(value) <= high):
        raise BadValue(
            f"{name} is no such number", field=name, value=value, expected=f"a whole number from {low} to {high}"
        )
    return int(value)


def act(
    request: PageRequest, effect: Callable[[], str], refused: Callable[[MusterError], HttpResponse]
) -> HttpResponse:
    """Do what a form asks for, once for its key, and go where effect() says; a double press goes there too.

    refused: shows the page again with what was typed.
    """
    sent = {k: request.POST.getlist(k) for k in request.POST if k not in ("csrfmiddlewaretoken", "key")}

    def once() -> str:
        _, answer = idempotency.once(
            actor=request.actor,
            key=request.POST.get("key", ""),
            request_sha256=idempotency.digest("POST", request.path_info, sent),
            effect=lambda: (303, {"location": effect()}),
        )
        return str(answer["location"])

    return attempt(request, once, refused)


def attempt(
    request: PageRequest, effect: Callable[[], str], refused: Callable[[MusterError], HttpResponse]
) -> HttpResponse:
    """As act(), for what is done once by itself, whatever the key."""
    try:
        return HttpResponseRedirect(effect(), status=303)
    except MusterError as error:
        return refused(error)
    except OperationalError as error:
        if (passing := not_now(error, request)) is None or passing.code != NotNow.code:
            raise
        return with_retry(refused(passing), passing)


def blank() -> dict[str, Any]:
    """What a page needs to show its forms for the first time."""
    return {"key": idempotency.fresh_key(), "typed": {}, "error": None, "error_form": ""}


def typed(data: Mapping[str, Any], form: str, error: MusterError) -> Mapping[str, Any]:
    """What a page needs to show its forms again. A request that still runs keeps its key, so that it stays one act.

    The forms of a page add their names to the page's key: each is an act of its own.
    """
    key = str(data.get("key") or "").partition("-")[0] if error.code == "running" else idempotency.fresh_key()
    return {"key": key, "typed": data, "error": error, "error_form": form}
