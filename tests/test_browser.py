"""A real browser sees the real web: the fixtures `site` and `page`, and that nothing answers without a sign-in."""

from typing import TYPE_CHECKING

from tests.support.web import Site

if TYPE_CHECKING:
    from playwright.sync_api import Page


def test_a_browser_is_sent_to_the_sign_in_page(site: Site, page: "Page") -> None:
    answer = page.goto(site.url)
    assert answer is not None
    assert answer.status == 200
    assert page.url.startswith(f"{site.url}/sign-in/")
    assert page.get_by_label("Password").is_visible()
