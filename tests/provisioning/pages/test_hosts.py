"""The list of hosts and the page of one: what they show, and the forms."""

import re

import pytest
from django.db.models import Q
from django.utils import timezone

from fleet import findings, holds, lifecycle
from fleet.findings import Found
from fleet.models import Bmc, Device, Evidence, Finding, FormerName, Hold, Part
from provisioning.models import Operation
from tests.support import make, people

KEY = "0123456789abcdef"


def text_of(answer, status=200):
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def test_the_list_counts_filters_and_links(db):
    make.hosts(2, "cabled")
    make.host("quarantined", name="host-bad", cause="clock")
    client = people.signed_in("viewer")
    text = text_of(client.get("/hosts/?state=quarantined"))
    assert "1 of 3 hosts" in text
    assert 'href="/hosts/host-bad/"' in text
    assert "clock" in text
    assert "This needs the role technician or" in text
    assert "All 1 that match" in text_of(people.signed_in("operator").get("/hosts/?state=quarantined"))


def test_the_list_pages_by_hundred(db):
    names = sorted(h.name for h in make.hosts(120))
    client = people.signed_in("viewer")
    first = text_of(client.get("/hosts/?state=cabled"))
    found = re.findall(r'<td><a href="/hosts/([^/]+)/"', first)
    assert found == names[:100]
    onward = re.search(r'rel="next" href="([^"]+)"', first).group(1).replace("&amp;", "&")
    second = text_of(client.get(f"/hosts/{onward}"))
    assert re.findall(r'<td><a href="/hosts/([^/]+)/"', second) == names[100:]
    assert 'rel="next"' not in second


def test_a_list_without_hosts_says_what_next(db):
    make.host()
    assert "No hosts match" in text_of(people.signed_in("viewer").get("/hosts/?q=nothing"))


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("state=happy", "There is no such state"),
        ("colour=red", "There is no filter"),
        ("q=a%00b", "Q cannot hold this"),
        ("q=" + "x" * 300, "Q cannot hold this"),
        ("cursor=nonsense", "not one of ours"),
    ],
)
def test_filters_that_cannot_be_are_422_in_words(db, query, words):
    text = text_of(people.signed_in("viewer").get(f"/hosts/?{query}"), 422)
    assert words in text
    assert "What would be right" in text


def test_the_page_of_a_host_shows_four_columns_and_its_history(db):
    host = make.host("installed", name="host-a", serial="TAGX", health="warning")
    seen = Evidence.objects.create(at=timezone.now(), kind="inventory", device_id=host.pk, words="GPU 4", data={"n": 7})
    why = {"reason": "GPU 4 is gone", "cause": "part_missing", "evidence": [seen.pk]}
    lifecycle.move("host", [host.pk], to="quarantined", actor=make.actor("O", "olga"), **why)
    holds.place(device_id=host.pk, kind="hands", reason="fan swap", actor=make.actor())
    Finding.objects.create(
        stable_id="x", domain="inventory", kind="part_missing", severity="critical", words="gone", device=host
    )
    Part.objects.create(kind="gpu", serial="GPU123", device=host, slot="4")
    Bmc.objects.create(device=host, address="127.64.0.9")
    operation = make.operation("inspect", host, state="active", step_name="parts", waits_for="the BMC")
    text = text_of(people.signed_in("operator").get("/hosts/host-a/"))
    for words in ("quarantined", "fan swap", "warning", "GPU 4 is gone", "olga", "part missing", "gone", "GPU123"):
        assert words in text
    assert f'href="/operations/{operation.pk}/"' in text
    assert "inventory</a>: GPU 4" in text
    assert f'href="/api/v1/evidence/{seen.pk}"' in text
    assert "127.64.0.9" in text


def test_an_old_name_leads_to_the_new_one(db):
    host = make.host(name="host-new")
    FormerName.objects.create(name="host-old", device=host)
    client = people.signed_in("viewer")
    assert client.get("/hosts/host-old/")["Location"] == "/hosts/host-new/"
    assert "There is no host host-none" in text_of(client.get("/hosts/host-none/"), 404)


def test_as_it_was(db):
    host = make.host("in_service", name="host-a")
    client = people.signed_in("viewer")
    assert "in service" in text_of(client.get("/hosts/host-a/", {"at": timezone.now().isoformat()}))
    assert "was not on record then" in text_of(client.get("/hosts/host-a/?at=2001-01-01 12:00"))
    assert "there is no such time" in text_of(client.get("/hosts/host-a/?at=soon"))
    assert "has not come yet" in text_of(client.get("/hosts/host-a/?at=2999-01-01"))
    assert host.name == "host-a"


def test_an_operation_is_asked_for_by_a_review(db):
    host = make.host("installed", name="host-a")
    client = people.signed_in("operator")
    text = text_of(client.get("/hosts/host-a/"))
    assert '<option value="operate.power.restart">Power: restart</option>' in text
    assert '<option value="operate.identify" disabled>Identify: installed (identify starts from' in text
    form = {"key": f"{KEY}-operate", "verb": "operate.power.restart", "host": "host-a", "from": "host-a"}
    review = client.post("/act/", form)["Location"]
    assert 'href="/hosts/host-a/">Back</a>' in text_of(client.get(review))
    answer = client.post(f"{review}do/", {"reason": "it hangs", "number": "1"})
    operation = Operation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/operations/{operation.pk}/")
    assert (operation.params, operation.reason) == ({"action": "restart"}, "it hangs")
    assert operation.device_id == host.pk


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"verb": "operate.fly"}, 422, "There is nothing to do called"),
        ({"verb": "force.quarantined"}, 403, "may not force"),
        ({"host": "host-b"}, 404, "There is no host host-b"),
        ({"key": ""}, 400, "Idempotency-Key is missing"),
    ],
)
def test_a_form_that_is_refused_shows_the_host_again(db, changed, status, words):
    make.host("in_service", name="host-a")
    form = {"key": f"{KEY}-operate", "verb": "operate.drain", "host": "host-a", "from": "host-a", **changed}
    text = text_of(people.signed_in("operator").post("/act/", form), status)
    assert words in text
    assert '<h1 class="ident">host-a' in text


def test_a_form_on_a_host_that_is_gone_is_404(db):
    form = {"key": f"{KEY}-operate", "verb": "operate.identify", "host": "host-x", "from": "host-x"}
    text_of(people.signed_in("operator").post("/act/", form), 404)


def test_hold_and_lift(db):
    host = make.host("installed", name="host-a")
    client = people.signed_in("operator")
    form = {"key": f"{KEY}-hold", "kind": "debug", "reason": "look at it"}
    assert client.post("/hosts/host-a/hold/", form)["Location"] == "/hosts/host-a/"
    hold = Hold.objects.get()
    address = f"/hosts/host-a/holds/{hold.pk}/lift/"
    assert address in text_of(client.get("/hosts/host-a/"))
    assert client.post(address, {"key": f"{KEY}-lift-1"}).status_code == 303
    assert Device.objects.get(pk=host.pk).held == 0
    assert "has ended already" in text_of(client.post(address, {"key": f"{KEY}-lift-2"}), 409)
    form = {"key": f"{KEY}-hold2", "kind": "love", "reason": "look at it"}
    assert "There is no hold" in text_of(client.post("/hosts/host-a/hold/", form), 422)


class TestFindings:
    """One form for each that is open; another for none."""

    @pytest.fixture
    def host(self, db):
        host = make.host("installed", name="host-a")
        findings.open([Found("health", kind, "warning", f"the {kind} is slow", host.pk) for kind in ("fan", "clock")])
        findings.close(Q(kind="clock"), words="over")
        return host

    def path(self, verb):
        return f"/hosts/host-a/findings/{Finding.objects.get(kind='fan').pk}/{verb}/"

    def test_acknowledge_then_close(self, host):
        client = people.signed_in("operator")
        text = text_of(client.get("/hosts/host-a/"))
        assert self.path("acknowledge") in text and text.count(">Close</button>") == 1
        form = {"key": f"{KEY}-finding-1", "reason": "ordered one"}
        assert client.post(self.path("acknowledge"), form)["Location"] == "/hosts/host-a/"
        text = text_of(client.get("/hosts/host-a/"))
        assert "ordered one" in text and self.path("acknowledge") not in text
        assert client.post(self.path("close"), {"key": f"{KEY}-finding-2", "reason": "it turns"}).status_code == 303
        text = text_of(client.get("/hosts/host-a/"))
        assert "it turns" in text and "/findings/" not in text
        found = Finding.objects.get(kind="fan")
        assert found.acknowledged_by.name == found.closed_by.name and found.closed_by.role == "O"
        assert "was closed by" in text_of(client.post(self.path("close"), {"key": KEY, "reason": "again"}), 409)

    def test_a_reason_is_needed_and_what_was_typed_stays(self, host):
        client = people.signed_in("operator")
        text = text_of(client.post(self.path("close"), {"key": KEY, "reason": "x"}), 422)
        assert "A reason is needed" in text and 'value="x"' in text

    def test_of_another_host_is_not_here(self, host):
        make.host("installed", name="host-b")
        path = self.path("close").replace("host-a", "host-b")
        answer = people.signed_in("operator").post(path, {"key": KEY, "reason": "try it"})
        assert "on host-b" in text_of(answer, 404)

    def test_an_unknown_outcome_says_where_it_closes(self, host):
        operation = make.operation("power", host, state="lost")
        Finding.objects.filter(kind="fan").update(kind="outcome_unknown", operation_id=operation.pk)
        text = text_of(people.signed_in("operator").get("/hosts/host-a/"))
        assert ">Close</button>" not in text and ">Acknowledge</button>" in text
        assert f'<a href="/operations/{operation.pk}/">operation {operation.pk}</a>' in text

    def test_who_may_not_sees_why(self, host):
        text = text_of(people.signed_in("technician").get("/hosts/host-a/"))
        assert "/findings/" not in text and "This needs the role operator or admin" in text

    def test_what_is_open_comes_before_what_was_closed(self, host):
        Finding.objects.bulk_create(
            Finding(
                stable_id=str(n),
                domain="x",
                kind="old",
                severity="info",
                words="an old one",
                device=host,
                closed_at=timezone.now(),
            )
            for n in range(60)
        )
        assert "the fan is slow" in text_of(people.signed_in("viewer").get("/hosts/host-a/"))


def test_who_may_not_sees_why(db):
    make.host("installed", name="host-a")
    text = text_of(people.signed_in("viewer").get("/hosts/host-a/"))
    assert '"/act/"' not in text
    assert text.count("This needs the role operator or admin") == 2


def offered(client, name):
    """The moves that the page offers."""
    text = text_of(client.get(f"/hosts/{name}/"))
    return [f"{kind}.{to}" for kind, to in re.findall(r'<option value="(move|force)\.(\w+)"', text)]


@pytest.mark.parametrize(
    ("role", "state", "states"),
    [
        ("technician", "cabled", ["move.racked"]),
        ("technician", "installed", []),
        ("operator", "validated", ["move.in_service", "move.quarantined"]),
        ("admin", "validated", ["move.quarantined", "move.retired"]),
        ("liaison", "repair_hands", ["move.repair_vendor"]),
        ("viewer", "validated", []),
    ],
)
def test_the_page_offers_where_this_person_may_move_it(db, role, state, states):
    make.host(state, name="host-a")
    assert offered(people.signed_in(role), "host-a") == states


def test_what_stands_against_it_is_not_offered(db):
    host = make.host("validated", name="host-a", health="warning")
    client = people.signed_in("operator")
    assert offered(client, "host-a") == ["move.quarantined"]
    make.operation("validate", host)
    assert offered(client, "host-a") == []
    assert "is under way: wait for it or cancel it" in text_of(client.get("/hosts/host-a/"))
    assert offered(people.signed_in("admin"), "host-a") == ["force.quarantined"]


def test_what_waits_for_a_second_person_is_shown(db):
    make.host("cabled", name="host-a")
    admin = people.signed_in("admin")
    assert "Move to retired: another person must confirm" in text_of(admin.get("/hosts/host-a/"))
    form = {"key": f"{KEY}-move", "verb": "move.retired", "host": "host-a", "from": "host-a"}
    review = admin.post("/act/", form)["Location"]
    assert f'href="{review}"' not in text_of(admin.get("/hosts/host-a/"))
    admin.post(f"{review}do/", {"reason": "scrap it"})
    assert f'href="{review}"' in text_of(people.signed_in("viewer").get("/hosts/host-a/"))
