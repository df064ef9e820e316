"""One host: what it is, what was done to it, and what can be done now."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fleet import findings, holds
from fleet.errors import BadValue, MusterError, NotFound
from fleet.http import forms, live, rights
from fleet.http.auth import PageRequest, needs
from fleet.models import Device, Finding
from fleet.reads import hosts
from provisioning.reads import host as reads
from provisioning.reads.reviews import offers


@require_safe
@needs("read")
def host(request: PageRequest, name: str) -> HttpResponse:
    """The page of a host; an old name leads to the present one. ?at=: how it was then."""
    sites = request.who.sites("read")
    try:
        version = reads.version(name, sites)
    except NotFound:
        if new := hosts.name_now(name):
            return redirect("host", new)
        raise
    if answer := live.unchanged(request, version.have):
        return answer
    return _show(request, version, forms.blank())


def _show(request: PageRequest, version: reads.Version, shown: Any, status: int = 200) -> HttpResponse:
    context: dict[str, Any] = {"here": "hosts", **shown, "hold_kinds": holds.KINDS}
    sites = request.who.sites("read")
    context |= reads.page(version.id, sites)
    context["acts"] = offers(request.who, context["host"], context["facts"], context["operations"])
    if at := request.GET.get("at"):
        context |= _then(version.id, at, request)
    return live.show(
        request,
        url=reverse("host", args=[context["host"]["name"]]),
        page="host/host.html",
        part="host/_live.html",
        have=version.have,
        is_passing=version.is_passing,
        context=context,
        status=status,
    )


def _then(device_id: int, at: str, request: PageRequest) -> dict[str, Any]:
    try:
        moment = reads.moment(at)
        return {"at": at, "then": reads.at_moment(device_id, moment, request.who.sites("read"))}
    except (BadValue, NotFound) as error:
        return {"at": at, "at_error": error}


def refused(request: PageRequest, name: str, form: str, error: MusterError) -> HttpResponse:
    """The page again, for what was refused in a form of it."""
    version = reads.version(name, request.who.sites("read"))
    return _show(request, version, forms.typed(request.POST, form, error), error.status)


def _device(request: PageRequest, name: str, act: str) -> Device:
    device = Device.objects.filter(name=name, kind="host").first()
    sites = request.who.sites("read")
    if device is None or (sites is not None and device.site_id not in sites):
        raise NotFound(f"there is no host {name}", field="name", value=name)
    rights.demand(request.who, act, sites=[device.site_id])
    return device


HANDLE = {"acknowledge": findings.acknowledge, "close": findings.close_by_hand}


@require_POST
@needs("finding")
def finding(request: PageRequest, name: str, id: int, verb: str) -> HttpResponse:
    """Acknowledge or close a finding of this host."""
    device = _device(request, name, "finding")

    def effect() -> str:
        why = forms.reason(request.POST)
        if not Finding.objects.filter(pk=id, device=device).exists():
            raise NotFound(f"there is no finding {id} on {name}", field="id", value=id)
        HANDLE[verb](ids=[id], reason=why, actor=request.actor)
        return reverse("host", args=[name])

    return forms.act(request, effect, lambda error: refused(request, name, f"finding-{id}", error))


@require_POST
@needs("hold")
def hold(request: PageRequest, name: str) -> HttpResponse:
    """Place a hold on this host."""
    device = _device(request, name, "hold")

    def effect() -> str:
        kind, why = forms.text(request.POST, "kind"), forms.reason(request.POST)
        holds.place(device_id=device.pk, kind=kind, reason=why, actor=request.actor)
        return reverse("host", args=[name])

    return forms.act(request, effect, lambda error: refused(request, name, "hold", error))


@require_POST
@needs("hold")
def lift(request: PageRequest, name: str, hold_id: int) -> HttpResponse:
    """Lift a hold."""
    device = _device(request, name, "hold")

    def effect() -> str:
        holds.lift(hold_id=hold_id, actor=request.actor, device_id=device.pk)
        return reverse("host", args=[name])

    return forms.act(request, effect, lambda error: refused(request, name, "hold", error))
