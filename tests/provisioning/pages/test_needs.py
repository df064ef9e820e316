"""NEEDS A PERSON: what is in it, in which order, and how it says what to do."""

import pytest

from fleet import causes, findings
from fleet.findings import Found
from fleet.models import Finding
from provisioning.engine import campaign
from provisioning.operations.outcomes import ERRORS
from provisioning.reads.needs import needs
from tests.support import make, people


def found(host, kind="part_missing", severity="critical", **more):
    findings.open([Found("inventory", kind, severity, f"{host.name}: GPU 4 is absent", device=host.pk, **more)])


def test_nothing_needs_a_person(db):
    make.host("in_service")
    text = people.signed_in("viewer").get("/").content.decode()
    assert "Nothing needs a person. Last change" in text


def test_a_fault_says_where_what_and_what_next(db):
    host = make.host("quarantined", name="host-093", cause="part_missing")
    found(host, cause="part_missing")
    text = people.signed_in("viewer").get("/").content.decode()
    assert "Needs a person (1)" in text
    assert 'href="/hosts/host-093/"' in text
    assert "GPU 4 is absent" in text
    assert causes.of("part_missing").then in text


def test_the_same_trouble_of_many_is_one_line(db):
    for host in make.hosts(5, "quarantined", cause="part_missing"):
        found(host, cause="part_missing")
    (line,) = needs(None, [])
    assert line["name"] == "5 hosts"
    assert line["to"] == "/hosts/?cause=part_missing"
    assert len(line["names"]) == 3 and line["more"] == 2


def test_what_somebody_has_seen_or_is_only_told_is_not_there(db):
    seen, told = make.hosts(2, "quarantined")
    found(seen)
    findings.acknowledge(ids=[Finding.objects.get().pk], reason="on its way", actor=make.actor())
    found(told, kind="remark", severity="info")
    assert needs(None, []) == []


def test_a_state_past_its_limit_is_there(db):
    host = make.host("received", name="host-late")
    subject = {"kind": "host", "id": host.pk, "seq": 1}
    found(host, kind="state_limit", severity="info", subjects=[subject])
    (line,) = needs(None, [])
    assert line["name"] == "host-late" and line["group"] == "warn"
    assert line["next"] == "flag."


def test_a_lost_operation_has_one_line_of_its_own(db):
    operation = make.operation("install", make.host("burned_in", name="host-lost"), state="lost", step_name="reset")
    found(operation.device, kind="outcome_unknown", operation=operation.pk)
    (line,) = needs(None, [])
    assert line["to"] == f"/operations/{operation.pk}/"
    assert "what you found" in line["next"]


def test_a_halted_campaign_is_there_and_a_running_one_has_halt(db):
    hosts = make.hosts(2, "cabled")
    asked = {"select": {"state": "cabled"}, "params": {}, "at_once": None, "actor": make.actor(), "reason": "all"}
    made = campaign.create(kind="bring_up", devices=hosts, **asked)
    client = people.signed_in("operator")
    text = client.get("/").content.decode()
    assert f'action="/campaigns/{made.pk}/halt/"' in text
    assert "Nothing needs a person" in text
    key = text.split(f'action="/campaigns/{made.pk}/halt/"')[1].split('name="key" value="')[1].split('"')[0]
    assert client.post(f"/campaigns/{made.pk}/halt/", {"key": key}).status_code == 303
    text = client.get("/").content.decode()
    assert f"bring up {made.pk}" in text and "campaign halted with 0 of 2 done" in text
    assert "No campaign is under way" in text


def test_nobody_sees_what_stands_elsewhere(db):
    found(make.host("quarantined"))
    assert needs(frozenset([0]), []) == []


def test_a_poll_sees_a_finding_that_came_or_was_acknowledged(db):
    from provisioning.reads import now

    host = make.host("in_service")
    before = now.version().have
    found(host, severity="warning")
    came = now.version().have
    findings.acknowledge(ids=[Finding.objects.get().pk], reason="on its way", actor=make.actor())
    assert before != came != now.version().have


@pytest.mark.parametrize("cause", sorted({cause for cause, *_ in ERRORS.values()}))
def test_every_cause_of_a_failed_step_has_words_and_a_next_step(cause):
    assert cause in causes.CAUSES


def test_a_cause_that_nobody_has_written_says_its_own_words():
    assert causes.of("fan_gone").words == "Fan gone"


def test_an_incident_is_one_line_and_its_findings_none(db):
    incident = make.subject("incident", "open")
    for host in make.hosts(3, "in_service"):
        found(host, kind="psu_out", severity="warning")
    Finding.objects.update(incident_id=incident)
    (line,) = needs(None, [])
    assert line["key"] == f"incident-{incident}"


def test_the_brakes_stand_in_one_line(db):
    make.host("in_service")
    text = people.signed_in("viewer").get("/").content.decode()
    assert "<b>Brakes</b>" in text and "closed, 0 of" in text
