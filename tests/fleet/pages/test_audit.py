"""Audit: filters, the export, and the proof that the history holds."""

import csv
import io

import pytest
from django.db import OperationalError

from fleet import lifecycle
from fleet.models import Site
from fleet.reads import audit as reads
from tests.support import make, people


def text_of(answer, status=200):
    assert answer.status_code == status, answer.content.decode()[:500]
    return answer.content.decode()


def test_every_change_is_there_with_the_name_of_what_changed(db):
    make.host("quarantined", name="host-a")
    make.subject("cable", "verified")
    make.subject("incident", "open")
    text = text_of(people.signed_in("viewer").get("/audit/"))
    assert 'href="/hosts/host-a/"' in text and 'href="/cables/' in text and "incident" in text
    assert "made for a test" in text


@pytest.mark.parametrize(
    ("query", "there"),
    [
        ("of=host-a", True),
        ("of=host-b", False),
        ("of=host-none", False),
        ("kind=host&to=quarantined", True),
        ("kind=cable", False),
        ("by=nobody", False),
        ("since=2001-01-01", True),
        ("until=2001-01-01", False),
        ("cause=odd", True),
    ],
)
def test_filters(db, query, there):
    host = make.host("installed", name="host-a")
    make.host("installed", name="host-b")
    lifecycle.move("host", [host.pk], to="quarantined", actor=make.actor("O", "olga"), reason="it smells", cause="odd")
    assert ("it smells" in text_of(people.signed_in("viewer").get(f"/audit/?{query}"))) == there


@pytest.mark.parametrize("query", ["kind=horse", "colour=red", "since=soon", "of=" + "x" * 300, "cursor=nonsense"])
def test_filters_that_cannot_be(db, query):
    client = people.signed_in("viewer")
    text_of(client.get(f"/audit/?{query}"), 422)
    if "cursor" not in query:
        assert client.get(f"/audit/export/?{query}").status_code == 422


def test_the_export_is_the_whole_table_and_no_spreadsheet_takes_it_for_formulas(db):
    host = make.host("installed", name="host-a")
    lifecycle.move("host", [host.pk], to="quarantined", actor=make.actor("O", "olga"), reason="=HYPERLINK(1)")
    answer = people.signed_in("viewer").get("/audit/export/?of=host-a")
    head, first, *_ = rows = list(csv.reader(io.StringIO(answer.getvalue().decode())))
    assert head[:4] == ["id", "at", "kind", "subject"] and len(rows) == 3
    assert first[3] == "host-a" and first[8] == "'=HYPERLINK(1)" and first[9] == "olga"


def test_the_export_reads_on_in_pieces(db, monkeypatch):
    monkeypatch.setattr(reads, "CHUNK", 3)
    make.hosts(8, "cabled")
    got = people.signed_in("viewer").get("/audit/export/?kind=host").getvalue().decode().splitlines()
    assert len(got) == 1 + 8
    monkeypatch.setattr(reads, "EXPORTED", 5)
    assert len(people.signed_in("viewer").get("/audit/export/").getvalue().decode().splitlines()) == 1 + 5


def test_nobody_sees_what_changed_elsewhere(db):
    make.host("installed", name="host-a")
    client = people.signed_in("viewer", site=Site.objects.create(name="site-2"))
    assert "host-a" not in text_of(client.get("/audit/"))
    assert len(client.get("/audit/export/").getvalue().decode().splitlines()) == 1


def test_an_admin_verifies_the_history(db):
    make.host("installed")
    assert "Holds: 1 transitions in 1 chains" in text_of(people.signed_in("admin").post("/audit/verify/"))
    assert people.signed_in("operator").post("/audit/verify/").status_code == 403


def test_a_broken_history_and_one_that_takes_too_long_say_so(db, monkeypatch):
    broken = {"transition": 7, "kind": "host", "subject": 3, "seq": 2, "words": "its own columns do not give its hash"}
    found = {"chains": 1, "rows": 9, "ok": False, "first_broken": broken, "heads_sha256": "x"}
    monkeypatch.setattr(lifecycle, "verify", lambda: found)
    assert "behind the history" in text_of(people.signed_in("admin").post("/audit/verify/"))

    class Cancelled(Exception):
        sqlstate = reads.CANCELLED

    def too_long():
        raise OperationalError("canceled") from Cancelled()

    monkeypatch.setattr(lifecycle, "verify", too_long)
    assert "manage.py history verify" in text_of(people.signed_in("admin").post("/audit/verify/"))
