"""/policy/notices/: the list, the form, the test button."""

import re

import pytest

from fleet.models import NoticeRule
from fleet.notices import run
from tests.fleet.notices import peers
from tests.fleet.notices.conftest import found, rule
from tests.support import make, people

KEY = "0123456789abcdef"


def text_of(answer, status=200):
    assert answer.status_code == status, answer.content.decode()[:3000]
    return answer.content.decode()


@pytest.fixture
def browser(db):
    return people.signed_in("admin")


def form(heard, **more):
    return {"key": f"{KEY}-rule", "name": "on call", "channel": "webhook", "sign": peers.KEY, "severity": "info",
            "target": heard.url + "/signed", "active": "on", **more}  # fmt: skip


def test_a_rule_is_made_tested_changed_and_deleted(browser, heard):
    assert "Nobody is told of anything yet" in text_of(browser.get("/policy/notices/"))
    answer = browser.post("/policy/notices/save/", form(heard, quiet_from="22:00", quiet_until="07:00", kinds="a b"))
    assert (answer.status_code, answer["Location"]) == (303, "/policy/notices/")
    mine = NoticeRule.objects.get()
    text = text_of(browser.get("/policy/notices/"))
    assert "Rule on call stands." in text and "22:00 to 07:00 UTC" in text and mine.kinds == ["a", "b"]
    browser.post(f"/policy/notices/{mine.pk}/test/", {"key": f"{KEY}-test"})
    assert "The test of on call arrived." in text_of(browser.get("/policy/notices/"))
    heard.answers = [500]
    browser.post(f"/policy/notices/{mine.pk}/test/", {"key": f"{KEY}-again"})
    assert "did not arrive: answered 500" in text_of(browser.get("/policy/notices/"))
    text = text_of(browser.get(f"/policy/notices/?edit={mine.pk}"))
    assert "Change on call" in text and "Delete the rule" in text and 'value="a b"' in text and 'value="22:00"' in text
    change = form(heard, key=f"{KEY}-change", rule=mine.pk, target="", sign="", name="later")
    assert browser.post("/policy/notices/save/", change).status_code == 303
    assert NoticeRule.objects.get().name == "later" and NoticeRule.objects.get().quiet_from is None
    browser.post(f"/policy/notices/{mine.pk}/delete/", {"key": f"{KEY}-delete"})
    assert NoticeRule.objects.get().deleted_at is not None


def test_a_double_press_makes_one(browser, heard):
    for _ in "12":
        assert browser.post("/policy/notices/save/", form(heard)).status_code == 303
    assert NoticeRule.objects.count() == 1


def test_a_refused_form_keeps_what_was_typed_but_no_secret(browser, heard):
    text = text_of(browser.post("/policy/notices/save/", form(heard, sign="short-key", quiet_from="22:00")), 422)
    assert 'value="on call"' in text and 'value="22:00"' in text
    assert "short-key" not in text and heard.url not in text
    text = text_of(browser.post("/policy/notices/save/", form(heard, key=KEY * 2, sign="short-key")), 422)
    assert 'href="#rule-sign"' in text and 'id="rule-sign"' in text and "short-key" not in text


def test_what_was_told_is_there_with_its_host(browser, heard):
    rule(heard, name="on call")
    found(device=make.host("installed", name="host-217").pk)
    run.run()
    text = text_of(browser.get("/policy/notices/"))
    assert "[warning] host-217: psu out" in text and re.search(r'href="/hosts/host-217/"', text)


def test_who_may_not_change_sees_who_may(db, heard):
    rule(heard, name="on call")
    text = text_of(people.signed_in("operator").get("/policy/notices/"))
    assert "on call" in text and "This needs the role admin" in text and "Test on call" not in text
