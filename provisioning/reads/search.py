"""What the search finds beside the fleet's own things: operations and campaigns by number."""

import re

from fleet.http.paging import BIGINT
from fleet.reads import search
from fleet.reads.rows import Sites, scoped
from fleet.reads.search import Hit
from provisioning.models import Campaign, Operation

_NUMBERED = re.compile(r"(?:(op|operation|campaign|[a-z_]+) +)?#?(\d{1,19})", re.I)


def exact(q: str, sites: Sites) -> list[Hit]:
    """All that is called so exactly. At most four queries."""
    return [*_numbered(q, sites), *search.exact(q, sites)]


def _numbered(q: str, sites: Sites) -> list[Hit]:
    """An operation or campaign by its number; with a word before it only that, or an operation of that kind."""
    found = _NUMBERED.fullmatch(q)
    if found is None or int(found[2]) > BIGINT:
        return []
    word, number = (found[1] or "").lower(), int(found[2])
    hits = []
    if word != "campaign":
        operations = scoped(Operation.objects.filter(pk=number), sites, "site_id")
        for kind, state, host in operations.values_list("kind", "state", "device__name"):
            if word in ("", "op", "operation", kind):
                hits.append(Hit("operation", str(number), "number", str(number), state, f"{kind} on {host}"))
    if word in ("", "campaign"):
        campaigns = scoped(Campaign.objects.filter(pk=number), sites, "site_id")
        for kind, state, n in campaigns.values_list("kind", "state", "hosts"):
            hits.append(Hit("campaign", str(number), "number", str(number), state, f"{kind}, {n} hosts"))
    return hits
