"""Campaigns: the list, and one with its counts, its hosts by cause, and Halt."""

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fleet.errors import MusterError
from fleet.http import forms, live, paging, rights
from fleet.http.auth import PageRequest, needs
from provisioning.engine import campaign as engine
from provisioning.reads import campaigns as reads
from provisioning.reads import now

ROWS = 50
MOVES = {"pause": "paused", "resume": "running", "halt": "halted", "end": "done"}


@require_safe
@needs("read")
def campaigns(request: PageRequest) -> HttpResponse:
    """The list; one starts from the list of hosts."""
    cursor = forms.text(request.GET, "cursor", most=500)
    rows, after = paging.page(
        reads.rows(request.who.sites("read")), by="id", cursor=cursor, limit=ROWS, descending=True
    )
    context = {"here": "campaigns", "campaigns": reads.ready(rows), "next": after}
    return render(request, "campaigns/campaigns.html", context)


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
