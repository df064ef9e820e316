"""Acts that two persons must want: asked for by one, done when another confirms. What each does is its caller's."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from fleet import access
from fleet.errors import NotAllowed, NotFound, WrongState
from fleet.models import Actor, ActRequest, Device

VALID_S = 3600


@dataclass(frozen=True)
class Rule:
    """needs: the act of fleet.http.rights that the second person must be allowed; the first one needs the act's own."""

    needs: str


# One table for all such acts (lifecycle.md, "Who may what"). retire: an admin asks, and it takes an operator too.
ACTS: dict[str, Rule] = {"retire": Rule(needs="operate")}


def ask(*, act: str, hosts: Sequence[int], reason: str, actor: Actor) -> ActRequest:
    """Put on record that somebody wants this; nothing happens before take() and the act itself."""
    now = timezone.now()
    return ActRequest.objects.create(
        act=act,
        subject_kind="host",
        subject_ids=sorted(hosts),
        reason=reason,
        asked_by=actor,
        asked_at=now,
        valid_until=now + timedelta(seconds=VALID_S),
    )


def take(*, number: int, actor: Actor) -> ActRequest:
    """Note who confirms a request. The caller does the act in the same transaction and says what it led to.

    Raises NotFound (404), NotAllowed (403) for who asked for it, WrongState (409) when it was confirmed already, its
    hour is over, or who asked could not ask for it any more.
    """
    request = ActRequest.objects.select_for_update(of=("self",)).select_related("asked_by").filter(pk=number).first()
    if request is None:
        raise NotFound(f"no act {number} waits for a second person", field="id", value=number)
    if request.confirmed_at is not None:
        raise WrongState(f"act {number} was confirmed already", field="id", value=number)
    now = timezone.now()
    if request.valid_until <= now:
        raise WrongState(f"act {number} waited for too long", field="id", value=number, hint="ask for it again")
    if is_same(request.asked_by, actor):
        raise NotAllowed(f"{actor.name} asked for act {number}", field="id", value=number, expected="another person")
    sites = Device.objects.filter(pk__in=request.subject_ids).values_list("site_id", flat=True)
    if not access.has_still(request.asked_by, set(sites)):
        raise WrongState(f"{request.asked_by.name} may not {request.act} any more", field="id", value=number)
    request.confirmed_by, request.confirmed_at = actor, now
    request.save(update_fields=["confirmed_by", "confirmed_at"])
    return request


def is_same(one: Actor, other: Actor) -> bool:
    """Whether two actors are one person or program, in whatever roles."""
    return (one.kind, one.name) == (other.kind, other.name)


def only_one_account() -> None:
    """Raises WrongState (409) when somebody else could confirm: then the server's shell may not."""
    names = list(User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)[:5])
    if len(names) > 1:
        raise WrongState(
            "there is more than one account here", value=names, expected=f"another person signs in: {', '.join(names)}"
        )
