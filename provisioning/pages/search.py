"""GET /search/: one box for all that has a name; GET /s/: what the code on a label opens."""

from urllib.parse import quote

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fleet.errors import BadValue, MusterError
from fleet.http import forms
from fleet.http.auth import PageRequest, needs
from fleet.reads import search as fleet_search
from fleet.reads.search import Hit
from provisioning.reads import search as reads


def address(hit: Hit) -> str:
    """Where a hit leads."""
    if hit.kind in ("operation", "campaign"):
        return reverse(hit.kind, args=[int(hit.name)])
    page = reverse(hit.kind, args=[hit.name])
    return f"{page}#port-{quote(hit.port, safe='')}" if hit.port else page


@require_safe
@needs("read")
def search(request: PageRequest) -> HttpResponse:
    """One exact hit goes straight there; else what was found, or what is nearest."""
    try:
        q = forms.text(request.GET, "q")
    except MusterError as error:
        return render(request, "search/search.html", {"here": "search", "error": error}, status=error.status)
    return _found(request, q)


@require_safe
@needs("read")
def scanned(request: PageRequest, code: str) -> HttpResponse:
    """What a scanned label opens, by the same look-up."""
    try:
        q = forms.text({"code": code}, "code")
    except BadValue as error:
        return render(request, "search/search.html", {"here": "search", "error": error}, status=error.status)
    return _found(request, q, scanned=True)


def _found(request: PageRequest, q: str, *, scanned: bool = False) -> HttpResponse:
    sites = request.who.sites("read")
    hits = reads.exact(q, sites) if q else []
    places = {address(hit) for hit in hits}
    if len(places) == 1:
        return HttpResponseRedirect(places.pop())
    near = fleet_search.nearest(q, sites) if q and not hits else []
    context = {
        "here": "search",
        "q": q,
        "hits": [(hit, address(hit)) for hit in hits],
        "near": [(hit, address(hit)) for hit in near],
        "scanned": scanned,
    }
    return render(request, "search/search.html", context, status=404 if scanned and not hits else 200)
