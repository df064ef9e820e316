"""The same finding on most hosts of a place is one incident."""

import pytest
from django.db.models.functions import Now

from fleet import findings, incidents
from fleet.errors import NotFound, WrongState
from fleet.findings import Found
from fleet.models import Bmc, Device, Finding, Incident, Rack, Row, Transition
from tests.support import make, people
from tests.support.database import check_constraints


def row(name: str, racks: int, hosts: int) -> list[Device]:
    """A row of watched hosts, so many a rack."""
    made = Row.objects.create(site=make.site(), name=name)
    found = []
    for n in range(racks):
        rack = Rack.objects.create(row=made, name=f"{name}{n:02}")
        found += [make.wired_host("in_service", rack=rack) for _ in range(hosts)]
    Bmc.objects.update(swept_at=Now())
    return found


def hot(*hosts: Device, kind: str = "inlet_hot") -> None:
    findings.open([Found("place", kind, "warning", f"{h.name} is hot", h.pk) for h in hosts])


def standing() -> list[tuple[str, str, str]]:
    return list(Incident.objects.exclude(state="closed").values_list("place", "state", "words"))


@pytest.mark.usefixtures("db")
class TestFolding:
    def test_most_hosts_of_a_row_are_one_incident(self):
        hosts = row("A", 2, 4)
        hot(*hosts[:5])
        assert incidents.fold() == 1
        assert standing() == [("row A", "open", "inlet_hot on 5 of 8 hosts in row A")]
        assert Finding.objects.filter(incident__place="row A").count() == 5
        told = Finding.objects.get(domain="incident")
        assert (told.words, told.severity, told.device) == ("inlet_hot on 5 of 8 hosts in row A", "warning", None)
        assert incidents.fold() == 0, "nothing new"
        check_constraints()

    def test_a_rack_is_one_where_the_row_is_well(self):
        hosts = row("A", 4, 4)
        hot(*hosts[:3])
        incidents.fold()
        assert [place for place, *_ in standing()] == ["rack A00"]

    @pytest.mark.parametrize("n", [1, 2])
    def test_a_few_hosts_are_none(self, n):
        hosts = row("A", 1, 4)
        hot(*hosts[:n])
        assert incidents.fold() == 0 and standing() == []

    def test_less_than_half_of_a_place_is_none(self):
        hosts = row("A", 1, 8)
        hot(*hosts[:3])
        assert incidents.fold() == 0

    def test_what_does_not_fold_stays_alone(self):
        hot(*row("A", 1, 4), kind="fan")
        assert incidents.fold() == 0

    def test_who_comes_later_joins(self):
        hosts = row("A", 1, 8)
        hot(*hosts[:4])
        incidents.fold()
        hot(*hosts[4:6])
        assert incidents.fold() == 1
        assert standing() == [("row A", "open", "inlet_hot on 6 of 8 hosts in row A")]
        assert Finding.objects.get(domain="incident").words.startswith("inlet_hot on 6 of 8")

    def test_each_place_is_one(self):
        for name in "AB":
            hot(*row(name, 1, 4))
        assert incidents.fold() == 2
        assert [place for place, *_ in standing()] == ["row A", "row B"]


@pytest.mark.usefixtures("db")
class TestItsLife:
    @pytest.fixture
    def incident(self) -> Incident:
        hot(*row("A", 1, 4))
        incidents.fold()
        return Incident.objects.get()

    def test_is_over_with_its_findings(self, incident):
        findings.close(findings.Q(kind="inlet_hot", device__isnull=False), words="well again")
        assert incidents.fold() == 1
        incident.refresh_from_db()
        assert incident.state == "closed"
        assert not Finding.objects.filter(closed_at=None).exists()
        check_constraints()

    def test_a_person_explains_and_closes_it(self, incident):
        ann = make.actor("O", "Ann")
        with pytest.raises(WrongState):
            incidents.close(incident_id=incident.pk, reason="it was nothing", actor=ann)
        incidents.explain(incident_id=incident.pk, reason="the chiller of row A failed", actor=ann)
        incidents.close(incident_id=incident.pk, reason="chiller is back", actor=ann)
        moves = (
            Transition.objects.filter(subject_kind="incident").order_by("seq").values_list("to_state", "actor__name")
        )
        assert list(moves) == [("open", "sweep"), ("explained", "Ann"), ("closed", "Ann")]
        stands = Finding.objects.filter(closed_at=None)
        assert stands.count() == 4, "each host's own stays until it is well"
        assert not stands.exclude(incident=None).exists(), "and is told for itself"

    def test_that_is_not_there_is_a_404(self, db):
        with pytest.raises(NotFound):
            incidents.explain(incident_id=1, reason="the chiller", actor=make.actor())


class TestByProgram:
    @pytest.fixture
    def incident(self, db) -> Incident:
        hot(*row("A", 1, 3))
        incidents.fold()
        return Incident.objects.get()

    def test_lists_what_is_wrong_where_and_on_which_hosts(self, incident):
        found = people.program("viewer").get("/incidents", state="open").json()["items"]
        assert [(i["id"], i["place"], len(i["hosts"])) for i in found] == [(incident.pk, "row A", 3)]
        assert people.program("viewer").get("/incidents", state="closed").json()["items"] == []
        assert people.program("viewer").get("/incidents", state="odd").status_code == 422
        folded = people.program("viewer").get("/findings", kind="inlet_hot").json()["items"]
        assert {f["incident"] for f in folded if f["host"]} == {incident.pk}

    def test_an_operator_explains_and_closes_it(self, incident):
        who = people.program("operator")
        answer = who.post(f"/incidents/{incident.pk}/explain", {"reason": "the chiller failed"})
        assert (answer.status_code, answer.json()["state"]) == (200, "explained")
        assert who.post(f"/incidents/{incident.pk}/explain", {"reason": "once more"}).status_code == 409
        assert who.post(f"/incidents/{incident.pk}/close", {"reason": "it is back"}).json()["state"] == "closed"
        assert who.get("/incidents/999999").status_code == 404

    def test_a_viewer_may_not(self, incident):
        answer = people.program("viewer").post(f"/incidents/{incident.pk}/explain", {"reason": "the chiller"})
        assert answer.status_code == 403
