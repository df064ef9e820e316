"""Who gets in: tokens for programs, grants of roles. What a token says is shown once; only its digest is kept."""

import secrets as randomness
from collections.abc import Collection
from datetime import timedelta

from django.contrib.auth.models import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.utils import timezone

from fleet import secrets
from fleet.errors import BadValue, NotFound, WrongState
from fleet.models import GRANTABLE, ROLES, Actor, Grant, Site, Token

MOST_DAYS = 3650


def create_token(
    *,
    name: str,
    role: str,
    days: int,
    site: str | None = None,
    owner: int | None = None,
    made_by: Actor | None = None,
) -> tuple[Token, str]:
    """Make a token for a program, in one role, at one site or at all; returns it and what the program must send.

    owner: id of the person on whose behalf it acts. Raises BadValue (422), NotFound (404), WrongState (409) when there
    is one of this name.
    """
    _known_role(role)
    if not name.strip():
        raise BadValue("a token needs a name", field="name", value=name, expected="who will use it")
    if not 1 <= days <= MOST_DAYS:
        raise BadValue("a token needs an end", field="days", value=days, expected=f"1 to {MOST_DAYS}")
    text = randomness.token_urlsafe(32)
    try:
        with transaction.atomic():
            token = Token.objects.create(
                name=name.strip(),
                digest=secrets.digest(text),
                expires_at=timezone.now() + timedelta(days=days),
                owner_id=owner,
                made_by=made_by,
            )
            Grant.objects.create(token=token, role=role, site=_site(site))
    except IntegrityError as error:
        raise WrongState(
            f"there is a token {name!r} already", field="name", value=name, expected="another name"
        ) from error
    return token, text


def revoke_token(*, token_id: int, actor: Actor) -> None:
    """End a token now. A second time changes nothing: who ended it first stays on record."""
    Token.objects.filter(pk=token_id, revoked_at=None).update(revoked_at=timezone.now(), revoked_by=actor)


def person_of(actor: Actor) -> int | None:
    """Id of the person who acts: of the sign-in, or the owner of the token. None for a token that has none."""
    if actor.token_id is None:
        return actor.user_id
    return Token.objects.values_list("owner_id", flat=True).get(pk=actor.token_id)


def grant(*, user: AbstractBaseUser, role: str, site: str | None = None) -> bool:
    """Give a person a role, at one site or at all. False when they have it already. Raises BadValue, NotFound."""
    _known_role(role)
    _, is_new = Grant.objects.get_or_create(user_id=user.pk, token=None, role=role, site=_site(site))
    return is_new


def has_still(actor: Actor, sites: Collection[int]) -> bool:
    """Whether somebody who acted in a role has it still at all these sites: not closed, revoked or expired since."""
    if actor.kind == "system":
        return True
    grants = Grant.objects.filter(role=ROLES[actor.role])
    if actor.token_id is not None:
        grants = grants.filter(token_id=actor.token_id, token__revoked_at=None, token__expires_at__gt=timezone.now())
        grants = grants.exclude(token__owner__is_active=False)
    else:
        grants = grants.filter(user_id=actor.user_id or 0, user__is_active=True)
    held = set(grants.values_list("site_id", flat=True))
    return None in held or (bool(sites) and set(sites) <= held)


def _known_role(role: str) -> None:
    if role not in GRANTABLE:
        raise BadValue(f"there is no role {role!r}", field="role", value=role, expected=", ".join(GRANTABLE))


def _site(name: str | None) -> Site | None:
    if name is None:
        return None
    try:
        return Site.objects.get(name=name)
    except Site.DoesNotExist as error:
        known = ", ".join(Site.objects.order_by("name").values_list("name", flat=True)) or "no site yet"
        raise NotFound(f"there is no site {name!r}", field="site", value=name, expected=known) from error
