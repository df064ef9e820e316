"""What is told, to whom, in which order, once; to real peers over real connections."""

from datetime import time, timedelta

import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet import findings, incidents
from fleet.models import Bmc, Finding, Notice, NoticeRule, Party, Rack, Row, Site
from fleet.notices import rules, run
from tests.fleet.notices.conftest import found, rule
from tests.support import make

LONG_AGO = timedelta(hours=3)


def again(at=None):
    """The next tries are due now."""
    NoticeRule.objects.update(retry_at=None)
    return run.run()


def states():
    return list(Notice.objects.order_by("id").values_list("state", flat=True))


def past(**of):
    """As if what was told had been told long ago."""
    Notice.objects.filter(**of).update(ended_at=F("ended_at") - LONG_AGO)


class TestWhatIsTold:
    def test_a_finding_with_all_that_a_person_needs(self, db, heard):
        Party.objects.create(name="hands", owns=["psu_out"], phone="555 1234")
        host = make.host("installed", name="host-217")
        finding = found(device=host.pk, words="PSU 3 gives no power", cause="psu")
        rule(heard, name="on call")
        assert run.run() == 1
        (body,) = heard.sent
        assert body["subject"] == "[warning] host-217: psu out" and body["why"] == "opened"
        for words in ("PSU 3 gives no power", "Where: site-1", "Cause: psu", "hands (555 1234)", "rule on call"):
            assert words in body["text"]
        assert f"Look: https://muster.example/hosts/{host.name}/" in body["text"]
        (one,) = body["findings"]
        assert (one["id"], one["kind"], one["host"], one["severity"]) == (finding.pk, "psu_out", host.name, "warning")
        assert heard.headers[0]["Muster-Delivery"] == body["delivery"] == str(Notice.objects.get().delivery)

    def test_of_an_incident_once_to_whom_each_finding_would_have_been(self, db, heard):
        row = Row.objects.create(site=make.site(), name="A")
        rack = Rack.objects.create(row=row, name="A01")
        for _ in range(3):
            found("inlet_hot", device=make.wired_host("in_service", rack=rack).pk)
        Bmc.objects.update(swept_at=timezone.now())
        rule(heard, domains=("health",))
        rule(heard, domains=("fabric",))
        assert incidents.fold() == 1 and run.run() == 1
        assert heard.subjects == ["[warning] row A: inlet hot"] and "Where: site-1" in heard.sent[0]["text"]

    def test_once(self, db, heard):
        rule(heard)
        found()
        assert [run.run(), run.run()] == [1, 0]
        assert len(heard.sent) == 1 and states() == ["sent"]

    def test_the_database_keeps_a_second_one_out(self, db, heard):
        rule(heard)
        found()
        run.make([])
        assert run.make([]) == 0
        notice = Notice.objects.get()
        assert not Notice.objects.bulk_create(
            [Notice(rule=notice.rule, finding=notice.finding, why="opened")], ignore_conflicts=True
        )[0].pk

    @pytest.mark.parametrize(
        ("wanted", "told"),
        [
            ({"severity": "critical"}, ["gpu_lost"]),
            ({"severity": "warning"}, ["psu_out", "gpu_lost"]),
            ({"kinds": ("fan_slow",)}, ["fan_slow"]),
            ({"domains": ("health",)}, ["fan_slow", "psu_out", "gpu_lost"]),
            ({"domains": ("fabric",)}, []),
            ({"domains": ("fabric",), "kinds": ("psu_out",)}, ["psu_out"]),
            ({"active": False}, []),
        ],
    )
    def test_by_severity_domain_and_kind(self, db, heard, wanted, told):
        for kind, severity in (("fan_slow", "info"), ("psu_out", "warning"), ("gpu_lost", "critical")):
            found(kind, severity)
        rule(heard, **wanted)
        run.run()
        assert [body["findings"][0]["kind"] for body in heard.sent] == told

    def test_of_its_own_site_and_of_no_place(self, db, heard):
        other = Site.objects.create(name="site-2")
        rule(heard, site_id=other.pk)
        found("here", device=make.host("installed").pk)
        found("nowhere")
        found("there", device=make.host("installed", site=other).pk)
        found("brake_here", subjects=[{"kind": "site", "id": make.site().pk}])
        found("brake_there", subjects=[{"kind": "site", "id": other.pk}])
        found("halted_here", subjects=[{"kind": "campaign", "id": 7, "site": make.site().pk}])
        found("halted_there", subjects=[{"kind": "campaign", "id": 8, "site": other.pk}])
        run.run()
        assert [body["findings"][0]["kind"] for body in heard.sent] == [
            "nowhere",
            "there",
            "brake_there",
            "halted_there",
        ]
        assert heard.subjects[2:] == ["[warning] site-2: brake there", "[warning] campaign 8: halted there"]
        assert "Where: site-2" in heard.sent[2]["text"] and "muster.example/campaigns/8/" in heard.sent[3]["text"]

    def test_not_what_somebody_has_in_hand_already(self, db, heard):
        findings.acknowledge(ids=[found().pk], reason="on my way", actor=make.actor())
        rule(heard)
        assert run.run() == 0

    def test_one_that_grew_worse_is_told_by_who_hears_of_worse_ones(self, db, heard):
        rule(heard, severity="critical")
        finding = found()
        assert run.run() == 0
        Finding.objects.filter(pk=finding.pk).update(severity="critical")
        assert run.run() == 1

    def test_that_it_is_over_when_the_rule_says_so(self, db, heard):
        rule(heard, tell_closed=True)
        rule(heard)
        finding = found()
        run.run()
        findings.close_by_hand(ids=[finding.pk], reason="swapped the PSU", actor=make.actor())
        run.run()
        assert heard.subjects[2:] == ["[over] health: psu out"] and "swapped the PSU" in heard.sent[2]["text"]
        assert run.run() == 0

    @pytest.mark.parametrize("n", [3, 300])
    def test_costs_the_same_queries_however_many_findings_and_rules(self, db, heard, n):
        findings.open(findings.Found("health", "psu_out", "info", "x", key=str(k)) for k in range(n))
        for _ in range(n % 8):
            rule(heard)
        with CaptureQueriesContext(connection) as queries:
            run.run()
        told = [q for q in queries if "fleet_noticerule" in q["sql"] or "fleet_notice " in q["sql"]]
        assert len(told) <= 16


class TestManyAtOnce:
    def test_more_than_ten_are_one_message(self, db, heard):
        host = make.host("installed", name="host-001")
        for kind in ["psu_out"] * 30 + ["gpu_lost"] * 13:
            found(kind, "critical" if kind == "gpu_lost" else "warning", device=host.pk)
        rule(heard)
        assert run.run() == 1
        (body,) = heard.sent
        assert body["subject"] == "[critical] 43 findings: 30 psu out, 13 gpu lost" and body["why"] == "many"
        assert (body["count"], body["by_kind"]) == (43, {"psu_out": 30, "gpu_lost": 13})
        assert body["text"].count("host-001") == 10 and "and 33 more" in body["text"]
        assert "Look: https://muster.example/" in body["text"]
        assert set(states()) == {"sent"} and Notice.objects.values("delivery").distinct().count() == 1

    def test_ten_are_ten_in_order(self, db, heard):
        for n in range(10):
            found(f"kind_{n}")
        rule(heard)
        assert run.run() == 10
        assert [body["findings"][0]["kind"] for body in heard.sent] == [f"kind_{n}" for n in range(10)]


class TestTriedAgain:
    def test_a_failing_one_holds_back_the_later_ones_of_its_rule_only(self, db, heard):
        one, other = rule(heard, kinds=("a",)), rule(heard, kinds=("b",))
        found("a"), found("a"), found("b")
        heard.answers = [500]
        with_a = [b["findings"][0]["kind"] for b in heard.sent]
        run.run()
        NoticeRule.objects.get(pk=one.pk)
        assert with_a == [] and [b["findings"][0]["kind"] for b in heard.sent].count("b") <= 1
        waits = dict(NoticeRule.objects.values_list("id", "retry_at"))
        failed = [pk for pk in (one.pk, other.pk) if waits[pk] is not None]
        assert len(failed) == 1 and waits[failed[0]] > timezone.now()
        assert run.run() == 0
        again()
        assert sorted(b["findings"][0]["kind"] for b in heard.sent) == ["a", "a", "b"]
        assert [b["findings"][0]["id"] for b in heard.sent if b["findings"][0]["kind"] == "a"] == sorted(
            b["findings"][0]["id"] for b in heard.sent if b["findings"][0]["kind"] == "a"
        )

    def test_each_time_later_with_the_same_delivery(self, db, heard):
        rule(heard)
        found()
        heard.answers = [503, 503]
        waits = []
        for _ in range(2):
            again()
            waits.append((NoticeRule.objects.get().retry_at - timezone.now()).total_seconds())
        before = Notice.objects.get()
        assert (before.state, before.tries, before.error) == ("waiting", 2, "answered 503")
        assert waits[1] > waits[0] > 0
        again()
        after = Notice.objects.get()
        assert (after.state, after.tries, after.error, after.delivery) == ("sent", 3, "", before.delivery)
        assert heard.sent[0]["delivery"] == str(before.delivery)

    def test_in_the_end_the_others_hear_that_nobody_could_be_told(self, db, heard):
        dead = rule(heard, name="dead", kinds=("psu_out",), target="http://127.0.0.1:1/")
        other = rule(heard, severity="critical")
        found()
        for _ in run.BACK_OFF_S:
            again()
        assert states() == ["waiting"]
        again()
        assert states()[0] == "failed" and NoticeRule.objects.get(pk=dead.pk).retry_at is None
        finding = Finding.objects.get(kind="not_told")
        assert "rule dead could not tell" in finding.words and "no connection" in finding.words
        again()
        assert heard.subjects == ["[critical] dead: not told"]
        assert set(Notice.objects.filter(finding=finding).values_list("rule_id", flat=True)) == {other.pk}
        rules.change(dead.pk, {"target": heard.url}, actor=make.actor())
        found()
        again()
        assert Finding.objects.get(kind="not_told").closed_words == "its messages arrive again"

    def test_a_redirect_is_not_followed(self, db, heard):
        rule(heard)
        found()
        heard.answers = [302]
        run.run()
        assert heard.sent == [] and Notice.objects.get().error == "answered 302: a redirect is not followed"

    def test_one_that_does_not_answer_in_time(self, db, heard, monkeypatch):
        monkeypatch.setattr("fleet.notices.channels.TIMEOUT_S", 0.2)
        rule(heard)
        found()
        heard.slow_s = 1
        run.run()
        assert Notice.objects.get().error.startswith("no answer within")

    def test_who_dies_between_sending_and_marking_sends_it_again_under_the_same_id(self, db, heard, monkeypatch):
        rule(heard)
        found()

        def dies(*arguments):
            raise RuntimeError("killed")

        with monkeypatch.context() as patch:
            patch.setattr(run, "record", dies)
            with pytest.raises(RuntimeError):
                run.run()
        assert run.run() == 0  # somebody still sends, as far as anyone knows
        NoticeRule.objects.update(sending_until=timezone.now() - timedelta(seconds=1))
        found("later")
        assert run.run() == 2
        one, two, later = heard.sent
        assert one["delivery"] == two["delivery"] != later["delivery"]
        assert set(states()) == {"sent"}

    def test_who_comes_too_late_does_not_free_the_rule_of_another(self, db, heard):
        rule(heard)
        found()
        run.make([])
        taken = run.claim([], "late")
        NoticeRule.objects.update(sending_by="another")
        run.record(taken, [], "late")
        assert NoticeRule.objects.get().sending_by == "another"


class TestQuietHours:
    @pytest.fixture
    def quiet(self, monkeypatch):
        """What is quiet: everything that has quiet hours, or nothing."""
        now = {"quiet": True}
        real = run.quiet_rules
        monkeypatch.setattr(run, "is_quiet", lambda *arguments: now["quiet"])
        assert run.quiet_rules is real
        return now

    HOURS = {"quiet_from": time(22), "quiet_until": time(7)}

    def test_what_came_then_is_one_digest_at_their_end(self, db, heard, quiet):
        rule(heard, **self.HOURS)
        for kind in ("a", "b"):
            found(kind)
            assert run.run() == 0
        over = found("c")
        run.run()
        findings.close_by_hand(ids=[over.pk], reason="it was nothing", actor=make.actor())
        quiet["quiet"] = False
        found("after")
        assert run.run() == 2
        digest, after = heard.sent
        assert digest["why"] == "digest" and digest["subject"].startswith("[warning] 3 findings in quiet hours: ")
        assert digest["text"].count("(over since") == 1
        assert after["subject"] == "[warning] health: after"

    def test_critical_breaks_them_unless_the_rule_says_no(self, db, heard, quiet):
        rule(heard, **self.HOURS)
        rule(heard, **self.HOURS, critical_breaks_quiet=False)
        found("small")
        found("great", "critical")
        assert run.run() == 1 and heard.subjects == ["[critical] health: great"]
        quiet["quiet"] = False
        run.run()
        assert sorted(heard.subjects[1:]) == ["[critical] 2 findings in quiet hours: 1 small, 1 great",
                                              "[warning] health: small"]  # fmt: skip

    def test_by_the_clock_of_the_site(self, db, heard, monkeypatch):
        asked = []
        monkeypatch.setattr(run, "is_quiet", lambda now, start, end, zone: asked.append(zone))
        site = Site.objects.create(name="site-2", timezone="Europe/Stockholm")
        rule(heard, site_id=site.pk, **self.HOURS)
        rule(heard, **self.HOURS)
        run.quiet_rules()
        assert asked == ["Europe/Stockholm", "UTC"]


class TestEscalation:
    @pytest.fixture
    def chief(self, db, heard):
        return rule(heard, name="chief", kinds=("nothing_else",))

    @pytest.fixture
    def told(self, heard, chief):
        """A finding that the first rule has told long ago."""
        rule(heard, escalate_after_min=30, escalate_to_id=chief.pk, kinds=("psu_out",))
        finding = found()
        run.run()
        assert run.run() == 0
        past()
        return finding

    def test_goes_to_the_other_rule_once(self, told, heard, chief):
        assert run.run() == 1
        assert heard.subjects[1] == "[not acknowledged] [warning] health: psu out"
        assert "because nobody acknowledged it" in heard.sent[1]["text"] and heard.sent[1]["rule"]["name"] == "chief"
        past()
        assert run.run() == 0

    def test_not_before_its_time(self, db, heard, chief):
        rule(heard, escalate_after_min=30, escalate_to_id=chief.pk, kinds=("psu_out",))
        found()
        run.run()
        Notice.objects.update(ended_at=F("ended_at") - timedelta(minutes=29))
        assert run.run() == 0

    def test_acknowledged_it_stops(self, told):
        findings.acknowledge(ids=[told.pk], reason="on my way", actor=make.actor())
        assert run.run() == 0 and Notice.objects.filter(why="escalated").count() == 0

    def test_acknowledged_before_it_went_out_it_is_dropped(self, told, heard):
        heard.answers = [500]
        run.run()
        findings.acknowledge(ids=[told.pk], reason="on my way", actor=make.actor())
        assert again() == 0
        assert Notice.objects.get(why="escalated").state == "dropped"

    def test_goes_on_up(self, told, heard, chief):
        top = rule(heard, name="top", kinds=("nothing_else",))
        NoticeRule.objects.filter(pk=chief.pk).update(escalate_to=top, escalate_after_min=60)
        run.run()
        past()
        assert run.run() == 1 and heard.sent[-1]["rule"]["name"] == "top"

    def test_two_that_escalate_to_each_other_come_to_an_end(self, told, heard, chief):
        first = NoticeRule.objects.exclude(pk=chief.pk).get()
        NoticeRule.objects.filter(pk=chief.pk).update(escalate_to=first, escalate_after_min=1)
        for _ in range(4):
            run.run()
            past()
        assert len(heard.sent) == 3
