"""GET /audit/: every transition, with filters, as a table to take away, and the proof that nobody has changed one."""

import csv
import time
from collections.abc import Iterator
from typing import Any, cast

from django.http import HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe

from fleet.errors import MusterError
from fleet.http import forms, paging
from fleet.http.auth import PageRequest, needs
from fleet.reads import audit as reads
from fleet.states import KINDS


@require_safe
@needs("read")
def audit(request: PageRequest) -> HttpResponse:
    """The latest first, a hundred a page."""
    return _show(request, {})


def _show(request: PageRequest, more: dict[str, Any]) -> HttpResponse:
    error: MusterError | None = None
    asked: dict[str, str] = {}
    rows: list[dict[str, Any]] = []
    after = None
    try:
        asked = reads.filters(request.GET)
        cursor = forms.text(request.GET, "cursor", most=500)
        found = reads.select(asked, request.who.sites("read"))
        rows, after = paging.page(found, by="id", cursor=cursor, limit=paging.DEFAULT, descending=True)
    except MusterError as refused:
        error, asked = refused, request.GET.dict()
    shown = {name: asked.get(name, "") for name in reads.NAMES}
    context = {"here": "audit", "error": error, "asked": shown, "kinds": KINDS, "next": after, **more}
    context |= {"moves": reads.ready(rows), "cursor": request.GET.get("cursor", ""), "exported": reads.EXPORTED}
    return render(request, "audit/audit.html", context, status=error.status if error else 200)


@require_POST
@needs("verify")
def verify(request: PageRequest) -> HttpResponse:
    """Recompute every chain, while the admin waits: a whole history of a fleet takes seconds."""
    begun = time.monotonic()
    found = reads.verify()
    return _show(request, {"verified": found, "is_verified": True, "took_s": time.monotonic() - begun})


class _Line:
    """What csv writes to: gives each line back."""

    def write(self, line: str) -> str:
        return line


@require_safe
@needs("read")
def export(request: PageRequest) -> HttpResponse:
    """The same filters as CSV. What cannot be is refused before the first line."""
    found = reads.select(reads.filters(request.GET), request.who.sites("read"))
    writer = csv.writer(_Line())

    def lines() -> Iterator[str]:
        for row in reads.exported(found):
            yield writer.writerow(row)

    answer = StreamingHttpResponse(lines(), content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = 'attachment; filename="transitions.csv"'
    return cast(HttpResponse, answer)  # the guard's word for any answer
