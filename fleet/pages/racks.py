"""GET /fleet/: every host as it stands on the floor."""

from django.conf import settings
from django.http import HttpResponse
from django.views.decorators.http import require_safe

from fleet.errors import BadValue, MusterError
from fleet.http import forms, live
from fleet.http.auth import PageRequest, needs
from fleet.reads import racks as reads
from fleet.states import GROUPS

FILTERS = {"by": tuple(reads.BY), "show": ("", *GROUPS)}


@require_safe
@needs("read")
def racks(request: PageRequest) -> HttpResponse:
    """The floor; refreshes itself."""
    sites = request.who.sites("read")
    have, is_passing = reads.version(sites)
    if answer := live.unchanged(request, have):
        return answer
    error: MusterError | None = None
    asked = {"by": "state", "show": "", "is": ""}
    try:
        asked = _asked(request)
    except BadValue as refused:
        error = refused
    found = reads.floor(asked["by"], asked["show"], asked["is"], sites, lambda s: s / settings.TIME_SCALE)
    context = {"here": "racks", "error": error, "asked": asked, "ways": reads.BY, **found}
    return live.show(
        request,
        url=request.path,
        page="racks/racks.html",
        part="racks/_live.html",
        have=have,
        is_passing=is_passing,
        context=context,
        status=error.status if error else 200,
    )


def _asked(request: PageRequest) -> dict[str, str]:
    found = {"by": forms.text(request.GET, "by") or "state", "show": forms.text(request.GET, "show")}
    for name, words in FILTERS.items():
        if found[name] not in words:
            expected = ", ".join(w for w in words if w)
            raise BadValue(f"there is no such {name}", field=name, value=found[name], expected=expected)
    return {**found, "is": forms.text(request.GET, "is")}
