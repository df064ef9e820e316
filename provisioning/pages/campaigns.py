"""Campaigns: the list with the form that starts one, and one with its counts, its hosts by cause, and Halt."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fleet.errors import MusterError, WrongState
from fleet.http import forms, live, paging, rights
from fleet.http.auth import PageRequest, needs
from fleet.reads import hosts
from provisioning.engine import campaign as engine
from provisioning.operations.registry import CHAINS
from provisioning.reads import campaigns as reads
from provisioning.reads import now

KINDS = ("bring_up", *sorted(set(CHAINS) - {"bring_up", "power"}))
MOST_AT_ONCE = 100_000
ROWS = 50
MOVES = {"pause": "paused", "resume": "running", "halt": "halted", "end": "done"}


@require_safe
@needs("read")
def campaigns(request: PageRequest) -> HttpResponse:
    """The list. With filters in the address, also what a campaign on the hosts that match would touch."""
    return _list(request, request.GET, forms.blank())


def _list(request: PageRequest, asked: Any, shown: dict[str, Any]) -> HttpResponse:
    sites = request.who.sites("read")
    context: dict[str, Any] = {"here": "campaigns", **shown, "kinds": KINDS, "asked": asked, "review": None}
    try:
        cursor = forms.text(request.GET, "cursor", most=500)
        context["review"] = reads.review_of(asked, sites)
    except MusterError as error:
        cursor = ""
        context["error"] = context["error"] or error
        context["error_form"] = "start"
    rows, after = paging.page(reads.rows(sites), by="id", cursor=cursor, limit=ROWS, descending=True)
    context |= {"campaigns": reads.ready(rows), "next": after, "known": hosts.known(sites)}
    status = context["error"].status if context["error"] else 200
    return render(request, "campaigns/campaigns.html", context, status=status)


@require_POST
@needs("campaign")
def start(request: PageRequest) -> HttpResponse:
    """Start a campaign on the hosts that the review showed; when they are others by now, nothing starts."""

    def effect() -> str:
        review = reads.review_of(request.POST, request.who.sites("read"))
        if review is None or review.shown != request.POST.get("shown"):
            n = len(review.hosts) if review else 0
            raise WrongState("the selection is another one now", code="changed", field="hosts", value=n,
                             expected="look at what it would touch, then start it")  # fmt: skip
        rights.demand(request.who, "campaign", sites=review.sites)
        at_once = forms.number(request.POST, "at_once", low=1, high=MOST_AT_ONCE)
        made = engine.create(
            kind=review.kind,
            devices=review.devices,
            select={"hosts": list(review.hosts)},
            params={},
            at_once=at_once,
            actor=request.actor,
            reason=forms.reason(request.POST),
        )
        return reverse("campaign", args=[made.pk])

    def refused(error: MusterError) -> HttpResponse:
        return _list(request, request.POST, dict(forms.typed(request.POST, "start", error)))

    return forms.act(request, effect, refused)


@require_safe
@needs("read")
def campaign(request: PageRequest, id: int) -> HttpResponse:
    """The page of a campaign; refreshes itself."""
    version = now.version()
    if answer := live.unchanged(request, version.have):
        return answer
    return _show(request, id, forms.blank(), version)


def _show(request: PageRequest, id: int, shown: Any, version: now.Version, status: int = 200) -> HttpResponse:
    context = {"here": "campaigns", **shown, **reads.page(id, request.who.sites("read"))}
    return live.show(
        request,
        url=reverse("campaign", args=[id]),
        page="campaigns/campaign.html",
        part="campaigns/_live.html",
        have=version.have,
        is_passing=version.is_passing,
        context=context,
        state=context["campaign"]["state"],
        status=status,
    )


@require_POST
@needs("campaign")
def move(request: PageRequest, id: int, verb: str) -> HttpResponse:
    """Pause, resume, halt or end. Halt is one press: it needs no reason."""
    rights.demand(request.who, "campaign", sites=[reads.site_of(id, request.who.sites("read"))])

    def effect() -> str:
        why = forms.reason(request.POST, default="halted from its page" if verb == "halt" else "")
        engine.move(campaign_id=id, to=MOVES[verb], actor=request.actor, reason=why)
        return reverse("campaign", args=[id])

    def refused(error: MusterError) -> HttpResponse:
        return _show(request, id, forms.typed(request.POST, verb, error), now.version(), error.status)

    return forms.act(request, effect, refused)
