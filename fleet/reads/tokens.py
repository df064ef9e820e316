"""Tokens as rows; never what they say."""

from fleet.errors import NotFound
from fleet.models import Token
from fleet.reads.inventory import Noun
from fleet.reads.rows import Sites, scoped

TOKENS = Noun(
    word="token",
    model=Token,
    columns={
        **{name: name for name in ("id", "name", "created_at", "expires_at", "revoked_at")},
        "role": "grants__role",
        "site": "grants__site__name",
        "owner": "owner__username",
        "made_by": "made_by__name",
        "revoked_by": "revoked_by__name",
    },
    filters={"role": "grants__role", "owner": "owner__username", "name": "name", "standing": "revoked_at__isnull"},
    site=("grants__site_id",),
)


def place(token_id: int, sites: Sites) -> int | None:
    """The site of a token, None for all. Raises NotFound (404), also for one of other sites."""
    found = scoped(Token.objects.filter(pk=token_id), sites, "grants__site_id").values_list("grants__site_id").first()
    if found is None:
        raise NotFound(f"there is no token {token_id}", field="id", value=token_id)
    return None if found[0] is None else int(found[0])
