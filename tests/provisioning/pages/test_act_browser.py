"""Acting in Chromium, by role and name: filter, choose, review, type, confirm; with a script and without."""

import re
import threading

import pytest
from axe_playwright_python.sync_playwright import Axe

from fleet import lifecycle
from fleet.models import Hold, Review
from provisioning.models import Campaign, Operation
from tests.support import floor, make, people, scene

TIMEOUT = 60_000


@pytest.fixture
def hosts(real_db):
    """Sixty-four hosts on a floor, the last eight in trouble."""
    return floor.build()


@pytest.fixture
def operator(hosts):
    """Somebody who may operate."""
    user = people.person("operator")
    user.set_password(scene.PASSWORD)
    user.save()
    return user


@pytest.fixture
def desk(site, page, operator):
    """Signed in, on the list of hosts."""
    page.set_default_timeout(TIMEOUT)
    sign_in(page, site, operator)
    page.goto(f"{site.url}/hosts/")
    return page


def sign_in(page, site, user):
    page.goto(f"{site.url}/sign-in/")
    type_in(page, user)
    page.get_by_role("heading", name="Now", exact=True).wait_for()


def type_in(page, user):
    page.get_by_label("Name").fill(user.username)
    page.get_by_label("Password").fill(scene.PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def choose_trouble(page):
    page.get_by_label("State").select_option("quarantined")
    page.get_by_role("button", name="Show").click()
    page.get_by_text("8 of 64 hosts").wait_for()
    page.get_by_label("All 8 that match").check()


def journey(page):
    """Filter, choose all, say what, look, type, start."""
    choose_trouble(page)
    page.get_by_role("button", name=re.compile("Act on")).click()
    page.get_by_role("heading", name="Act on 8 hosts").wait_for()
    page.get_by_role("button", name="Install 8").click()
    page.get_by_role("heading", name="Review: Install on 8 hosts").wait_for()
    for words in ("B07: 4, B08: 4", "all data on 8 hosts goes", "usually 11 to 14 min", "leaf-s03-01 loses 8 of 16"):
        page.get_by_text(words).first.wait_for()
    page.get_by_label("Reason").fill("a new image")
    page.get_by_label("Number of hosts, to confirm").fill("9")
    page.get_by_role("button", name="Install on 8 hosts").click()
    page.get_by_text("8, as many as it touches").first.wait_for()
    assert page.get_by_label("Reason").input_value() == "a new image"
    page.get_by_label("Number of hosts, to confirm").fill("8")
    page.get_by_role("button", name="Install on 8 hosts").click()
    page.get_by_role("button", name="HALT").wait_for()


def test_filter_choose_all_review_type_start_and_back(desk):
    journey(desk)
    made = Campaign.objects.get()
    assert (made.kind, made.hosts, made.sizes, made.reason) == ("install", 8, [2, 5, 1], "a new image")
    desk.goto(desk.url.replace(f"/campaigns/{made.pk}/", f"/act/{Review.objects.latest('id').code}/"))
    desk.get_by_text("by you: a new image").wait_for()
    assert desk.get_by_role("button", name="Install on 8 hosts").count() == 0


def test_the_same_without_javascript(site, page, operator):
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    plain.set_default_timeout(TIMEOUT)
    sign_in(plain, site, operator)
    plain.goto(f"{site.url}/hosts/")
    journey(plain)
    assert Campaign.objects.count() == 1


def test_the_button_names_how_many_are_chosen(desk):
    desk.get_by_label("Choose host-001").check()
    desk.get_by_label("Choose host-002").check()
    desk.get_by_role("button", name="Act on 2 hosts").wait_for()
    desk.get_by_label("Choose host-002").uncheck()
    desk.get_by_role("button", name="Act on 1 host").wait_for()
    desk.get_by_label("All 64 that match").check()
    desk.get_by_role("button", name="Act on 64 hosts").wait_for()


def review(page, site, hosts, verb):
    """Open the review of an act on these hosts."""
    page.goto(f"{site.url}/hosts/?" + "&".join(f"host={h.name}" for h in hosts))
    page.get_by_role("button", name=re.compile("Act on")).click()
    page.get_by_role("button", name=verb).click()
    page.get_by_label("Reason").fill("to see it")
    if len(hosts) > 1:
        page.get_by_label("Number of hosts, to confirm").fill(str(len(hosts)))


def test_a_double_press_is_one_act(desk, site, hosts):
    review(desk, site, hosts[:2], "Hold (debug) 2")
    desk.get_by_role("button", name="Hold (debug) on 2 hosts").dblclick()
    desk.get_by_text("by you: to see it").wait_for()
    assert Hold.objects.count() == 2
    desk.reload()
    desk.go_back()
    desk.get_by_role("button", name="Undo: lift 2 holds").or_(desk.get_by_label("Reason")).first.wait_for()
    assert Hold.objects.count() == 2


def test_a_host_that_changed_voids_it_and_a_new_one_is_one_press_away(desk, site, hosts):
    review(desk, site, hosts[-2:], "Validate 2")
    lifecycle.move("host", [hosts[-1].pk], to="installed", actor=make.actor(), reason="it is well")
    desk.get_by_role("button", name="Validate on 2 hosts").click()
    desk.get_by_role("heading", name="This review is void: 1 host changed").wait_for()
    desk.get_by_text("host-064 was quarantined, is installed").first.wait_for()
    desk.get_by_role("button", name="Make a new review of the same selection").click()
    desk.get_by_text("Nothing has happened yet").wait_for()
    assert desk.get_by_label("Reason").input_value() == "to see it"
    desk.get_by_label("Number of hosts, to confirm").fill("2")
    desk.get_by_role("button", name="Validate on 2 hosts").click()
    desk.get_by_role("link", name="host-064").first.wait_for()
    assert Operation.objects.filter(kind="validate").count() == 2


def test_an_expired_sign_in_loses_nothing(desk, site, hosts, operator):
    review(desk, site, hosts[-1:], "Power: restart 1")
    desk.get_by_label("Number of hosts, to confirm").fill("1")
    desk.context.clear_cookies(name="sessionid")
    desk.get_by_role("button", name="Power: restart on 1 host").click()
    type_in(desk, operator)
    desk.get_by_role("heading", name="Review: Power: restart on 1 host").wait_for()
    assert desk.get_by_label("Reason").input_value() == "to see it"
    desk.get_by_role("button", name="Power: restart on 1 host").click()
    desk.get_by_role("heading", name=re.compile("Power")).wait_for()
    assert Operation.objects.filter(kind="power", reason="to see it").count() == 1


def test_ten_presses_at_once_are_one_act(real_db, hosts):
    user = people.person("operator")
    make.actor("O", user.username)
    client = people.Client()
    client.force_login(user)
    form = {"key": "0123456789abcdef", "verb": "operate.validate", "host": hosts[-1].name}
    address = client.post("/act/", form)["Location"]
    found = []

    def press():
        one = people.Client()
        one.force_login(user)
        found.append(one.post(f"{address}do/", {"reason": "all at once"})["Location"])

    presses = [threading.Thread(target=press) for _ in range(10)]
    for one in presses:
        one.start()
    for one in presses:
        one.join()
    assert len(found) == 10 and set(found) == {f"/operations/{Operation.objects.get(kind='validate').pk}/"}


def test_each_page_is_accessible_within_its_width_and_budget(desk, site, hosts):
    chosen = [h.name for h in hosts[-8:]]
    client = people.signed_in("operator")
    client.force_login(people.User.objects.get(username=desk_name()))
    addresses = [
        "/hosts/",
        "/hosts/?group=cause",
        "/hosts/?state=quarantined&rack=B07",
        "/hosts/?rack=A99&state=quarantined",
    ]
    for n, verb in enumerate(("", "operate.install", "hold.debug", "move.repair_hands")):
        form = {"key": f"0123456789abcde{n}", "verb": verb, "host": chosen}
        addresses.append(client.post("/act/", form)["Location"])
    for address in addresses[-2:]:
        client.post(f"{address}do/", {"reason": "to see it", "number": "8"})
    for scheme in ("light", "dark"):
        for width in (1440, 390, 320):
            desk.emulate_media(color_scheme=scheme)
            desk.set_viewport_size({"width": width, "height": 800})
            for address in addresses:
                answer = desk.goto(f"{site.url}{address}")
                found = Axe().run(desk).response["violations"]
                assert not found, [(address, v["id"], [n["target"] for n in v["nodes"]]) for v in found]
                assert desk.evaluate("document.documentElement.scrollWidth") <= width, (address, width)
                assert desk.evaluate("document.querySelectorAll('*').length") < 3000, address
                assert answer.status == 200


def desk_name():
    """The name of who is signed in at the desk: the only person with a password of their own."""
    return people.User.objects.exclude(password="").exclude(password__startswith="!").earliest("id").username
