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
    assert "This needs the role operator or admin" in text
    operator = text_of(people.signed_in("operator").get("/hosts/?state=quarantined"))
    assert 'href="/campaigns/?state=quarantined#start">Act on these 1</a>' in operator


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
    assert "inventory: GPU 4" in text
    assert "&quot;n&quot;: 7" in text
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


def test_start_an_operation(db):
    host = make.host("installed", name="host-a")
    client = people.signed_in("operator")
    form = {"key": f"{KEY}-operate", "kind": "power", "action": "restart", "reason": "it hangs"}
    answer = client.post("/hosts/host-a/operate/", form)
    operation = Operation.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/operations/{operation.pk}/")
    assert (operation.params, operation.reason) == ({"action": "restart"}, "it hangs")
    assert operation.device_id == host.pk


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"reason": ""}, 422, "A reason is needed"),
        ({"reason": "x"}, 422, "3 to 500 characters"),
        ({"reason": "x" * 501}, 422, "at most 500 characters"),
        ({"reason": "a\0bcd"}, 422, "Reason cannot hold this"),
        ({"kind": ""}, 422, "There is no operation"),
        ({"kind": "identify"}, 409, "starts from"),
        ({"kind": "power", "action": ""}, 422, "Power needs an action"),
        ({"key": ""}, 400, "Idempotency-Key is missing"),
    ],
)
def test_a_refused_form_keeps_what_was_typed_and_says_what_is_right(db, changed, status, words):
    make.host("in_service", name="host-a")
    form = {"key": f"{KEY}-operate", "kind": "validate", "action": "off", "reason": "I typed this", **changed}
    text = text_of(people.signed_in("operator").post("/hosts/host-a/operate/", form), status)
    assert words in text
    assert not Operation.objects.exists()
    if "reason" not in changed:
        assert 'value="I typed this"' in text
    elif changed["reason"]:
        assert 'aria-invalid="true"' in text
    assert '<option value="off" selected>' in text or "action" in changed


def test_a_form_on_a_host_that_is_gone_is_404(db):
    form = {"key": f"{KEY}-operate", "kind": "identify", "reason": "try it"}
    text_of(people.signed_in("operator").post("/hosts/host-x/operate/", form), 404)


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
    assert "/operate/" not in text
    assert text.count("This needs the role operator or admin") == 2


def offered(client, name):
    """The states that the page offers, and the hidden fields of its form."""
    text = text_of(client.get(f"/hosts/{name}/"))
    if not (form := re.search(r'action="/hosts/[^/]+/move/".*?</form>', text, re.S)):
        return [], {}
    found = form.group()
    return re.findall(r'<option value="(\w+)"', found), dict(
        re.findall(r'<input type="hidden" name="(key|ends)" value="([^"]*)"', found)
    )


@pytest.mark.parametrize(
    ("role", "state", "states"),
    [
        ("technician", "cabled", ["racked"]),
        ("technician", "installed", []),
        ("operator", "validated", ["in_service", "quarantined"]),
        ("admin", "validated", ["quarantined", "retired"]),
        ("liaison", "repair_hands", ["repair_vendor"]),
        ("viewer", "validated", []),
    ],
)
def test_the_page_offers_where_this_person_may_move_it(db, role, state, states):
    make.host(state, name="host-a")
    assert offered(people.signed_in(role), "host-a")[0] == states


def test_what_stands_against_it_is_not_offered(db):
    host = make.host("validated", name="host-a", health="warning")
    client = people.signed_in("operator")
    assert offered(client, "host-a")[0] == ["quarantined"]
    make.operation("validate", host)
    assert offered(client, "host-a")[0] == []
    assert "is under way: wait for it or cancel it" in text_of(client.get("/hosts/host-a/"))


def test_move_by_the_form(db):
    host = make.host("cabled", name="host-a")
    client = people.signed_in("technician")
    _, hidden = offered(client, "host-a")
    answer = client.post("/hosts/host-a/move/", {**hidden, "to": "racked", "reason": "wrong slot"})
    assert (answer.status_code, answer["Location"]) == (303, "/hosts/host-a/")
    assert Device.objects.get(pk=host.pk).state == "racked"
    assert "wrong slot" in text_of(client.get("/hosts/host-a/"))


@pytest.mark.parametrize(
    ("changed", "status", "words"),
    [
        ({"to": ""}, 422, "To is needed"),
        ({"reason": ""}, 422, "A reason is needed"),
        ({"to": "cabled"}, 409, "nobody may move it to cabled from there"),
        ({"ends": "7"}, 403, "may not force"),
        ({"ends": "x"}, 422, "Ends is no such number"),
    ],
)
def test_a_refused_move_keeps_what_was_typed(db, changed, status, words):
    make.host("validated", name="host-a")
    form = {"key": f"{KEY}-move", "to": "quarantined", "reason": "I typed this", **changed}
    text = text_of(people.signed_in("operator").post("/hosts/host-a/move/", form), status)
    assert words in text
    assert 'value="I typed this"' in text or "reason" in changed


def test_what_a_forced_move_ends_is_said_before_and_nothing_else_is_ended(db):
    host = make.host("burned_in", name="host-a")
    first = make.operation("install", host, state="active")
    client = people.signed_in("admin")
    states, hidden = offered(client, "host-a")
    assert (states, hidden["ends"]) == (["quarantined"], str(first.pk))
    assert f"This ends install {first.pk} at once, not at a safe point." in text_of(client.get("/hosts/host-a/"))
    Device.objects.filter(pk=host.pk).update(no_power_by=first.pk)
    assert "in a step that nobody may interrupt" in text_of(client.get("/hosts/host-a/"))
    Device.objects.filter(pk=host.pk).update(no_power_by=None)
    lifecycle.move("operation", [first.pk], to="failed", actor=make.actor("S"), reason="over")
    second = make.operation("install", host, state="active")
    form = {**hidden, "to": "quarantined", "reason": "it smells"}
    text = text_of(client.post("/hosts/host-a/move/", form), 409)
    assert f"operation {second.pk} (install, active) is under way" in text
    _, hidden = offered(client, "host-a")
    assert client.post("/hosts/host-a/move/", {**form, **hidden}).status_code == 303
    assert Operation.objects.get(pk=second.pk).state == "cancelled"


def test_another_person_confirms_on_the_page(db):
    host = make.host("cabled", name="host-a")
    admin, operator = people.signed_in("admin"), people.signed_in("operator")
    _, hidden = offered(admin, "host-a")
    assert "retired: another person must confirm" in text_of(admin.get("/hosts/host-a/"))
    assert admin.post("/hosts/host-a/move/", {**hidden, "to": "retired", "reason": "scrap it"}).status_code == 303
    seen = text_of(admin.get("/hosts/host-a/"))
    number = re.search(r"manage.py act confirm (\d+)", seen).group(1)
    address = f"/hosts/host-a/acts/{number}/confirm/"
    assert address not in seen
    assert address not in text_of(people.signed_in("technician").get("/hosts/host-a/"))
    assert address in text_of(operator.get("/hosts/host-a/"))
    assert "Another person" in text_of(admin.post(address, {"key": f"{KEY}-confirm-1"}), 403).replace(
        "another", "Another"
    )
    assert operator.post(address, {"key": f"{KEY}-confirm-1"}).status_code == 303
    assert Device.objects.get(pk=host.pk).state == "retired"
    assert "Waits for a second person" not in text_of(operator.get("/hosts/host-a/"))
