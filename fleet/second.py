"""Acts that two persons must want: asked for by one, done when another confirms. What each does is its caller's."""

from dataclasses import dataclass
from datetime import timedelta

from django.contrib.auth.models import User
from django.utils import timezone

from fleet import access
from fleet.errors import NotAllowed, NotFound, WrongState
from fleet.models import Actor, Device, Review

VALID_S = 3600


@dataclass(frozen=True)
class Rule:
    """needs: the act of fleet.http.rights that the second person must be allowed; the first one needs the act's own."""

    needs: str


# One table for all such acts (lifecycle.md, "Who may what"; ui.md, "Acting"). retire: an admin asks, and it takes an
# operator too. lose_data: what many hosts hold is overwritten or erased.
ACTS: dict[str, Rule] = {"retire": Rule(needs="operate"), "lose_data": Rule(needs="operate")}


def ask(review: Review) -> None:
    """Who asked wants it; it waits for the second person, and nothing happens before take() and the act itself."""
    review.asked_at = timezone.now()
    review.valid_until = review.asked_at + timedelta(seconds=VALID_S)


def take(*, code: str, actor: Actor) -> Review:
    """Note who confirms, on the review, locked. The caller does the act in the same transaction and saves it.

    Raises NotFound (404), NotAllowed (403) for who asked for it, WrongState (409) when it was confirmed already, its
    hour is over, or who asked could not ask for it any more.
    """
    waiting = Review.objects.exclude(second="").exclude(asked_at=None)
    review = waiting.select_for_update(of=("self",)).select_related("asked_by").filter(code=code).first()
    if review is None:
        raise NotFound(f"no act {code} waits for a second person", field="id", value=code)
    if review.confirmed_at is not None:
        raise WrongState(f"act {code} was confirmed already", field="id", value=code)
    now = timezone.now()
    if review.valid_until <= now:
        raise WrongState(f"act {code} waited for too long", field="id", value=code, hint="ask for it again")
    if is_same(review.asked_by, actor):
        raise NotAllowed(f"{actor.name} asked for act {code}", field="id", value=code, expected="another person")
    sites = Device.objects.filter(pk__in=review.hosts).values_list("site_id", flat=True)
    if not access.has_still(review.asked_by, set(sites)):
        raise WrongState(f"{review.asked_by.name} may not {review.second} any more", field="id", value=code)
    review.confirmed_by, review.confirmed_at = actor, now
    return review


def is_same(one: Actor, other: Actor) -> bool:
    """Whether two actors are one person or program, in whatever roles; a token is the person who owns it."""
    person = access.person_of(one)
    is_one_person = person is not None and person == access.person_of(other)
    return is_one_person or (one.kind, one.name) == (other.kind, other.name)


def only_one_account() -> None:
    """Raises WrongState (409) when somebody else could confirm: then the server's shell may not."""
    names = list(User.objects.filter(is_active=True).order_by("username").values_list("username", flat=True)[:5])
    if len(names) > 1:
        raise WrongState(
            "there is more than one account here", value=names, expected=f"another person signs in: {', '.join(names)}"
        )
