"""GET /hosts/: one row a host, filters in the address; in trouble by cause and owner; and where one acts from."""

import csv
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_safe

from fleet.errors import BadValue, MusterError
from fleet.http import forms, paging
from fleet.http.auth import PageRequest, needs
from fleet.reads import hosts as reads

GROUPS = ("", "cause")
# A spreadsheet takes a cell that begins so for a formula.
FORMULA = ("=", "+", "-", "@", "\t", "\r")


@require_safe
@needs("read")
def hosts(request: PageRequest) -> HttpResponse:
    """The list of hosts. ?group=cause: the repair board. ?host=, ?all=: chosen already."""
    return show(request, request.GET, forms.blank())


def show(request: PageRequest, asked: QueryDict, shown: Any) -> HttpResponse:
    """The list with a form of it as it was filled in; also when what was asked for was refused."""
    sites = request.who.sites("read")
    try:
        listed = _listed(asked, reads.filters(asked), sites)
    except BadValue as refused:
        shown = {**shown, "error": refused}
        filters = {name: asked[name] for name in reads.NAMES if asked.get(name)}
        listed = {"filters": filters, "wanted": filters, "hosts": [], "matching": 0, "group": ""}
    error: MusterError | None = shown["error"]
    chosen = asked.getlist("host")[: paging.MOST]
    on_page = {h["name"] for h in listed["hosts"]}
    context = {
        "here": "hosts",
        **shown,
        **listed,
        "chips": [(name, value) for name, value in listed["filters"].items()],
        "known": reads.known(sites),
        "parties": reads.parties(),
        "chosen": chosen,
        "elsewhere": [name for name in chosen if name not in on_page],
        "all": bool(asked.get("all")),
    }
    return render(request, "hosts/hosts.html", context, status=error.status if error else 200)


def _listed(asked: QueryDict, filters: dict[str, str], sites: Any) -> dict[str, Any]:
    """What the list shows. Raises BadValue (422)."""
    group = forms.choice(asked, "group", GROUPS)
    wanted = {"cause": reads.ANY_CAUSE, **filters} if group else filters
    found = reads.select(wanted, sites)
    cursor = forms.text(asked, "cursor", most=500)
    rows, after = paging.page(reads.rows(found), by="name", cursor=cursor, limit=paging.DEFAULT)
    listed: dict[str, Any] = {"filters": filters, "wanted": wanted, "group": group, "matching": found.count()}
    if not listed["matching"]:
        return {**listed, "hosts": [], "without": _without(filters, sites)}
    if group:
        board = reads.by_cause(found)
        return {**listed, "board": board, "hosts": [h for one in board for h in one["hosts"]]}
    ready = reads.ready(rows)
    owners = reads.owners(ready)
    return {
        **listed,
        "cursor": cursor,
        "next": after,
        "hosts": [{**h, "owner": owners.get(h["id"], "")} for h in ready],
    }


def _without(filters: dict[str, str], sites: Any) -> list[dict[str, Any]]:
    """Filters that are worth dropping: those that nothing has, and those without which something is left."""
    return [one for one in reads.without(filters, sites) if one["rest"] or not one["alone"]] if filters else []


@require_safe
@needs("read")
def as_csv(request: PageRequest) -> HttpResponse:
    """All hosts that match, as a spreadsheet reads them."""
    found = reads.rows(reads.select(reads.filters(request.GET), request.who.sites("read"))).order_by("name")
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="hosts.csv"'
    lines = csv.writer(answer, lineterminator="\n")
    lines.writerow(reads.COLUMNS)
    lines.writerows([_cell(value) for value in row.values()] for row in reads.ready(list(found)))
    return answer


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value.isoformat() if hasattr(value, "isoformat") else value


def of_form(request: HttpRequest) -> QueryDict:
    """The filters and ticks of a form of the list, as the list takes them from its address."""
    kept = [(name, request.POST[name]) for name in (*reads.NAMES, "group", "cursor", "all") if request.POST.get(name)]
    ticked = [("host", name) for name in request.POST.getlist("host")[: paging.MOST]]
    return QueryDict(urlencode(kept + ticked))


def again(request: HttpRequest) -> str:
    """The address of the list, filled in as a form of it was."""
    return f"{reverse('hosts')}?{of_form(request).urlencode()}"
