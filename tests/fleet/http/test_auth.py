"""Who gets in: sessions, tokens, grants, sites."""

from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils import timezone

from fleet import access, lifecycle
from fleet.errors import BadValue, NotAllowed, NotFound, NotSignedIn, WrongState
from fleet.http.rights import ACTS, LETTERS, Who, demand, may
from fleet.models import GRANTABLE, Site, Token, Transition
from tests.support import make, people

READ = "/api/v1/summary"


def test_every_role_may_something_beside_reading_but_the_viewer():
    for role in GRANTABLE:
        acts = {name for name, act in ACTS.items() if role in act.roles}
        assert "read" in acts
        assert (acts == {"read"}) == (role == "viewer")


def test_acts_of_an_admin_are_nobody_elses():
    for act in ("wipe", "force", "skip", "override", "token", "policy"):
        assert ACTS[act].roles == ("admin",)


def test_a_role_for_all_sites_is_used_before_one_for_a_site():
    who = Who("user", "x", (("operator", 7), ("admin", None)))
    assert who.role("operate") == "admin"
    assert who.sites("operate") is None
    assert demand(who, "operate", sites=[1, 7]) == "admin"


def test_a_site_is_a_limit():
    who = Who("user", "x", (("operator", 7),))
    assert demand(who, "operate", sites=[7]) == "operator"
    with pytest.raises(NotAllowed) as refused:
        demand(who, "operate", sites=[7, 8])
    assert refused.value.value == [8]
    assert who.sites("read") == {7}


def test_a_refusal_names_the_role_that_may():
    with pytest.raises(NotAllowed) as refused:
        demand(Who("user", "tina", (("technician", None),)), "operate")
    assert "tina (role technician) may not start" in refused.value.title
    assert refused.value.expected == "role operator or admin"
    with pytest.raises(NotSignedIn):
        demand(None, "read")
    assert not may(None, "read")


def test_letters_are_those_of_the_lifecycle():
    assert {LETTERS[role] for role in GRANTABLE} == set("RTOVCL")


def test_a_page_sends_to_sign_in_and_back(db, client):
    answer = client.get("/hosts/?state=cabled")
    assert answer.status_code == 302
    assert answer["Location"] == "/sign-in/?next=/hosts/%3Fstate%3Dcabled"


def test_sign_in_makes_a_session_in_the_database_and_sign_out_ends_it(db, client):
    user = people.person("viewer")
    user.set_password("long enough for anyone")
    user.save()
    wrong = client.post("/sign-in/", {"username": user.username, "password": "wrong"})
    assert wrong.status_code == 200
    assert "Name or password is wrong" in wrong.content.decode()
    assert f'value="{user.username}"' in wrong.content.decode()
    data = {"username": user.username, "password": "long enough for anyone", "next": "/hosts/"}
    assert client.post("/sign-in/", data)["Location"] == "/hosts/"
    assert Session.objects.count() == 1
    assert client.get("/hosts/").status_code == 200
    assert client.get("/sign-out/").status_code == 405
    assert client.post("/sign-out/").status_code == 302
    assert client.get("/hosts/").status_code == 302


def test_sign_in_does_not_lead_elsewhere(db, client):
    user = people.person("viewer")
    user.set_password("long enough for anyone")
    user.save()
    data = {"username": user.username, "password": "long enough for anyone", "next": "https://example.org/"}
    assert client.post("/sign-in/", data)["Location"] == "/"


def test_somebody_without_a_role_is_told_so(db):
    answer = people.signed_in().get("/")
    assert answer.status_code == 403
    assert "no role" in answer.content.decode()


def test_a_form_after_the_sign_in_has_ended_is_told_so(db, client):
    answer = client.post("/hosts/host-001/hold/", {"kind": "debug"})
    assert answer.status_code == 401
    assert "not signed in any more" in answer.content.decode()


def test_a_poll_after_the_sign_in_has_ended_leads_to_sign_in(db, client):
    answer = client.get("/", headers={"HX-Request": "true", "HX-Current-URL": "http://testserver/"})
    assert answer.status_code == 401
    assert answer["HX-Redirect"].startswith("/sign-in/?next=http")


def test_forms_need_their_token_of_the_session(db):
    user = people.person("operator")
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    answer = client.post("/hosts/host-001/hold/", {"kind": "debug"})
    assert answer.status_code == 403
    assert "This form is too old" in answer.content.decode()


@pytest.mark.parametrize("header", ["", "Basic YTpi", "Bearer", "Bearer ", "Bearer nobody-has-this", "bearer x y z"])
def test_a_request_without_a_good_token_is_401(db, client, header):
    answer = client.get(READ, **({"HTTP_AUTHORIZATION": header} if header else {}))
    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "not_signed_in"


def test_tokens_end_and_are_revoked(db):
    program = people.program("viewer")
    assert program.get("/summary").status_code == 200
    token = Token.objects.get()
    assert program.token not in (token.digest, token.name)
    Token.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert "has expired" in program.get("/summary").json()["title"]
    Token.objects.update(expires_at=timezone.now() + timedelta(days=1), revoked_at=timezone.now())
    answer = program.get("/summary")
    assert answer.status_code == 401
    assert "was revoked" in answer.json()["title"]


def test_a_session_may_read_the_api_but_not_act_by_it(db):
    client = people.signed_in("admin")
    assert client.get(READ).status_code == 200
    answer = client.post("/api/v1/campaigns", "{}", content_type="application/json")
    assert answer.status_code == 401


def test_a_bad_token_is_not_helped_by_a_session(db):
    client = people.signed_in("admin")
    assert client.get(READ, HTTP_AUTHORIZATION="Bearer nobody-has-this").status_code == 401


def test_what_is_done_is_done_by_that_person_in_that_role(db):
    host = make.host("cabled")
    program = people.program("admin")
    body = {"kind": "identify", "host": host.name, "reason": "look at it"}
    made = program.post("/operations", body).json()
    row = Transition.objects.get(subject_kind="operation", subject_id=made["id"])
    token = Token.objects.get()
    assert (row.actor.kind, row.actor.name, row.actor.role) == ("token", token.name, "L")
    assert row.actor.token_id == token.pk
    assert lifecycle.verify()["ok"]


def test_a_role_at_one_site_sees_and_does_nothing_at_another(db):
    here, there = make.host("cabled"), make.host("cabled", site=Site.objects.create(name="site-2"))
    program = people.program("operator", site=here.site)
    assert [h["name"] for h in program.get("/hosts").json()["items"]] == [here.name]
    assert program.get(f"/hosts/{there.pk}").status_code == 404
    assert program.get(f"/hosts/{there.pk}/transitions").status_code == 404
    seen = program.get("/transitions", subject_kind="host").json()["items"]
    assert {t["subject_id"] for t in seen} == {here.pk}
    assert program.get("/summary").json()["hosts"] == 1
    body = {"kind": "identify", "host": there.name, "reason": "look at it"}
    answer = program.post("/operations", body)
    assert answer.status_code == 403
    assert "at this site" in answer.json()["title"]
    assert program.post("/operations", {**body, "host": here.name}).status_code == 202
    other = make.operation("identify", there)
    assert program.get(f"/operations/{other.pk}").status_code == 404
    assert program.post(f"/operations/{other.pk}/cancel", {"reason": "stop it"}).status_code == 404
    client = people.signed_in("operator", site=here.site)
    assert client.get(f"/hosts/{there.name}/").status_code == 404
    assert client.get(f"/operations/{other.pk}/").status_code == 404
    assert there.name not in client.get("/hosts/").content.decode()
    assert there.name not in client.get("/").content.decode()


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"role": "king"}, BadValue),
        ({"days": 0}, BadValue),
        ({"days": 10_000}, BadValue),
        ({"name": " "}, BadValue),
        ({"site": "nowhere"}, NotFound),
    ],
)
def test_a_token_that_cannot_be_made_leaves_nothing(db, wrong, error):
    with pytest.raises(error):
        access.create_token(**{"name": "ci", "role": "viewer", "days": 1, **wrong})
    assert not Token.objects.exists()


def test_token_names_are_unique(db):
    access.create_token(name="ci", role="viewer", days=1)
    with pytest.raises(WrongState):
        access.create_token(name="ci", role="viewer", days=1)
