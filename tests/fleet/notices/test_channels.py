"""The ways to a person: mail, and the text that chat tools take."""

import pytest
from django.test import override_settings

from fleet.models import Notice, NoticeRule
from fleet.notices import rules, run
from tests.fleet.notices import peers
from tests.fleet.notices.conftest import found, rule
from tests.support import make


def again():
    """The next try is due now."""
    NoticeRule.objects.update(retry_at=None)
    return run.run()


class TestMail:
    def test_arrives_as_plain_text_with_an_id_of_its_own(self, db, mails):
        wanted = rules.Wanted("on call", "mail", target="oncall@example.org", severity="info")
        rules.create(wanted, actor=make.actor("A"))
        found(device=make.host("installed", name="host-217").pk, words="GPU 4 é\nis gone")
        assert run.run() == 1
        (mail,) = mails.mails
        assert (mail["To"], mail["From"]) == ("oncall@example.org", "Muster <muster@fleet.example>")
        assert mail["Subject"] == "[warning] host-217: psu out" and mail["Auto-Submitted"] == "auto-generated"
        assert mail["Message-ID"] == f"<{Notice.objects.get().delivery}@fleet.example>"
        assert mail.get_content_type() == "text/plain" and "GPU 4 é\r\nis gone" in mail.get_content()

    def test_a_server_that_is_busy_is_asked_again_and_hears_the_same_id(self, db, mails):
        rules.create(rules.Wanted("x", "mail", target="a@example.org", severity="info"), actor=make.actor("A"))
        found()
        mails.answers = ["451 later"]
        run.run()
        assert Notice.objects.get().error == "the mail server answered 451 later"
        again()
        assert mails.mails[0]["Message-ID"].startswith(f"<{Notice.objects.get().delivery}@")

    def test_who_is_not_known_there(self, db, mails):
        rules.create(rules.Wanted("x", "mail", target="nobody@example.org", severity="info"), actor=make.actor("A"))
        found()
        run.run()
        assert "refused nobody@example.org: 550 no such person" in Notice.objects.get().error

    @pytest.mark.parametrize(("password", "error"), [("right", ""), ("wrong", "refused our sign-in (535)")])
    def test_signs_in(self, db, settings_of, password, error):
        with peers.mail_server("right") as box, settings_of(box.settings(username="muster", password=password)):
            rules.create(rules.Wanted("x", "mail", target="a@example.org", severity="info"), actor=make.actor("A"))
            found()
            run.run()
            assert Notice.objects.get().error.endswith(error) and len(box.mails) == (not error)

    def test_an_honest_tls_or_none(self, db, mails, settings_of):
        with settings_of(mails.settings(use_tls=True)):
            rules.create(rules.Wanted("x", "mail", target="a@example.org", severity="info"), actor=make.actor("A"))
            found()
            run.run()
        assert mails.mails == [] and Notice.objects.get().state == "waiting"

    @pytest.fixture
    def settings_of(self):
        return lambda smtp: override_settings(SMTP=smtp, MAIL_FROM="muster@localhost")


class TestChat:
    def test_the_text_that_chat_tools_take(self, db, heard):
        rule(heard, channel="chat", target=heard.url + "/services/T0/B0/whole-address", key="")
        found(words="a <!channel> & @here")
        assert run.run() == 1
        (body,) = heard.sent
        assert list(body) == ["text"] and body["text"].startswith("[warning] health: psu out\n")
        assert "a &lt;!channel&gt; &amp; @\u200bhere" in body["text"]
        assert "Muster-Signature" not in heard.headers[0]
