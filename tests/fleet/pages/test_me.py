"""Me, Help, Plan and Policy."""

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from fleet.models import PlanVersion, Preference, Token
from fleet.states import KINDS
from tests.support import make, people


def test_colours_and_keys_are_kept_for_the_person(db):
    client = people.signed_in("viewer")
    assert "data-theme" not in client.get("/me/").content.decode()
    answer = client.post("/me/", {"theme": "dark"})
    assert answer.status_code == 302
    text = client.get("/hosts/").content.decode()
    assert (
        '<html lang="en" data-theme="dark">' in text and 'data-keys="off"' in text and "aria-keyshortcuts" not in text
    )
    client.post("/me/", {"theme": "", "keys": "on"})
    text = client.get("/hosts/").content.decode()
    assert "data-theme" not in text and "data-keys" not in text
    assert Preference.objects.count() == 1


def test_who_has_signed_out_keeps_the_colours_of_this_browser(db):
    client = people.signed_in("viewer")
    client.post("/me/", {"theme": "light", "keys": "on"})
    client.logout()
    assert 'data-theme="light"' not in Client().get("/sign-in/").content.decode()
    client.cookies["theme"] = "light"
    assert 'data-theme="light"' in client.get("/sign-in/").content.decode()
    client.cookies["theme"] = '"><script>'
    assert "data-theme" not in client.get("/sign-in/").content.decode()


def test_no_such_colour(db):
    answer = people.signed_in("viewer").post("/me/", {"theme": "pink"})
    assert answer.status_code == 422 and "light, dark" in answer.content.decode()
    assert not Preference.objects.exists()


def test_tokens_of_this_person_alone_with_their_end(db):
    user, other = people.person("operator"), people.person("operator")
    soon, past = timezone.now() + timedelta(days=3), timezone.now() - timedelta(days=3)
    for name, owner, end in (("mine", user, soon), ("old", user, past), ("theirs", other, soon)):
        Token.objects.create(name=f"token-{name}", digest=name, owner=owner, expires_at=end)
    client = Client()
    client.force_login(user)
    text = client.get("/me/").content.decode()
    assert "token-mine" in text and "works" in text and "token-old" in text and "expired" in text
    assert "token-theirs" not in text


def test_help_is_there_for_everybody_and_has_every_state(db):
    text = Client().get("/help/").content.decode()
    assert all(state.means in text for state in KINDS["host"].states)
    assert "switched off in" in people.signed_in("viewer").get("/help/").content.decode()


def test_the_plan_in_force(db):
    client = people.signed_in("viewer")
    assert "No plan is loaded yet" in client.get("/plan/").content.decode()
    PlanVersion.objects.create(sha256="5e" * 32, actor=make.actor(), reason="first load", counts={"devices": 26})
    text = client.get("/plan/").content.decode()
    assert "in force" in text and "first load" in text and "devices 26" in text


@pytest.mark.parametrize("words", ["page the operator", "force a host to quarantined", "burn in", "closed, 0 of"])
def test_policy_says_what_is_in_force(db, words):
    make.host("in_service")
    assert words in people.signed_in("viewer").get("/policy/").content.decode()
