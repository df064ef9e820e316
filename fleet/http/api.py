"""What all endpoints have in common: the guard, refusals as problem JSON, times, and the OpenAPI document."""

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, NoReturn, cast

from django.core.exceptions import RequestDataTooBig
from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI, Status
from ninja.errors import HttpError, ValidationError
from ninja.parser import Parser
from ninja.renderers import BaseRenderer
from ninja.security.base import AuthBase

from fleet.errors import BadValue, MusterError, NotFound
from fleet.http import idempotency, rate
from fleet.http.auth import SAFE, PageRequest, admit
from fleet.http.problem import PROBLEM, problem_response
from fleet.http.schemas import Problem

READ_REFUSALS = frozenset({400, 401, 403, 404, 422, 429, 503})
ACT_REFUSALS = READ_REFUSALS | {409, 413}


class Bearer(AuthBase):
    """The guard of an endpoint: the act that it does. Reading also works with the session of a page."""

    openapi_type = "http"
    openapi_scheme = "bearer"

    def __init__(self, act: str) -> None:
        self.act = act
        super().__init__()

    def __call__(self, request: HttpRequest) -> PageRequest:
        admitted = admit(request, self.act)
        rate.count(admitted.who, reads=request.method in SAFE)
        return admitted


def answers(ok: Any, *, status: int = 200, act: bool = False) -> dict[Any, Any]:
    """The answers of an endpoint: what it gives, and the refusals that everybody must expect."""
    return {status: ok, (ACT_REFUSALS if act else READ_REFUSALS): Problem}


class Json(BaseRenderer):
    """JSON with times in UTC, to the microsecond, so that a time that was read can be asked for."""

    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> str:
        return to_json(data)


def to_json(data: Any) -> str:
    """Data as JSON text, as all endpoints write it."""
    return json.dumps(data, default=_plain, separators=(",", ":"))


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"{type(value).__name__} is not JSON")


class StrictJson(Parser):
    """A body is JSON as the standard says: no NaN, and not deeper than the reader can follow."""

    def parse_body(self, request: HttpRequest) -> Any:
        return read_json(request.body)


def read_json(body: bytes) -> Any:
    """The data of a body. Raises MusterError (400)."""
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise HttpError(400, f"the body is not JSON: {error}") from error


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def idempotent(view: Callable[..., Any]) -> Callable[..., Any]:
    """A POST that does something: needs an Idempotency-Key, and answers the same again for the same key.

    A body with dry_run has no effect and needs no key.
    """
    return _once(view, sealed=False)


def idempotent_secret(view: Callable[..., Any]) -> Callable[..., Any]:
    """As idempotent, for an answer that holds a secret: what is kept of it is encrypted."""
    return _once(view, sealed=True)


def _once(view: Callable[..., Any], *, sealed: bool) -> Callable[..., Any]:
    @wraps(view)
    def once(request: PageRequest, *args: Any, **kwargs: Any) -> Status[Any]:
        if getattr(kwargs.get("body"), "dry_run", False):
            return Status(*view(request, *args, **kwargs))
        body = read_json(request.body) if request.body else None

        def effect() -> tuple[int, Any]:
            status, answer = view(request, *args, **kwargs)
            return status, json.loads(to_json(answer))

        status, answer = idempotency.once(
            actor=request.actor,
            key=request.headers.get(idempotency.HEADER, ""),
            request_sha256=idempotency.digest(str(request.method), request.path_info, body),
            effect=effect,
            sealed=sealed,
        )
        return Status(status, answer)

    once.is_idempotent = True  # type: ignore[attr-defined]
    once._ninja_contribute_to_operation = [_document_key]  # type: ignore[attr-defined]
    return once


def _document_key(operation: Any) -> None:
    schema = {"type": "string", "minLength": 8, "maxLength": 64, "pattern": "^[!-~]{8,64}$"}
    header = {"in": "header", "name": idempotency.HEADER, "required": True, "schema": schema}
    operation.openapi_extra = {"parameters": [header]}


def _known_query(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse filters that the endpoint does not have: a misspelt one must not select everything."""
    models = view._ninja_operation.models  # type: ignore[attr-defined]
    known = {n for m in models if m.__ninja_param_source__ == "query" for n in m.__ninja_flatten_map__}

    @wraps(view)
    def checked(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        for name, values in request.GET.lists():
            if name not in known:
                raise BadValue(f"there is no filter {name!r}", field=name, value=values[-1], expected=_listed(known))
            if len(values) > 1:
                raise BadValue(f"filter {name!r} is given twice", field=name, value=values, expected="one value")
        return view(request, *args, **kwargs)

    return checked


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "no filter"


class Api(NinjaAPI):
    """/api/v1/. Routers are added by deploy.urls."""

    def __init__(self) -> None:
        super().__init__(
            title="Muster",
            version="1",
            description="Brings a GPU fleet from crates to training, and keeps it there.",
            docs_url=None,
            renderer=Json(),
            parser=StrictJson(),
            urls_namespace="api",
        )
        self.add_decorator(_known_query)

    def set_default_exception_handlers(self) -> None:
        """Each refusal is problem JSON; a bug goes on to the middleware, which gives it a number."""
        for kind, word in WORDED.items():
            self.add_exception_handler(kind, _answer(word))

    def validation_error_from_error_contexts(self, error_contexts: list[Any]) -> ValidationError:
        """With what was sent for each field, which django-ninja leaves out."""
        sent = [_short(found["input"]) for context in error_contexts for found in _refused_by(context)]
        error = super().validation_error_from_error_contexts(error_contexts)
        for found, value in zip(error.errors, sent, strict=True):
            found["input"] = value
        return error

    def get_openapi_operation_id(self, operation: Any) -> str:
        return cast(str, operation.view_func.__name__)

    def get_openapi_schema(self, *, path_prefix: str | None = None, path_params: Any = None) -> Any:
        """Refusals have a media type of their own, which django-ninja cannot say."""
        schema = super().get_openapi_schema(path_prefix=path_prefix, path_params=path_params)
        for methods in schema["paths"].values():
            for details in methods.values():
                media = details.pop("x-media", None)
                for status, answer in details["responses"].items():
                    if int(status) >= 400:
                        answer["content"] = {PROBLEM: answer["content"]["application/json"]}
                    elif media:
                        answer["content"] = {media: {"schema": {"type": "string"}}}
        return schema


def _refused_by(context: Any) -> list[Any]:
    errors: list[Any] = context.pydantic_validation_error.errors(include_url=False)
    return errors


def _short(value: Any) -> Any:
    """A text, number or truth that was sent; None for what has parts of its own."""
    if isinstance(value, str):
        return value[:200]
    return value if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)) else None


def _answer(word: Callable[[Any], MusterError]) -> Callable[[HttpRequest, Any], HttpResponse]:
    return lambda request, error: problem_response(word(error))


def _of_fields(error: ValidationError) -> MusterError:
    """All fields that were refused, the first one in the title."""
    errors = []
    for found in error.errors:
        field = ".".join(str(part) for part in found["loc"][_DEPTH.get(found["loc"][0], 1) :])
        known = {k: v for k, v in (("value", found.get("input")), *found.get("ctx", {}).items()) if k in _KEPT}
        known = {k: v for k, v in known.items() if isinstance(v, str | int | float)}
        errors.append({"field": field, "title": found["msg"].removeprefix("Value error, "), **known})
    first = errors[0]
    title = f"{first['field']}: {first['title']}" if first["field"] else first["title"]
    more = {k: first[k] for k in _KEPT if k in first}
    return BadValue(title, field=first["field"], errors=errors, **more)


def _with_status(status: int, title: str, code: str) -> MusterError:
    found = MusterError(title, code=code)
    found.status = status
    return found


WORDED: dict[type[Exception], Callable[[Any], MusterError]] = {
    MusterError: lambda error: error,
    ValidationError: _of_fields,
    Http404: lambda error: NotFound("nothing is here"),
    HttpError: lambda error: _with_status(error.status_code, error.message, "unreadable"),
    RequestDataTooBig: lambda error: _with_status(413, "the body is larger than 2.5 MB", "too_big"),
}
# How many parts of a location come before the name of the field: where it was sent, and the parameter that took it.
_DEPTH = {"body": 2}
_KEPT = ("value", "expected")
