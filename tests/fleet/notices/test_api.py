"""/rules and /notices, and that no secret comes back."""

import pytest

from fleet.models import Finding, IdempotencyKey, Notice, NoticeRule, Secret, Site
from fleet.notices import run
from tests.fleet.notices import peers
from tests.fleet.notices.conftest import found, rule
from tests.support import make, people

HOOK = {"name": "on call", "channel": "webhook", "key": peers.KEY}


@pytest.fixture
def admin(db):
    return people.program("admin")


def hook(heard, **more):
    return {**HOOK, "target": heard.url + "/signed?token=whole-address", **more}


class TestRules:
    def test_made_listed_changed_and_deleted(self, admin, heard):
        made = admin.post("/rules", hook(heard, severity="critical", quiet_from="22:00", quiet_until="07:00"))
        row = made.json()
        assert made.status_code == 201, row
        assert (row["name"], row["channel"], row["target"]) == ("on call", "webhook", f"{heard.url}/…")
        assert (row["quiet_from"], row["quiet_until"], row["zone"], row["site"]) == ("22:00", "07:00", "UTC", None)
        assert people.program("viewer").get("/rules").json()["items"] == [row]
        assert people.program("viewer").get(f"/rules/{row['id']}").json() == row
        changed = admin.patch(f"/rules/{row['id']}", {"severity": "info", "quiet_from": None, "quiet_until": None})
        assert changed.status_code == 200 and changed.json()["quiet_from"] is None
        assert changed.json()["target"] == row["target"] and changed.json()["severity"] == "info"
        gone = admin.delete(f"/rules/{row['id']}")
        assert gone.status_code == 200 and gone.json()["id"] == row["id"]
        assert admin.get("/rules").json()["items"] == [] and admin.delete(f"/rules/{row['id']}").status_code == 404
        assert not Secret.objects.filter(name__startswith="notice_rule").exists()
        assert admin.post("/rules", hook(heard)).status_code == 201  # the name is free again

    def test_a_change_keeps_the_address_and_the_key_that_are_not_sent(self, admin, heard):
        row = admin.post("/rules", hook(heard, severity="info")).json()
        admin.patch(f"/rules/{row['id']}", {"name": "other"})
        found()
        assert run.run() == 1 and heard.sent[0]["rule"] == {"id": row["id"], "name": "other"}

    def test_once_a_key(self, admin, heard):
        one, two = (admin.post("/rules", hook(heard), key="key-12345") for _ in "12")
        assert one.json() == two.json() and NoticeRule.objects.count() == 1

    @pytest.mark.parametrize(
        ("changes", "field"),
        [
            ({"channel": "pigeon"}, "channel"),
            ({"severity": "awful"}, "severity"),
            ({"name": ""}, "name"),
            ({"name": "a\nb"}, "name"),
            ({"key": "short"}, "key"),
            ({"key": ""}, "key"),
            ({"target": ""}, "target"),
            ({"target": "http://chat.example.org/x"}, "target"),
            ({"target": "https://user:pass@chat.example.org/x"}, "target"),
            ({"target": "ftp://chat.example.org/x"}, "target"),
            ({"target": "https:///x"}, "target"),
            ({"target": "https://[::1/x"}, "target"),
            ({"target": "https://a b/"}, "target"),
            ({"channel": "mail", "target": "a@example.org"}, "channel"),
            ({"channel": "mail", "target": "a@example.org, b@example.org"}, "target"),
            ({"channel": "mail", "target": "a@example.org\nBcc: b@example.org"}, "target"),
            ({"domains": ["Health!"]}, "domains"),
            ({"quiet_from": "22:00"}, "quiet_until"),
            ({"quiet_from": "22:00", "quiet_until": "22:00"}, "quiet_until"),
            ({"quiet_from": "24:00", "quiet_until": "07:00"}, "quiet_from"),
            ({"escalate_after_min": 5}, "escalate_to"),
            ({"escalate_after_min": 5, "escalate_to": 4711}, "id"),
            ({"escalate_after_min": 0, "escalate_to": 1}, "escalate_after_min"),
            ({"site": "nowhere"}, "site"),
            ({"active": None}, "active"),
            ({"more": 1}, "more"),
        ],
    )
    def test_what_cannot_be_says_which_field(self, admin, heard, changes, field):
        answer = admin.post("/rules", hook(heard, **changes))
        assert answer.status_code in (404, 422) and answer.json()["field"] == field, answer.json()
        assert not NoticeRule.objects.exists() and not Secret.objects.filter(name__startswith="notice").exists()

    def test_a_name_that_is_taken(self, admin, heard):
        admin.post("/rules", hook(heard))
        answer = admin.post("/rules", hook(heard))
        assert (answer.status_code, answer.json()["field"]) == (409, "name")

    def test_one_that_others_escalate_to_is_not_deleted(self, admin, heard):
        chief = admin.post("/rules", hook(heard, name="chief")).json()["id"]
        asked = hook(heard, escalate_after_min=5, escalate_to=chief)
        first = admin.post("/rules", asked).json()["id"]
        answer = admin.delete(f"/rules/{chief}")
        assert answer.status_code == 409 and "on call" in answer.json()["title"]
        assert admin.patch(f"/rules/{chief}", {"escalate_after_min": 5, "escalate_to": chief}).status_code == 422
        admin.delete(f"/rules/{first}")
        assert admin.delete(f"/rules/{chief}").status_code == 200

    def test_deleted_it_tells_not_even_what_waits(self, admin, heard):
        row = admin.post("/rules", hook(heard, severity="info")).json()
        found()
        run.make([])
        admin.delete(f"/rules/{row['id']}")
        assert run.run() == 0 and Notice.objects.get().state == "dropped"

    def test_plain_http_elsewhere_only_when_the_installation_says_so(self, admin, settings_plain):
        body = {**HOOK, "target": "http://chat.inside.example/x"}
        assert admin.post("/rules", body).status_code == 201

    @pytest.fixture
    def settings_plain(self):
        from django.test import override_settings

        with override_settings(NOTICE_PLAIN=True):
            yield

    def test_an_admin_of_a_site_makes_its_rules_and_no_others(self, db, heard):
        here, other = make.site(), Site.objects.create(name="site-2")
        local = people.program("admin", site=here)
        assert local.post("/rules", hook(heard)).status_code == 403
        assert local.post("/rules", hook(heard, site=other.name)).status_code == 403
        made = local.post("/rules", hook(heard, site=here.name))
        assert made.status_code == 201
        path = f"/rules/{made.json()['id']}"
        assert local.patch(path, {"site": None}).status_code == 403
        assert local.patch(path, {"severity": "info"}).status_code == 200
        elsewhere = people.program("admin", site=other)
        assert elsewhere.get(path).status_code == elsewhere.patch(path, {"severity": "info"}).status_code == 404
        for_all = people.program("admin").post("/rules", hook(heard, name="all")).json()["id"]
        assert local.get(f"/rules/{for_all}").status_code == 200
        assert local.delete(f"/rules/{for_all}").status_code == local.post(f"/rules/{for_all}/test").status_code == 403


class TestATest:
    def test_arrives_now_and_says_so(self, admin, heard):
        row = admin.post("/rules", hook(heard)).json()
        answer = admin.post(f"/rules/{row['id']}/test")
        told = answer.json()
        assert answer.status_code == 200 and (told["state"], told["why"], told["finding"]) == ("sent", "test", None)
        assert heard.subjects == ["Test of rule on call"] and heard.sent[0]["delivery"] == told["delivery"]

    def test_says_why_it_did_not_arrive(self, admin, heard):
        row = admin.post("/rules", hook(heard)).json()
        heard.answers = [500]
        told = admin.post(f"/rules/{row['id']}/test").json()
        assert (told["state"], told["error"]) == ("failed", "answered 500")
        assert not Finding.objects.exists() and run.run() == 0

    def test_once_a_key(self, admin, heard):
        row = admin.post("/rules", hook(heard)).json()
        one, two = (admin.post(f"/rules/{row['id']}/test", key="key-12345") for _ in "12")
        assert one.json() == two.json() and len(heard.sent) == 1

    def test_a_key_that_the_receiver_does_not_know_is_told(self, admin, heard):
        row = admin.post("/rules", hook(heard, key="another key than theirs")).json()
        assert admin.post(f"/rules/{row['id']}/test").json()["error"] == "answered 401"


class TestNotices:
    def test_what_was_told_newest_first(self, db, heard):
        mine = rule(heard)
        host = make.host("installed", name="host-1")
        one, two = found(device=host.pk), found("gpu_lost")
        run.run()
        program = people.program("viewer")
        items = program.get("/notices").json()["items"]
        assert [n["finding"] for n in items] == [two.pk, one.pk]
        assert (items[1]["rule"], items[1]["host"], items[1]["state"], items[1]["tries"]) == (
            mine.pk,
            "host-1",
            "sent",
            1,
        )
        assert items[1]["subject"] == "[warning] host-1: psu out" and items[1]["ended_at"]
        assert [n["finding"] for n in program.get("/notices", finding=one.pk).json()["items"]] == [one.pk]
        for query in ({"rule": mine.pk + 1}, {"state": "failed"}, {"why": "escalated"}):
            assert program.get("/notices", **query).json()["items"] == []
        assert program.get("/notices", limit=1).json()["next"]

    def test_of_other_sites_are_not_there(self, db, heard):
        rule(heard)
        found(device=make.host("installed").pk)
        run.run()
        assert people.program("viewer", site=make.site()).get("/notices").json()["items"]
        other = Site.objects.create(name="site-2")
        assert people.program("viewer", site=other).get("/notices").json()["items"] == []


def test_no_secret_in_an_answer_a_page_a_log_or_a_row(admin, heard, caplog):
    caplog.set_level(0)
    texts = []
    heard.answers = [500, 200, 302]
    made = admin.post("/rules", hook(heard, severity="info"))
    path = f"/rules/{made.json()['id']}"
    found()
    texts += [made.content, admin.post(f"{path}/test").content]
    run.run()
    NoticeRule.objects.update(retry_at=None)
    admin.patch(path, {"target": "http://127.0.0.1:1/services/whole-address"})
    texts += [admin.post(f"{path}/test").content, admin.get("/rules").content, admin.get("/notices").content]
    texts += [people.signed_in("admin").get(f"/policy/notices/?edit={made.json()['id']}").content]
    texts += [str(list(model.objects.values())).encode() for model in (NoticeRule, Notice, IdempotencyKey, Finding)]
    texts.append(caplog.text.encode())
    for text in texts:
        assert peers.KEY.encode() not in text and b"whole-address" not in text
    secret = Secret.objects.get(name__startswith="notice_rule")
    assert b"whole-address" not in bytes(secret.ciphertext)
