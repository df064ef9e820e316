"""GET /: what goes on now."""

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from fleet.http import idempotency, live
from fleet.http.auth import PageRequest, needs
from provisioning.reads import now as reads


@require_safe
@needs("read")
def now(request: PageRequest) -> HttpResponse:
    """What needs a person, campaigns with Halt, operations under way, the latest changes; refreshes itself."""
    version = reads.version()
    if answer := live.unchanged(request, version.have):
        return answer
    context = {"here": "now", "key": idempotency.fresh_key(), **reads.now(request.who.sites("read"))}
    return live.show(
        request,
        url=request.path,
        page="now/now.html",
        part="now/_live.html",
        have=version.have,
        is_passing=version.is_passing,
        context=context,
    )
