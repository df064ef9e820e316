"""Tokens: made, listed and revoked by admins. What a token says is in one answer only."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema
from pydantic import Field

from fleet import access
from fleet.errors import NotAllowed
from fleet.http import paging, rights
from fleet.http.api import Bearer, answers, idempotent_secret
from fleet.http.auth import PageRequest
from fleet.http.schemas import Asked, Id, Name, Page, Paged, Text, words
from fleet.models import GRANTABLE, Site
from fleet.reads import inventory, tokens
from fleet.reads.tokens import TOKENS

router = Router(tags=["tokens"])

# What holds at all sites is for those who may act at all of them.
NO_SITE = 0


class TokenRow(Schema):
    """A token, without what it says. site: null for all. owner: the person for whom it acts."""

    id: int
    name: str
    role: str
    site: str | None
    owner: str | None
    created_at: datetime
    made_by: str | None
    expires_at: datetime
    revoked_at: datetime | None
    revoked_by: str | None


class TokenMade(TokenRow):
    """token: what the program must send, `Authorization: Bearer <token>`; it is shown here and never again."""

    token: str


class TokenFilters(Paged):
    """owner: name of the sign-in."""

    name: Text | None = None
    role: Annotated[Text, *words(GRANTABLE)] | None = None
    owner: Text | None = None
    revoked: bool | None = None


class TokenIn(Asked):
    """A program gets in, in one role, at one site or (site left out) at all, for so many days."""

    name: Name
    role: Annotated[Text, *words(GRANTABLE)]
    days: Annotated[int, Field(strict=True, ge=1, le=access.MOST_DAYS)]
    site: Name | None = None


@router.get("/tokens", auth=Bearer("token"), response=answers(Page[TokenRow]))
def list_tokens(request: PageRequest, filters: Query[TokenFilters]) -> Any:
    """Tokens, the newest first."""
    asked = filters.model_dump()
    asked["standing"] = None if filters.revoked is None else not filters.revoked
    found = inventory.select(TOKENS, asked, request.who.sites("token"))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": inventory.ready(TOKENS, rows), "next": after}


@router.get("/tokens/{id}", auth=Bearer("token"), response=answers(TokenRow))
def get_token(request: PageRequest, id: Id) -> Any:
    """One token."""
    return inventory.one(TOKENS, id, request.who.sites("token"))


@router.post("/tokens", auth=Bearer("token"), response=answers(TokenMade, status=201, act=True))
@idempotent_secret
def create_token(request: PageRequest, body: TokenIn) -> Any:
    """Make a token for a program. It acts on behalf of whoever makes it: where two persons are needed they are one."""
    owner = access.person_of(request.actor)
    if owner is None:
        hint = "manage.py token create --owner names one"
        raise NotAllowed(
            f"{request.who.name} has no owner, so it makes no tokens", expected="a token with an owner", hint=hint
        )
    site = Site.objects.filter(name=body.site).values_list("id", flat=True).first() if body.site else NO_SITE
    rights.demand(request.who, "token", sites=[] if site is None else [site])
    made, text = access.create_token(**body.model_dump(), owner=owner, made_by=request.actor)
    return 201, {**inventory.one(TOKENS, made.pk, None), "token": text}


@router.delete("/tokens/{id}", auth=Bearer("token"), response=answers(TokenRow, act=True))
def revoke_token(request: PageRequest, id: Id) -> Any:
    """End a token now. It stays on record; a second time changes nothing."""
    site = tokens.place(id, request.who.sites("token"))
    rights.demand(request.who, "token", sites=[site or NO_SITE])
    access.revoke_token(token_id=id, actor=request.actor)
    return inventory.one(TOKENS, id, None)
