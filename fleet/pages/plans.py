"""GET /plan/: what plan is loaded."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.http.auth import PageRequest, needs
from fleet.reads import plans as reads


@require_safe
@needs("read")
def plan(request: PageRequest) -> HttpResponse:
    """Versions, the latest first. A folder is compared and loaded by the command."""
    return render(request, "plan/plan.html", {"here": "plan", **reads.page()})
