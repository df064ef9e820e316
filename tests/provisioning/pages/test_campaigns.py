"""Campaigns: started from a review of what they would touch; Halt is one press."""

import re

import pytest

from fleet import lifecycle
from provisioning.engine import release
from provisioning.models import Campaign, Operation
from tests.support import make, people

KEY = "0123456789abcdef"


def text_of(answer, status=200):
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def review_of(client, verb="campaign.bring_up", **found):
    """The address of the review of a campaign on all hosts that match."""
    return client.post("/act/", {"key": KEY, "verb": verb, "all": "1", **found})["Location"]


def test_one_starts_from_the_list_of_hosts(db):
    assert 'href="/hosts/">Choose hosts</a>' in text_of(people.signed_in("operator").get("/campaigns/"))


def test_review_then_start(db):
    make.hosts(3, "cabled")
    make.host("installed")
    client = people.signed_in("operator")
    address = review_of(client, state="cabled")
    text = " ".join(text_of(client.get(address)).split())
    assert "Review: Bring up, in waves on 3 hosts" in text
    assert "all 3 in one wave" in text
    form = {"reason": "bring them up", "number": "3", "waves": "1, rest", "at_once": "2", "budget": "1", "bake": "5"}
    answer = client.post(f"{address}do/", form)
    campaign = Campaign.objects.get()
    assert (answer.status_code, answer["Location"]) == (303, f"/campaigns/{campaign.pk}/")
    assert (campaign.state, campaign.hosts, campaign.at_once) == ("running", 3, 2)
    assert (campaign.sizes, campaign.budget, campaign.bake_s) == ([1, 2], 1, 300)
    assert client.post(f"{address}do/", form)["Location"] == answer["Location"]
    assert Campaign.objects.count() == 1


def test_what_serves_is_drained_first_in_careful_waves(db):
    make.hosts(40, "in_service")
    client = people.signed_in("operator")
    text = " ".join(text_of(client.get(review_of(client, "campaign.update", state="in_service"))).split())
    assert "in waves of 2, 5, 4, 10, 19, the first a canary; it halts when 3 fail; at least 36 stay in service" in text
    assert "40 hosts leave service; 0 of 40 remain" not in text
    assert "40 hosts leave service, in waves" in text


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": ""}, "A reason is needed"),
        ({"at_once": "0"}, "a whole number from 1"),
        ({"at_once": "9" * 40}, "a whole number from 1"),
        ({"waves": "two"}, "Waves cannot be that"),
        ({"budget": "all"}, "Budget cannot be that"),
    ],
)
def test_a_refused_form_says_what_is_right_and_keeps_what_was_typed(db, changed, words):
    make.hosts(2, "cabled")
    client = people.signed_in("operator")
    form = {"reason": "bring them up", "number": "2", "waves": "1, rest", "at_once": "7", **changed}
    text = text_of(client.post(f"{review_of(client)}do/", form), 422)
    assert words in text
    assert f'value="{form["waves"]}"' in text and f'value="{form["at_once"]}"' in text
    assert not Campaign.objects.exists()


@pytest.fixture
def campaign(db):
    """A campaign of four hosts: one failed, one active, one waits, one done."""
    make.hosts(4, "cabled")
    program = people.program()
    body = {"kind": "identify", "select": {"state": "cabled"}, "reason": "go ahead"}
    pk = program.post("/campaigns", body).json()["id"]
    engine = lifecycle.system("engine")
    failed, active, _, done = Operation.objects.filter(campaign_id=pk).order_by("id")
    lifecycle.move("operation", [failed.pk, active.pk, done.pk], to="active", actor=engine, reason="claimed")
    lifecycle.move("operation", [failed.pk], to="failed", actor=engine, reason="no answer", cause="bmc_unreachable")
    lifecycle.move("operation", [done.pk], to="succeeded", actor=engine, reason="done")
    Operation.objects.filter(pk=failed.pk).update(cause="bmc_unreachable", words="no answer from the BMC")
    return pk


def test_hosts_are_grouped_by_what_became_of_them(campaign):
    text = text_of(people.signed_in("viewer").get(f"/campaigns/{campaign}/"))
    groups = [re.sub(r"<[^>]+>|\s+", " ", h).split() for h in re.findall(r"<h3>(.*?)</h3>", text, re.S)]
    assert groups == [
        ["1", "failed", "bmc", "unreachable"],
        ["1", "active"],
        ["1", "queued"],
        ["1", "succeeded"],
    ]
    assert "no answer from the BMC" in text
    assert "1 of 4" in text


def test_halt_is_one_press_and_going_on_needs_a_reason(campaign):
    client = people.signed_in("operator")
    address = f"/campaigns/{campaign}/"
    text = text_of(client.get(address))
    first = re.search(r'<body.*?class="skip".*?(?:<a |<button|<input(?! type="hidden")).*?>(.*?)<', text, re.S).group(1)
    assert first == "HALT", "before the menu"
    assert client.post(f"{address}halt/", {"key": f"{KEY}-halt", "reason": ""}).status_code == 303
    assert Campaign.objects.get().state == "halted"
    assert "HALT" not in text_of(client.get(address))
    assert "A reason is needed" in text_of(client.post(f"{address}resume/", {"key": f"{KEY}-resume"}), 422)
    answer = client.post(f"{address}resume/", {"key": f"{KEY}-resume", "reason": "the switch is back"})
    assert answer.status_code == 303
    assert Campaign.objects.get().state == "running"
    assert "halted from its page" in text_of(client.get(address))


def test_waves_rules_and_why_the_next_wave_waits(db):
    hosts = make.hosts(4, "in_service")
    body = {"kind": "install", "select": {"hosts": [h.name for h in hosts]}, "waves": [1, 1, "rest"], "floor": 1}
    body |= {"reason": "new image", "limits": {"rack": 1}, "budget": 2}
    pk = people.program().post("/campaigns", body).json()["id"]
    text = text_of(people.signed_in("viewer").get(f"/campaigns/{pk}/"))
    assert "1 canary" in text and "0 failed, 30 min quiet" in text and "fewer than 2 failed" in text
    assert "Wave 2 waits:</b> 1 under way in the wave before" in text
    assert "Budget 0 of 2 used" in text and "Floor 1 in service, now 3" in text and "1 a rack" in text
    assert "1 host is under way and will end the step it is in" in text
    first = Operation.objects.get(campaign_id=pk, wave=1, chain_n=0)
    engine = lifecycle.system("engine")
    lifecycle.move("operation", [first.pk], to="active", actor=engine, reason="claimed")
    lifecycle.move("operation", [first.pk], to="failed", actor=engine, reason="no", cause="drain_limit")
    Operation.objects.filter(pk=first.pk).update(cause="drain_limit", wake_at=None)
    release.release()
    text = text_of(people.signed_in("viewer").get(f"/campaigns/{pk}/"))
    assert "1 of 1 failed in the canary: 1 drain limit (engine" in text
    assert "Wave 2 waits:</b> it is halted: a person lets it go on" in text
    assert "HALT" not in text


def test_pause_and_end(campaign):
    client = people.signed_in("operator")
    address = f"/campaigns/{campaign}/"
    assert client.post(f"{address}pause/", {"key": f"{KEY}-pause", "reason": "lunch"}).status_code == 303
    assert Campaign.objects.get().state == "paused"
    refused = client.post(f"{address}end/", {"key": f"{KEY}-end", "reason": "enough"})
    assert "may not go to done" in text_of(refused, 409)
    client.post(f"{address}halt/", {"key": f"{KEY}-halt"})
    assert client.post(f"{address}end/", {"key": f"{KEY}-end", "reason": "enough"}).status_code == 303
    assert Campaign.objects.get().state == "done"


def test_the_list_pages(db):
    host = make.host("installed")
    for _ in range(51):
        made = Campaign.objects.create(kind="power", site=host.site, actor=make.actor(), hosts=1, select={})
        make.bring("campaign", [made.pk], "done")
    client = people.signed_in("viewer")
    text = text_of(client.get("/campaigns/"))
    assert len(re.findall(r'href="/campaigns/\d+/"', text)) == 50
    onward = re.search(r'rel="next" href="([^"]+)"', text).group(1)
    assert len(re.findall(r'href="/campaigns/\d+/"', text_of(client.get(f"/campaigns/{onward}")))) == 1
    assert "This needs the role operator or admin" in text
