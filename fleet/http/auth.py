"""Who asks: a session for people, a bearer token for programs; and the guard of each page."""

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, ParamSpec
from urllib.parse import quote

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from fleet import lifecycle, secrets
from fleet.errors import NotSignedIn
from fleet.http.problem import page_response, problem_response, wants_json
from fleet.http.rights import ACTS, LETTERS, Who, demand, may
from fleet.models import THEMES, Actor, Grant, Token

SAFE = ("GET", "HEAD", "OPTIONS")
# Pages at the foot of every page.
MORE = (("audit", "Audit"), ("plan", "Plan"), ("policy", "Policy"), ("me", "Me"))
P = ParamSpec("P")


class PageRequest(HttpRequest):
    """A request that has passed a guard. who: who asks. actor: who acts, set on a POST; in the role that is used."""

    who: Who
    actor: Actor


class Actors:
    """Middleware: sets request.who before the view runs; None when nobody is signed in. A bad token is a 401."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, args: Any, kwargs: Any) -> HttpResponse | None:
        """Django calls this once it knows the view: an address that does not exist costs no query."""
        try:
            request.who = _who(request)  # type: ignore[attr-defined]
        except NotSignedIn as error:
            return problem_response(error)
        return None


def _who(request: HttpRequest) -> Who | None:
    """Endpoints take a token, and a session to read only: no form elsewhere can make them act. Pages: a session."""
    if wants_json(request):
        if header := request.headers.get("Authorization"):
            return _by_token(header)
        if request.method not in SAFE:
            return None
    return _by_session(request)


def _by_token(header: str) -> Who:
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text.strip():
        raise NotSignedIn("the Authorization header holds no bearer token", expected="Authorization: Bearer <token>")
    token = (
        Token.objects.filter(digest=secrets.digest(text.strip()))
        .select_related("owner")
        .prefetch_related("grants")
        .first()
    )
    if token is None:
        raise NotSignedIn("no such token", hint="an admin makes one: manage.py token create")
    if token.revoked_at is not None:
        raise NotSignedIn(f"token {token.name!r} was revoked")
    if token.owner is not None and not token.owner.is_active:
        raise NotSignedIn(f"token {token.name!r} belongs to {token.owner}, who may not sign in any more")
    if token.expires_at <= timezone.now():
        raise NotSignedIn(f"token {token.name!r} has expired", value=token.expires_at)
    grants = tuple((g.role, g.site_id) for g in token.grants.all())
    return Who("token", token.name, grants, token_id=token.pk)


def _by_session(request: HttpRequest) -> Who | None:
    user = request.user
    if not user.is_authenticated:
        return None
    wanted = ("user__preference__theme", "user__preference__keys")
    found = list(Grant.objects.filter(user_id=user.pk).values_list("role", "site_id", *wanted))
    theme, keys = found[0][2:] if found else (None, None)
    grants = tuple((role, site) for role, site, _, _ in found)
    return Who("user", user.get_username(), grants, user_id=user.pk, theme=theme or "", keys=keys is not False)


def who_of(request: HttpRequest) -> Who | None:
    """Who asks; also where no view was found, so that the page that says so still has its menu."""
    if not hasattr(request, "who"):
        request.who = _by_session(request) if hasattr(request, "user") else None  # type: ignore[attr-defined]
    who: Who | None = request.who  # type: ignore[attr-defined]
    return who


def acting(who: Who, role: str) -> Actor:
    """The row of this person or program in this role."""
    return lifecycle.actor(who.kind, who.name, LETTERS[role], user_id=who.user_id, token_id=who.token_id)


def admit(request: HttpRequest, act: str) -> PageRequest:
    """Let a request on, or raise NotSignedIn (401), NotAllowed (403). On a POST request.actor is set."""
    who = who_of(request)
    role = demand(who, act)
    if request.method not in SAFE and who is not None:
        request.actor = acting(who, role)  # type: ignore[attr-defined]
    return request  # type: ignore[return-value]


def needs(
    act: str, back: Callable[[HttpRequest], str] | None = None
) -> Callable[
    [Callable[Concatenate[PageRequest, P], HttpResponse]], Callable[Concatenate[HttpRequest, P], HttpResponse]
]:
    """Guard of a page: the act that it does. Somebody who is not signed in is sent to sign in, and back again.

    back: for a form, the address of a page that shows it again as it was filled in; without one they are told only.
    """
    if act not in ACTS:
        raise KeyError(act)

    def guard(view: Callable[Concatenate[PageRequest, P], HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            if who_of(request) is None:
                return _to_sign_in(request, back)
            return view(admit(request, act), *args, **kwargs)

        guarded.act = act  # type: ignore[attr-defined]
        return guarded

    return guard


def _to_sign_in(request: HttpRequest, back: Callable[[HttpRequest], str] | None = None) -> HttpResponse:
    if getattr(request, "htmx", False) or request.headers.get("HX-Request"):
        here = request.headers.get("HX-Current-URL", "/")
        return HttpResponse(status=401, headers={"HX-Redirect": f"{settings.LOGIN_URL}?next={quote(here)}"})
    if request.method in SAFE:
        return redirect_to_login(request.get_full_path(), settings.LOGIN_URL)
    if back is not None:
        return redirect_to_login(back(request), settings.LOGIN_URL)
    return page_response(request, NotSignedIn("you are not signed in any more", hint="sign in, then send it again"))


def page_context(request: HttpRequest) -> dict[str, Any]:
    """What every template may use: who asks, what they may, and how fast time runs."""
    who = who_of(request)
    return {
        "who": who,
        "may": {act: may(who, act) for act in ACTS},
        "roles": {name: " or ".join(act.roles) for name, act in ACTS.items()},
        "time_scale": settings.TIME_SCALE,
        "theme": theme_of(request, who),
        "more": MORE,
    }


def theme_of(request: HttpRequest, who: Who | None) -> str:
    """What somebody has fixed in /me/; before they sign in, what this browser has kept. Empty: the system's."""
    theme = who.theme if who else request.COOKIES.get("theme", "")
    return theme if theme in THEMES else ""
