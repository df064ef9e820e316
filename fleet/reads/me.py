"""What the page of the signed-in person shows, and what they have chosen."""

from typing import Any

from django.utils import timezone

from fleet.http.rights import ACTS, Who
from fleet.models import Preference, Site, Token


def page(who: Who) -> dict[str, Any]:
    """Roles with their sites, tokens that act for this person, and what each role may. Two queries."""
    sites = dict(Site.objects.values_list("id", "name"))
    tokens = Token.objects.filter(owner_id=who.user_id).order_by("-expires_at")
    now = timezone.now()
    return {
        "grants": [{"role": role, "site": sites.get(site) if site else ""} for role, site in who.grants],
        "tokens": [{"token": t, "is_live": t.revoked_at is None and t.expires_at > now} for t in tokens],
        "allowed": [act.words for name, act in ACTS.items() if who.role(name) is not None],
    }


def choose(user_id: int, *, theme: str, keys: bool) -> None:
    """Remember how a person wants the pages; a second time changes nothing."""
    Preference.objects.update_or_create(user_id=user_id, defaults={"theme": theme, "keys": keys})
