"""/me/: who is signed in, their tokens, and how they want the pages. /help/: keys, words, where to read."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from fleet.errors import MusterError
from fleet.http import forms
from fleet.http.auth import PageRequest, needs, who_of
from fleet.models import THEMES
from fleet.reads import me as reads
from fleet.states import KINDS

YEAR_S = 365 * 86400
KEYS = (
    ("/", "to the search box"),
    ("?", "to this page"),
    ("j, k", "to the next row, to the one before"),
    ("x", "choose the row, or not"),
    ("n, p", "to the next page, to the one before"),
    ("a", "to what can be done on this page"),
)


@require_http_methods(["GET", "HEAD", "POST"])
@needs("read")
def me(request: PageRequest) -> HttpResponse:
    """The page; sent as a form, what it says is kept and the page comes anew."""
    error: MusterError | None = None
    if request.method == "POST":
        try:
            return _choose(request)
        except MusterError as refused:
            error = refused
    context = {"here": "me", "error": error, **reads.page(request.who)}
    return render(request, "me/me.html", context, status=error.status if error else 200)


def _choose(request: PageRequest) -> HttpResponse:
    theme = forms.choice(request.POST, "theme", THEMES)
    assert request.who.user_id is not None  # pages know people only
    reads.choose(request.who.user_id, theme=theme, keys=request.POST.get("keys") == "on")
    messages.success(request, "Kept.")
    answer = redirect("me")
    # The page of signing in knows nobody: there the browser says it.
    answer.set_cookie("theme", theme, max_age=YEAR_S, secure=settings.SESSION_COOKIE_SECURE, samesite="Lax")
    return answer


@require_safe
def help(request: PageRequest) -> HttpResponse:
    """Open to everybody: who cannot sign in may need it most."""
    context = {"here": "help", "keys": KEYS, "kinds": KINDS.values(), "signed_in": who_of(request) is not None}
    return render(request, "help/help.html", context)
