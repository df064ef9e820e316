"""GET /hosts/: one row a host, filters in the address."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.errors import BadValue, MusterError
from fleet.http import forms, paging
from fleet.http.auth import PageRequest, needs
from fleet.reads import hosts as reads


@require_safe
@needs("read")
def hosts(request: PageRequest) -> HttpResponse:
    """The list of hosts."""
    sites = request.who.sites("read")
    error: MusterError | None = None
    try:
        filters = reads.filters(request.GET)
        cursor = forms.text(request.GET, "cursor", most=500)
        found = reads.select(filters, sites)
        rows, after = paging.page(reads.rows(found), by="name", cursor=cursor, limit=paging.DEFAULT)
    except BadValue as refused:
        error, filters, cursor, rows, after, found = (
            refused,
            request.GET.dict(),
            "",
            [],
            None,
            reads.select({}, frozenset()),
        )
    context = {
        "here": "hosts",
        "hosts": reads.ready(rows),
        "filters": {name: filters.get(name, "") for name in reads.NAMES},
        "filtered": bool(filters),
        "cursor": cursor,
        "next": after,
        "matching": found.count(),
        "known": reads.known(sites),
        "error": error,
    }
    return render(request, "hosts/hosts.html", context, status=error.status if error else 200)
