"""GET /findings and /evidence."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet import findings
from fleet.findings import Found
from fleet.models import Device, Evidence, Finding, Party, Site
from tests.support import make, people


@pytest.fixture
def finding(db):
    """An open finding with its evidence, and a closed one."""
    host = make.host("installed", name="host-001")
    owner = Party.objects.create(name="hands")
    seen = Evidence.objects.create(at=timezone.now(), kind="inventory", device_id=host.pk, words="gpu 4", data={"n": 7})
    common = {"domain": "inventory", "severity": "critical", "device": host}
    Finding.objects.create(
        **common, stable_id="a", kind="clock", words="late", closed_at=timezone.now(), closed_words="mended"
    )
    return Finding.objects.create(
        **common, stable_id="b", kind="part_missing", words="GPU 4 is gone", owner=owner, evidence=[seen.pk]
    )


def test_findings_newest_first(finding):
    items = people.program("viewer").get("/findings").json()["items"]
    assert [f["stable_id"] for f in items] == ["b", "a"]
    assert (items[0]["owner"], items[0]["host"]) == ("hands", "host-001")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"open": "true"}, ["b"]),
        ({"open": "false"}, ["a"]),
        ({"kind": "clock"}, ["a"]),
        ({"severity": "critical", "domain": "inventory"}, ["b", "a"]),
        ({"severity": "info"}, []),
        ({"host": "host-001"}, ["b", "a"]),
        ({"host": "host-002"}, []),
    ],
)
def test_filters(finding, query, found):
    assert [f["stable_id"] for f in people.program("viewer").get("/findings", **query).json()["items"]] == found


def test_evidence_as_it_came(finding):
    answer = people.program("viewer").get(f"/evidence/{finding.evidence[0]}").json()
    assert (answer["kind"], answer["words"], answer["data"]) == ("inventory", "gpu 4", {"n": 7})


def test_what_is_at_another_site_is_not_there(finding):
    program = people.program("viewer", site=Site.objects.create(name="site-2"))
    assert program.get("/findings").json()["items"] == []
    assert program.get(f"/evidence/{finding.evidence[0]}").status_code == 404


def test_somebody_has_seen_it(finding):
    answer = people.program("operator").post(f"/findings/{finding.pk}/acknowledge", {"reason": "ordered a GPU"})
    row = answer.json()
    assert answer.status_code == 200 and row["id"] == finding.pk and row["by_hand"] is True
    assert row["acknowledged_words"] == "ordered a GPU" and row["acknowledged_by"].startswith("program-")
    assert row["acknowledged_at"] is not None and row["closed_at"] is None


def test_somebody_says_that_it_is_over(finding):
    program = people.program("admin")
    answer = program.post(f"/findings/{finding.pk}/close", {"reason": "swapped"})
    row = answer.json()
    assert answer.status_code == 200
    assert row["closed_words"] == "swapped" and row["closed_by"].startswith("program-")
    assert program.get("/findings", open="true").json()["items"] == []
    assert Device.objects.get(name="host-001").health == "unknown"


@pytest.mark.parametrize("verb", ["acknowledge", "close"])
class TestEitherAct:
    def test_once_a_key(self, finding, verb):
        program = people.program("operator")
        one, two = (program.post(f"/findings/{finding.pk}/{verb}", {"reason": "x y z"}, key="key-12345") for _ in "12")
        assert (one.status_code, two.status_code) == (200, 200) and one.json() == two.json()

    def test_on_a_closed_one_says_who_closed_it(self, finding, verb):
        program = people.program("operator")
        program.post(f"/findings/{finding.pk}/close", {"reason": "swapped"})
        answer = program.post(f"/findings/{finding.pk}/{verb}", {"reason": "again"})
        assert answer.status_code == 409 and "was closed by program-" in answer.json()["title"]
        assert "swapped" in answer.json()["title"]

    def test_at_another_site_is_not_there(self, finding, verb):
        program = people.program("operator", site=Site.objects.create(name="site-2"))
        assert program.post(f"/findings/{finding.pk}/{verb}", {"reason": "again"}).status_code == 404

    def test_about_no_place_is_for_those_of_all_sites(self, db, verb):
        findings.open([Found("inventory", "state_limit", "info", "cable 7 is laid", key="cable:7")])
        path = f"/findings/{Finding.objects.get().pk}/{verb}"
        here = people.program("operator", site=make.site())
        assert here.post(path, {"reason": "plugged"}).status_code == 404
        assert people.program("operator").post(path, {"reason": "plugged"}).status_code == 200

    @pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": "why", "more": 1}])
    def test_needs_a_reason_and_nothing_else(self, finding, verb, body):
        assert people.program("operator").post(f"/findings/{finding.pk}/{verb}", body).status_code == 422


def test_an_unknown_outcome_is_not_closed_by_hand(finding):
    Finding.objects.filter(pk=finding.pk).update(kind="outcome_unknown")
    program = people.program("operator")
    (row,) = program.get("/findings", open="true").json()["items"]
    assert row["by_hand"] is False
    answer = program.post(f"/findings/{finding.pk}/close", {"reason": "it is on"})
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    assert "say what you found" in answer.json()["hint"]


class TestManyAtOnce:
    @pytest.fixture
    def several(self, db):
        """Three open findings of two sites and one of none."""
        here, there = make.host("installed"), make.host("installed", site=Site.objects.create(name="site-2"))
        opened = [Found("health", "fan", "critical", "a fan", d, key=str(n)) for n, d in enumerate((here.pk, there.pk))]
        findings.open([*opened, Found("health", "fan", "info", "no place")])
        return list(Finding.objects.order_by("device").values_list("pk", flat=True))

    def test_all_of_them_in_one_answer(self, several):
        program = people.program("operator")
        seen = program.post("/findings/acknowledge", {"findings": several, "reason": "fans are ordered"})
        assert seen.status_code == 200
        assert [f["acknowledged_words"] for f in seen.json()["findings"]] == ["fans are ordered"] * 3
        over = program.post("/findings/close", {"findings": several[:2], "reason": "swapped"})
        assert {f["id"] for f in over.json()["findings"]} == set(several[:2])
        assert Finding.objects.filter(closed_at=None).count() == 1
        assert set(Device.objects.values_list("health", flat=True)) == {"unknown"}

    def test_none_of_them_when_one_cannot_be_and_each_is_named(self, several):
        program = people.program("operator")
        program.post(f"/findings/{several[0]}/close", {"reason": "swapped"})
        Finding.objects.filter(pk=several[1]).update(kind="outcome_unknown")
        answer = program.post("/findings/close", {"findings": several, "reason": "all swapped"})
        assert answer.status_code == 409
        assert {e["value"] for e in answer.json()["errors"]} == set(several[:2])
        assert Finding.objects.get(pk=several[2]).closed_at is None

    def test_those_of_another_site_are_not_there(self, several):
        program = people.program("operator", site=make.site())
        body = {"findings": several[:2], "reason": "all swapped"}
        assert program.post("/findings/close", body).status_code == 404
        assert program.post("/findings/close", {**body, "findings": several[:1]}).status_code == 200
        assert Finding.objects.filter(closed_at=None).count() == 2

    def test_as_many_queries_for_two_as_for_fifty(self, db):
        host, program = make.host("installed"), people.program("operator")

        def queries(n):
            findings.open([Found("health", "fan", "info", "a fan", host.pk, key=str(k)) for k in range(n)])
            ids = list(Finding.objects.filter(closed_at=None).values_list("pk", flat=True))
            with CaptureQueriesContext(connection) as made:
                assert program.post("/findings/close", {"findings": ids, "reason": "all"}).status_code == 200
            return len(made)

        queries(1)
        assert queries(2) == queries(50)

    @pytest.mark.parametrize("ids", [[], ["1"], [0], [1.5], "1", None])
    def test_a_list_that_is_none(self, db, ids):
        answer = people.program("operator").post("/findings/close", {"findings": ids, "reason": "swapped"})
        assert answer.status_code == 422
