"""The pages in Chromium: accessible, within the window, live, and of use without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from provisioning.models import Operation
from tests.support import scene

PHONE, DESK = 390, 1440


@pytest.fixture
def stage(real_db):
    """Something of every kind to show, and somebody who may act."""
    return scene.build()


def sign_in(page, site, stage):
    page.goto(f"{site.url}/sign-in/")
    page.get_by_label("Name").fill(stage.name)
    page.get_by_label("Password").fill(scene.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Now").wait_for()


def check(page, site, path):
    """No axe violation, nothing beyond the window's width."""
    page.goto(f"{site.url}{path}")
    found = Axe().run(page).response["violations"]
    assert not found, [(path, v["id"], [n["target"] for n in v["nodes"]]) for v in found]
    width = page.evaluate("document.documentElement.scrollWidth")
    assert width <= page.viewport_size["width"], (path, width)


def test_pages_are_accessible_in_light_and_dark_at_desk_and_on_phone(stage, site, page):
    check(page, site, "/sign-in/")
    sign_in(page, site, stage)
    for scheme in ("light", "dark"):
        for width in (DESK, PHONE):
            page.emulate_media(color_scheme=scheme)
            page.set_viewport_size({"width": width, "height": 800})
            for path in stage.paths().values():
                check(page, site, path)


def test_what_changes_is_seen_and_what_is_typed_stays(stage, site, page):
    sign_in(page, site, stage)
    page.get_by_text("the BMC").wait_for()
    page.goto(f"{site.url}/operations/{stage.operation.pk}/")
    page.get_by_label("Reason").fill("half typed")
    Operation.objects.filter(pk=stage.operation.pk).update(waits_for="the ramdisk")
    page.locator("dd", has_text="the ramdisk").first.wait_for(timeout=60_000)
    assert page.get_by_label("Reason").input_value() == "half typed"
    page.get_by_role("button", name="Cancel safely").click()
    page.locator("#live").wait_for()
    assert Operation.objects.get(pk=stage.operation.pk).cancel_reason == "half typed"


def test_it_works_without_javascript(stage, site, page):
    plain = page.context.browser.new_context(java_script_enabled=False).new_page()
    sign_in(plain, site, stage)
    plain.get_by_role("link", name="Hosts", exact=True).click()
    plain.get_by_label("State").select_option("cabled")
    plain.get_by_role("button", name="Show").click()
    plain.get_by_text("16 of 46 hosts").wait_for()
    plain.goto(f"{site.url}/hosts/{stage.host.name}/")
    plain.get_by_role("button", name="Lift this hold").click()
    plain.get_by_label("Operation", exact=True).select_option("Identify")
    plain.get_by_role("button", name="Review it").click()
    plain.get_by_label("Reason").fill("the GPU is back")
    plain.get_by_role("button", name="Identify on 1 host").click()
    plain.get_by_role("heading", name="Identify").wait_for()
    assert Operation.objects.filter(device=stage.host, reason="the GPU is back").count() == 1
    plain.get_by_role("button", name="Sign out").click()
    plain.get_by_role("heading", name="Sign in").wait_for()
