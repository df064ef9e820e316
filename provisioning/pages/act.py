"""Acting on hosts: choose, look at what it would touch, do it once; then what came of it."""

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fleet import second
from fleet.errors import BadValue, MusterError
from fleet.http import forms, rights
from fleet.http.auth import PageRequest, acting, needs
from fleet.models import Device, Review
from fleet.reads import acts
from fleet.reads import hosts as fleet_hosts
from provisioning.engine import act as engine
from provisioning.engine import blast
from provisioning.engine.rules import MOST_BAKE_S, Rules
from provisioning.engine.verbs import verb
from provisioning.pages import host, hosts
from provisioning.reads import reviews as reads

MOST_HOSTS = 100_000
MINUTE = 60
TYPED = ("reason", "number", "waves", "at_once", "budget", "floor", "bake")


def _as_chosen(request: HttpRequest) -> str:
    """Where the form came from, filled in as it was."""
    for field, page in (("again", "act_new"), ("from", "hosts")):
        if name := request.POST.get(field):
            return f"{reverse(page)}{quote(name, safe='')}/"
    return hosts.again(request)


def _as_typed(request: HttpRequest) -> str:
    kept = {name: request.POST[name] for name in TYPED if request.POST.get(name)}
    return f"{request.path.removesuffix('do/')}?{urlencode(kept)}"


@require_POST
@needs("review", back=_as_chosen)
def new(request: PageRequest) -> HttpResponse:
    """Store which hosts; with a verb also the review of it. From the list, a host's page, or another review.

    again: the review whose selection is taken once more, with its verb unless another one is given.
    """

    def effect() -> str:
        how, name, sites = _selection(request)
        if not name:
            made = engine.select(hosts=blast.facts(reads.selected(how, sites)), how=how, actor=request.actor)
        else:
            made = _review(request, name, how)
        reason = forms.text(request.POST, "reason", most=500)
        return reverse("act", args=[made.code]) + (f"?{urlencode({'reason': reason})}" if reason else "")

    return forms.act(request, effect, lambda error: _refused(request, error))


def _selection(request: PageRequest) -> tuple[Mapping[str, Any], str, Any]:
    sites, name = request.who.sites("read"), forms.text(request.POST, "verb")
    if code := forms.text(request.POST, "again"):
        before = acts.review(code, sites)
        return before.select, name or before.verb, sites
    if request.POST.get("all"):
        return {"filters": fleet_hosts.filters(_filters(request))}, name, sites
    ticked = sorted({h for h in request.POST.getlist("host") if h})
    if not ticked:
        expected = "tick hosts, or all that match"
        raise BadValue("no host is chosen", field="host", expected=expected)
    return {"hosts": ticked}, name, sites


def _filters(request: PageRequest) -> dict[str, str]:
    return {name: request.POST[name] for name in fleet_hosts.NAMES if request.POST.get(name)}


def _review(request: PageRequest, name: str, how: Mapping[str, Any]) -> Review:
    found = verb(name)
    devices = list(Device.objects.filter(pk__in=reads.selected(how, request.who.sites("read"))))
    actor = acting(request.who, reads.role_of(request.who, found, devices))
    facts = blast.facts(d.pk for d in devices)
    return engine.make(plan=blast.plan(verb=found, params={}, hosts=facts, role=actor.role), how=how, actor=actor)


def _refused(request: PageRequest, error: MusterError) -> HttpResponse:
    if code := request.POST.get("again"):
        return _show(request, acts.review(code, request.who.sites("read")), error, request.POST)
    if name := request.POST.get("from"):
        return host.refused(request, name, "operate", error)
    return hosts.show(request, hosts.of_form(request), forms.typed(request.POST, "choose", error))


@require_safe
@needs("read")
def act(request: PageRequest, code: str) -> HttpResponse:
    """What is chosen, what an act would touch, or what came of it."""
    return _show(request, acts.review(code, request.who.sites("read")), None, request.GET)


def _show(request: PageRequest, review: Review, error: MusterError | None, typed: Mapping[str, Any]) -> HttpResponse:
    shown: Mapping[str, Any] = forms.typed(typed, "do", error) if error else {**forms.blank(), "typed": typed}
    context = {"here": "hosts", **shown, "review": review, **reads.page(review, request.who)}
    return render(request, "act/act.html", context, status=error.status if error else 200)


@require_POST
@needs("review", back=_as_typed)
def do(request: PageRequest, code: str) -> HttpResponse:
    """Whoever asked confirms. The review is its own key: a double press, a reload and a resend are one act."""
    sites = request.who.sites("read")
    review = acts.review(code, sites)

    def effect() -> str:
        if not review.verb:
            raise BadValue("nothing to do is chosen", field="verb", expected="one of those on this page")
        devices = list(Device.objects.filter(pk__in=review.hosts))
        actor = acting(request.who, reads.role_of(request.who, verb(review.verb), devices))
        number = forms.number(request.POST, "number", low=0, high=MOST_HOSTS)
        reason = forms.text(request.POST, "reason", most=500)
        return reads.address(engine.commit(code=code, reason=reason, number=number, actor=actor, rules=_rules(request)))

    return forms.attempt(request, effect, lambda error: _show(request, acts.review(code, sites), error, request.POST))


def _rules(request: PageRequest) -> Rules | None:
    """What the form says about waves; None when it has no such fields. Raises BadValue (422)."""
    if "waves" not in request.POST:
        return None
    found: dict[str, Any] = {name: _size(forms.text(request.POST, name)) for name in ("budget", "floor")}
    found["at_once"] = forms.number(request.POST, "at_once", low=1, high=MOST_HOSTS)
    bake = forms.number(request.POST, "bake", low=0, high=MOST_BAKE_S // MINUTE)
    found["bake_s"] = None if bake is None else bake * MINUTE
    sizes: list[Any] = [_size(one.strip()) for one in forms.text(request.POST, "waves").split(",") if one.strip()]
    try:
        return Rules(waves=sizes or None, **found)
    except BadValue as error:
        if error.field.startswith("waves."):  # one of several, which stand in one field here
            raise BadValue("waves cannot be that", field="waves", value=error.value, expected=error.expected) from error
        raise


def _size(text: str) -> int | str | None:
    return int(text) if text.isascii() and text.isdecimal() and len(text) < 9 else text or None


@require_POST
@needs("confirm")
def confirm(request: PageRequest, code: str) -> HttpResponse:
    """Be the second person for what somebody asked for."""
    sites = request.who.sites("read")

    def effect() -> str:
        word, places = acts.place(code, sites)
        role = rights.roles_at(request.who, second.ACTS[word].needs, sites=places)[0]
        return reads.address(engine.confirm(code=code, actor=acting(request.who, role)))

    return forms.act(request, effect, lambda error: _show(request, acts.review(code, sites), error, request.POST))


@require_POST
@needs("hold")
def undo(request: PageRequest, code: str) -> HttpResponse:
    """Lift the holds that this led to."""
    sites = request.who.sites("read")
    review = acts.review(code, sites)
    places = Device.objects.filter(pk__in=review.hosts).values_list("site_id", flat=True)
    rights.demand(request.who, "hold", sites=set(places))

    def effect() -> str:
        engine.undo(code=code, actor=request.actor)
        return reverse("act", args=[code])

    return forms.act(request, effect, lambda error: _show(request, review, error, request.POST))
