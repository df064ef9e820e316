"""The locked dependencies: hashes everywhere, no registry's name, and one set of versions."""

import re
from pathlib import Path

import pytest

from deploy.place import CHECKOUT

LOCKS = ("lock.txt", "lock-test.txt")


def pins(name: str) -> dict[str, str]:
    """Requirement line without its hashes, to its hashes."""
    text = (CHECKOUT / "deploy" / name).read_text()
    found = re.findall(r"^(\S+==\S+(?: ; [^\\\n]+?)?) ?\\?\n((?:    --hash=sha256:[0-9a-f]{64} ?\\?\n)*)", text, re.M)
    return dict(found)


@pytest.mark.parametrize("name", LOCKS)
def test_every_pin_has_hashes_and_no_host_is_named(name: str) -> None:
    text = (CHECKOUT / "deploy" / name).read_text()
    assert pins(name) and all(pins(name).values())
    assert "://" not in text and "index" not in text.replace("sphinx", "")


def test_the_test_lock_holds_the_demo_lock() -> None:
    """deploy/setup.sh relies on it: an environment made for the tests also runs the demo."""
    assert pins("lock.txt").items() <= pins("lock-test.txt").items()


def test_every_dependency_is_locked() -> None:
    locked = {requirement.split("==")[0] for requirement in pins("lock-test.txt")}
    text = Path(CHECKOUT / "pyproject.toml").read_text()
    asked = {word.lower() for word in re.findall(r'^  "([A-Za-z0-9-]+)[^"]*",$', text.split("[tool.")[0], re.M)}
    assert asked and asked <= locked
