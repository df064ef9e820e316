"""The pages in Chromium: accessible, within the window, live, and of use without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone

from fleet import holds
from fleet.models import Evidence, Finding
from provisioning.models import Operation, Step
from tests.support import make, people

PASSWORD = "long enough for anyone"
PHONE, DESK = 390, 1440


@pytest.fixture
def fleet(real_db):
    """A small fleet with something of every kind to show, and somebody who may act."""
    host = make.host("quarantined", name="host-bad", cause="part_missing", health="critical")
    seen = Evidence.objects.create(at=timezone.now(), kind="inventory", device_id=host.pk, words="GPU 4 is gone")
    words = {"domain": "inventory", "kind": "part_missing", "severity": "critical", "words": "GPU 4 is gone"}
    Finding.objects.create(stable_id="x", device=host, evidence=[seen.pk], **words)
    holds.place(device_id=host.pk, kind="hands", reason="swap the GPU", actor=make.actor())
    make.hosts(12, "cabled")
    body = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "bring them up"}
    campaign = people.program().post("/campaigns", body).json()
    operation = make.operation("inspect", make.host("discovered"), state="active", waits_for="the BMC")
    now, common = timezone.now(), {"operation": operation, "fence": 1, "name": "check"}
    Step.objects.create(**common, n=0, attempt=1, started_at=now, ended_at=now, outcome="retry", words="no answer")
    user = people.person("operator")
    user.set_password(PASSWORD)
    user.save()
    return {"name": user.username, "host": host, "campaign": campaign["id"], "operation": operation}


def sign_in(page, site, fleet):
    page.goto(f"{site.url}/sign-in/")
    page.get_by_label("Name").fill(fleet["name"])
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Now").wait_for()


def check(page, site, path):
    """No axe violation, nothing beyond the window's width."""
    page.goto(f"{site.url}{path}")
    found = Axe().run(page).response["violations"]
    assert not found, [(path, v["id"], [n["target"] for n in v["nodes"]]) for v in found]
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], (path, width)


def test_pages_are_accessible_in_light_and_dark_at_desk_and_on_phone(fleet, site, page):
    check(page, site, "/sign-in/")
    sign_in(page, site, fleet)
    paths = (
        *("/", "/hosts/", "/hosts/host-bad/", "/campaigns/?state=cabled", "/hosts/?state=happy", "/nothing"),
        *(f"/operations/{fleet['operation'].pk}/", f"/campaigns/{fleet['campaign']}/"),
    )
    for scheme in ("light", "dark"):
        for width in (DESK, PHONE):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            for path in paths:
                check(page, site, path)


def test_what_changes_is_seen_and_what_is_typed_stays(fleet, site, page):
    sign_in(page, site, fleet)
    page.get_by_text("the BMC").wait_for()
    page.goto(f"{site.url}/operations/{fleet['operation'].pk}/")
    page.get_by_label("Reason").fill("half typed")
    Operation.objects.filter(pk=fleet["operation"].pk).update(waits_for="the ramdisk")
    page.locator("dd", has_text="the ramdisk").first.wait_for(timeout=60_000)
    assert page.get_by_label("Reason").input_value() == "half typed"
    page.get_by_role("button", name="Cancel safely").click()
    page.locator("#live").wait_for()
    assert Operation.objects.get(pk=fleet["operation"].pk).cancel_reason == "half typed"


def test_it_works_without_javascript(fleet, site, page):
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    sign_in(plain, site, fleet)
    plain.get_by_role("link", name="Hosts", exact=True).click()
    plain.get_by_label("State").select_option("cabled")
    plain.get_by_role("button", name="Show").click()
    plain.get_by_text("12 of 14 hosts").wait_for()
    plain.goto(f"{site.url}/hosts/host-bad/")
    plain.get_by_role("button", name="Lift this hold").click()
    plain.get_by_label("Operation", exact=True).select_option("identify")
    plain.get_by_role("region", name="Start an operation").get_by_label("Reason").fill("the GPU is back")
    plain.get_by_role("button", name="Start on host-bad").click()
    plain.get_by_role("heading", name="Identify").wait_for()
    assert Operation.objects.filter(device=fleet["host"], reason="the GPU is back").count() == 1
    plain.get_by_role("button", name="Sign out").click()
    plain.get_by_role("heading", name="Sign in").wait_for()
