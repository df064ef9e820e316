"""The brakes of sites, for the Now page's line and the API."""

from typing import Any

from fleet.reads.rows import Sites
from provisioning.engine import brakes
from provisioning.engine.brakes import Standing


def rows(sites: Sites) -> list[dict[str, Any]]:
    """Each site's brake: state (closed, open, overridden), gone of limit, and words for a line. One query."""
    return [_row(one) for one in brakes.standing(sites)]


def _row(one: Standing) -> dict[str, Any]:
    state = "overridden" if one.is_overridden else "open" if one.is_open else "closed"
    return {
        "site": one.name,
        "state": state,
        "gone": one.gone,
        "limit": one.limit,
        "in_service": one.serving,
        "within_s": one.within_s,
        "override_until": one.override_until if one.is_overridden else None,
        "override_by": one.override_by if one.is_overridden else "",
        "override_reason": one.override_reason if one.is_overridden else "",
        "words": _words(one, state),
    }


def _words(one: Standing, state: str) -> str:
    out = f"{one.gone} of {one.limit} are out"
    return {
        "closed": f"closed, {out}",
        "open": f"open, {out}: no more leave service by themselves",
        "overridden": f"overridden by {one.override_by}, {out}: {one.override_reason}",
    }[state]
