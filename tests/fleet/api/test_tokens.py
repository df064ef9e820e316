"""Tokens by the API: shown once, ended at once, and one person with whoever owns them."""

import pytest
from django.contrib.auth.models import User

from fleet import access, second
from fleet.models import Actor, IdempotencyKey, Site, Token
from tests.support import make, people

BODY = {"name": "ci", "role": "operator", "days": 30}


@pytest.fixture
def admin(db):
    return people.program("admin", owner=people.person("admin"))


def test_what_a_token_says_is_in_one_answer_only(admin):
    made = admin.post("/tokens", BODY)
    row = made.json()
    assert made.status_code == 201
    assert people.Program(row["token"], admin.client).get("/summary").status_code == 200
    assert Token.objects.get(name="ci").owner_id == Token.objects.exclude(name="ci").get().owner_id
    shown = [admin.get(f"/tokens/{row['id']}"), admin.get("/tokens"), admin.get("/tokens", name="ci")]
    assert all(row["token"] not in answer.content.decode() for answer in shown)
    assert {k: v for k, v in row.items() if k != "token"} == shown[0].json() == shown[2].json()["items"][0]


def test_asked_for_again_with_its_key_it_is_the_same_one_and_kept_encrypted(admin):
    one, two = (admin.post("/tokens", BODY, key="key-00001").json() for _ in "12")
    assert one == two
    kept = IdempotencyKey.objects.get()
    assert kept.answer is None and one["token"].encode() not in bytes(kept.sealed)


def test_ended_at_once_and_a_second_time_changes_nothing(admin):
    made = admin.post("/tokens", BODY).json()
    ended, again = admin.delete(f"/tokens/{made['id']}"), admin.delete(f"/tokens/{made['id']}")
    assert (ended.status_code, again.json()) == (200, ended.json())
    assert ended.json()["revoked_by"].startswith("program-")
    assert people.Program(made["token"], admin.client).get("/summary").status_code == 401
    assert [t["name"] for t in admin.get("/tokens", revoked="true").json()["items"]] == ["ci"]
    assert "ci" not in [t["name"] for t in admin.get("/tokens", revoked="false").json()["items"]]


def test_of_somebody_who_may_not_sign_in_any_more_it_is_none(admin):
    User.objects.update(is_active=False)
    answer = admin.get("/summary")
    assert answer.status_code == 401 and "may not sign in any more" in answer.json()["title"]


@pytest.mark.parametrize(
    ("change", "status", "field"),
    [
        ({"role": "king"}, 422, "role"),
        ({"days": 0}, 422, "days"),
        ({"days": 3651}, 422, "days"),
        ({"name": ""}, 422, "name"),
        ({"name": "  "}, 422, "name"),
        ({"site": "nowhere"}, 404, "site"),
        ({"owner": "root"}, 422, "owner"),
    ],
)
def test_one_that_cannot_be_made(admin, change, status, field):
    answer = admin.post("/tokens", {**BODY, **change})
    assert (answer.status_code, answer.json()["field"]) == (status, field)
    assert Token.objects.count() == 1


def test_a_second_one_of_the_name_is_409(admin):
    admin.post("/tokens", BODY)
    assert admin.post("/tokens", BODY).status_code == 409


def test_one_without_an_owner_makes_none(db):
    """Else it would make itself a second person."""
    answer = people.program("admin").post("/tokens", BODY)
    assert answer.status_code == 403 and "no owner" in answer.json()["title"]


def test_an_admin_of_one_site_sees_and_makes_tokens_of_that_site_only(db):
    here, there = make.site(), Site.objects.create(name="site-2")
    everywhere = people.program("viewer") and Token.objects.latest("id").pk
    people.program("viewer", site=there)
    admin = people.program("admin", site=here, owner=people.person("admin"))
    own = Token.objects.latest("id").pk
    assert [t["id"] for t in admin.get("/tokens").json()["items"]] == [own]
    assert admin.get(f"/tokens/{everywhere}").status_code == admin.delete(f"/tokens/{everywhere}").status_code == 404
    assert admin.post("/tokens", BODY).status_code == 403
    assert admin.post("/tokens", {**BODY, "site": "site-2"}).status_code == 403
    assert admin.post("/tokens", {**BODY, "site": "site-1"}).status_code == 201


class TestWhoIsASecondPerson:
    def actor(self, owner, *, token=True, role="O"):
        name = f"one-{Actor.objects.count()}"
        if not token:
            return Actor.objects.create(kind="user", name=owner.username, role=role, user=owner)
        made, _ = access.create_token(name=name, role="admin", days=1, owner=owner.pk if owner else None)
        return Actor.objects.create(kind="token", name=name, role=role, token=made)

    def test_a_token_and_its_owner_are_one_person_and_so_are_two_tokens(self, db):
        olga, otto = people.person("admin"), people.person("admin")
        herself, token, other = self.actor(olga, token=False), self.actor(olga), self.actor(olga)
        assert second.is_same(herself, token) and second.is_same(token, other) and second.is_same(token, herself)
        assert not second.is_same(token, self.actor(otto)) and not second.is_same(herself, self.actor(otto))

    def test_tokens_without_an_owner_are_persons_of_their_own(self, db):
        one, two = self.actor(None), self.actor(None)
        assert second.is_same(one, one) and not second.is_same(one, two)

    def test_her_token_does_not_confirm_what_she_asked_for(self, db):
        olga, host = people.person("admin"), make.host("quarantined")
        asked = people.program("admin", owner=olga)
        body = {"host": host.name, "to": "retired", "reason": "scrap it"}
        act = asked.post("/transitions", body).json()
        answer = people.program("admin", owner=olga).post(f"/acts/{act['id']}/confirm", "")
        assert answer.status_code == 403 and answer.json()["expected"] == "another person"
        assert people.program("operator").post(f"/acts/{act['id']}/confirm", "").status_code == 200
