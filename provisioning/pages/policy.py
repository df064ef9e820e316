"""GET /policy/: the rules in force. Read only: they stand in tables of the code, and change with a release."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.http.auth import PageRequest, needs
from provisioning.reads import policy as reads


@require_safe
@needs("read")
def policy(request: PageRequest) -> HttpResponse:
    """Limits, edges, rights, deadlines."""
    return render(request, "policy/policy.html", {"here": "policy", **reads.page(request.who.sites("read"))})
