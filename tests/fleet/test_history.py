"""The history is verified once a day, and a broken one is told."""

from datetime import timedelta

from django.db import connection

from fleet import history, lifecycle
from fleet.models import Evidence, Finding
from tests.support import make

BROKEN = {"transition": 7, "kind": "host", "subject": 3, "seq": 2, "words": "its own columns do not give its hash"}


def test_a_whole_one_is_on_record_and_not_looked_at_again_that_day(db):
    make.host("installed")
    found = history.check()
    assert found["ok"]
    seen = Evidence.objects.get(kind="history")
    assert seen.data["heads_sha256"] == found["heads_sha256"] and "as they were written" in seen.words
    assert history.check() is None
    assert history.check(every=timedelta(days=-1))["ok"]
    assert not Finding.objects.exists()


def test_a_broken_one_is_a_critical_finding_that_stays(db, monkeypatch):
    verify = {"chains": 1, "rows": 9, "ok": False, "first_broken": BROKEN, "heads_sha256": "5e" * 32}
    monkeypatch.setattr(lifecycle, "verify", lambda: verify)
    history.check()
    finding = Finding.objects.get()
    assert (finding.domain, finding.kind, finding.severity) == ("history", "history_broken", "critical")
    assert "host 3, transition 7: its own columns do not give its hash" in finding.words
    assert finding.evidence == [Evidence.objects.get(kind="history").pk]
    monkeypatch.setattr(lifecycle, "verify", lambda: verify | {"ok": True, "first_broken": None})
    history.check(every=timedelta(days=-1))
    assert Finding.objects.get().closed_at is None


def test_the_look_for_the_last_time_uses_its_index(db):
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("EXPLAIN SELECT 1 FROM fleet_evidence WHERE kind = 'history' AND at > now() - interval '1 day'")
        plan = str(cursor.fetchall())
    assert "Index Only Scan" in plan and "Filter" not in plan
