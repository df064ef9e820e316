"""The pages in Chromium: accessible, within the window, live, and of use without JavaScript."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from provisioning.models import Operation
from tests.support import scene

DESK, PHONE, SMALL = 1440, 390, 320
MOST_REQUESTS = 4
WCAG = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}


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


def wrongs(page, site, path):
    """Axe violations, what is beyond the window's width, what the console says."""
    said = []
    page.on("console", hear := lambda message: said.append(message.text) if message.type == "error" else None)
    page.goto(f"{site.url}{path}")
    at = (path, page.viewport_size["width"])
    found = [
        (*at, v["id"], [n["target"] for n in v["nodes"]][:3])
        for v in Axe().run(page, options=WCAG).response["violations"]
    ]
    width = page.evaluate("document.documentElement.scrollWidth")
    page.remove_listener("console", hear)
    if width > page.viewport_size["width"]:
        found.append((*at, "scrolls sideways", width))
    # A page that says that nothing is here, or that a filter cannot be, is an answer of its own status.
    return found + [(*at, "console", text) for text in said if "status of 4" not in text]


@pytest.mark.parametrize("width", [DESK, PHONE, SMALL])
def test_every_page_can_be_read_by_everybody(stage, site, page, width):
    page.set_viewport_size({"width": width, "height": 800})
    found = wrongs(page, site, "/sign-in/")
    sign_in(page, site, stage)
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for path in stage.paths().values():
            found += wrongs(page, site, path)
    assert not found


def test_the_first_view_asks_for_four_things_at_most_and_all_of_them_here(stage, site, page):
    sign_in(page, site, stage)
    for path in stage.paths().values():
        fresh = page.context.browser.new_context(storage_state=page.context.storage_state()).new_page()
        asked = []
        fresh.on("request", lambda one, asked=asked: asked.append(one.url) if one.redirected_from is None else None)
        fresh.goto(f"{site.url}{path}")
        fresh.wait_for_load_state("load")
        fresh.context.close()
        ours = [url for url in asked if not url.startswith("data:")]
        assert all(url.startswith(site.url) for url in ours), ours
        assert len([url for url in ours if not url.endswith("muster.svg")]) <= MOST_REQUESTS, ours


def test_keys_go_where_help_says_unless_they_are_switched_off(stage, site, page):
    sign_in(page, site, stage)
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "find"
    page.keyboard.type("host-bad")
    page.keyboard.press("Enter")
    page.wait_for_url("**/hosts/host-bad/")
    page.keyboard.press("?")
    page.wait_for_url("**/help/")
    page.goto(f"{site.url}/hosts/")
    page.keyboard.press("j")
    page.keyboard.press("j")
    second = page.locator("tbody tr").nth(1)
    assert "here" in second.get_attribute("class")
    page.keyboard.press("k")
    assert "here" in page.locator("tbody tr").nth(0).get_attribute("class")
    page.goto(f"{site.url}/me/")
    page.get_by_label("dark").check()
    page.get_by_label("Single letters are keys").uncheck()
    page.get_by_role("button", name="Keep").click()
    page.get_by_text("Kept.").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark"
    page.keyboard.press("?")
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") != "find" and page.url.endswith("/me/")
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    assert page.locator("html").get_attribute("data-theme") == "dark", "who is not signed in yet has it by a cookie"


def test_nothing_moves_under_the_pointer(stage, site, page):
    from fleet import findings
    from fleet.findings import Found

    sign_in(page, site, stage)
    page.locator("#needs").hover()
    before = page.locator("#needs > li:visible").count()
    findings.open([Found("inventory", "fan_gone", "critical", "fan 3 stands still", device=stage.operation.device_id)])
    button = page.get_by_role("button", name="1 new, show")
    button.wait_for(timeout=90_000)
    assert page.locator("#needs > li:visible").count() == before
    button.click()
    page.get_by_text("fan 3 stands still").wait_for()
    assert page.locator("#needs > li:visible").count() == before + 1


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
