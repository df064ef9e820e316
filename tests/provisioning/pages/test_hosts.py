"""The list of hosts and the page of one: what they show, and the forms."""

import re

import pytest
from django.utils import timezone

from fleet import holds, lifecycle
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


def test_who_may_not_sees_why(db):
    make.host("installed", name="host-a")
    text = text_of(people.signed_in("viewer").get("/hosts/host-a/"))
    assert "/operate/" not in text
    assert text.count("This needs the role operator or admin") == 2
