"""One operation: its steps, what it waits for, its log; cancel, retry, skip."""

from collections.abc import Callable
from typing import Any, cast

from django.http import HttpResponse, StreamingHttpResponse
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fleet.errors import MusterError
from fleet.http import forms, live, rights
from fleet.http.auth import PageRequest, needs
from provisioning.engine import ask
from provisioning.reads import operations as reads

MOST = 10**9


@require_safe
@needs("read")
def operation(request: PageRequest, id: int) -> HttpResponse:
    """The page of an operation; refreshes itself while it is under way."""
    version = reads.version(id, request.who.sites("read"))
    if answer := live.unchanged(request, version.have):
        return answer
    return _show(request, version, forms.blank())


def _show(request: PageRequest, version: reads.Version, shown: Any, status: int = 200) -> HttpResponse:
    after, step = (forms.number(request.GET, name, low=0, high=MOST) for name in ("after", "step"))
    operation = reads.page(version.id, request.who.sites("read"), after=after, step=step)
    return live.show(
        request,
        url=reverse("operation", args=[version.id]),
        page="operation/operation.html",
        part="operation/_live.html",
        have=version.have,
        is_passing=version.is_passing,
        context={"here": "operation", **shown, "operation": operation},
        state=operation["state"],
        status=status,
    )


@require_safe
@needs("read")
def log(request: PageRequest, id: int) -> HttpResponse:
    """The whole log as plain text, of any length."""
    reads.version(id, request.who.sites("read"))
    answer = StreamingHttpResponse(reads.log_lines(id), content_type="text/plain; charset=utf-8")
    return cast(HttpResponse, answer)  # the guard's word for any answer


def _act(request: PageRequest, id: int, act: str, form: str, effect: Callable[[], Any]) -> HttpResponse:
    """One press of a button of this page: the right for it, the act, and back to the page."""
    rights.demand(request.who, act, sites=[reads.site_of(id, request.who.sites("read"))])

    def done() -> str:
        effect()
        return reverse("operation", args=[id])

    def refused(error: MusterError) -> HttpResponse:
        version = reads.version(id, request.who.sites("read"))
        return _show(request, version, forms.typed(request.POST, form, error), error.status)

    return forms.act(request, done, refused)


@require_POST
@needs("operate")
def cancel(request: PageRequest, id: int) -> HttpResponse:
    """Cancel at the next safe point."""

    def effect() -> None:
        ask.cancel(operation_id=id, actor=request.actor, reason=forms.reason(request.POST))

    return _act(request, id, "operate", "cancel", effect)


@require_POST
@needs("operate")
def retry(request: PageRequest, id: int) -> HttpResponse:
    """Go on from the failed step."""

    def effect() -> None:
        ask.retry(operation_id=id, actor=request.actor, reason=forms.reason(request.POST))

    return _act(request, id, "operate", "retry", effect)


@require_POST
@needs("skip")
def skip(request: PageRequest, id: int) -> HttpResponse:
    """Leave out the failed step."""

    def effect() -> None:
        ask.skip(operation_id=id, actor=request.actor, reason=forms.reason(request.POST))

    return _act(request, id, "skip", "skip", effect)


@require_POST
@needs("operate")
def found(request: PageRequest, id: int) -> HttpResponse:
    """Say what became of a lost operation."""

    def effect() -> None:
        outcome = forms.choice(request.POST, "outcome", ("go_on", "failed"))
        reason = forms.reason(request.POST)
        ask.found(operation_id=id, actor=request.actor, reason=reason, go_on=outcome == "go_on")

    return _act(request, id, "operate", "found", effect)
