"""Live parts of pages: a poll that finds nothing new is answered by 204, which swaps nothing and keeps the focus."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.http import urlencode

PACE_PASSING_S = 3
PACE_REST_S = 60


def is_part(request: HttpRequest) -> bool:
    """Whether htmx asks for the live part alone."""
    return request.headers.get("HX-Request") == "true"


def unchanged(request: HttpRequest, have: str) -> HttpResponse | None:
    """204 when the page that asks has this already; None when it must be rendered."""
    if is_part(request) and request.GET.get("have") == have:
        return HttpResponse(status=204)
    return None


def show(
    request: HttpRequest,
    *,
    url: str,
    page: str,
    part: str,
    have: str,
    is_passing: bool,
    context: dict[str, Any],
    state: str = "",
    status: int = 200,
) -> HttpResponse:
    """Render the live part alone for htmx, or the whole page around it. The server says how soon to ask again.

    url: of the page, also when a refused form is shown again. state: what the page's forms depend on. They stand
    outside of the live part, so that nobody loses what is half typed; only when the state is another one than the page
    that asks has, live.forms_too says to send them as well.
    """
    keep = {k: str(v) for k, v in request.GET.items() if k not in ("have", "state")}
    live = {
        "page": f"{url}?{urlencode(keep)}" if keep else url,
        "url": f"{url}?{urlencode({**keep, 'have': have, 'state': state})}",
        "pace_s": PACE_PASSING_S if is_passing else PACE_REST_S,
        "forms_too": is_part(request) and request.GET.get("state", "") != state,
    }
    response = render(request, part if is_part(request) else page, {**context, "live": live}, status=status)
    response["Cache-Control"] = "no-store"
    response["Vary"] = "HX-Request, Cookie"
    return response
