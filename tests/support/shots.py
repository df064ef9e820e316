"""`make shots`: a picture of each page in light and dark, at a desk and on a phone, in .run/shots."""

import sys
import tempfile
from pathlib import Path

from django.test.utils import setup_test_environment

import tests.conftest  # noqa: F401  (sets Django up on this run's own servers)
from deploy.place import CHECKOUT
from tests.support import database, scene, servers, web

FOLDER = CHECKOUT / ".run" / "shots"
WIDTHS = {"desk": 1440, "phone": 390}


def main() -> int:
    """Take them all, and say where they are."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    setup_test_environment()
    servers.start()
    try:
        with tempfile.TemporaryDirectory() as logs, database.real(Path(logs)) as fresh:
            site, stage = web.serve(fresh), scene.build()
            with web.browsing() as page:
                _sign_in(page, site.url, stage)
                for scheme in ("light", "dark"):
                    for place, width in WIDTHS.items():
                        page.emulate_media(color_scheme=scheme)
                        page.set_viewport_size({"width": width, "height": 900})
                        for name, path in stage.paths().items():
                            page.goto(f"{site.url}{path}")
                            page.screenshot(path=FOLDER / f"{name}-{scheme}-{place}.png", full_page=True)
    finally:
        servers.stop()
    print(f"{len(list(FOLDER.glob('*.png')))} pictures in {FOLDER}")
    return 0


def _sign_in(page: "web.Page", url: str, stage: scene.Scene) -> None:
    page.goto(f"{url}/sign-in/")
    page.get_by_label("Name").fill(stage.name)
    page.get_by_label("Password").fill(scene.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("heading", name="Now").wait_for()


if __name__ == "__main__":
    sys.exit(main())
