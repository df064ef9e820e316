"""GET /findings and /evidence."""

import pytest
from django.utils import timezone

from fleet.models import Evidence, Finding, Party, Site
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
