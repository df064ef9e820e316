"""A bench for turns without a worker, and the kind `rehearsal`."""

import pytest
from django.test import override_settings

from tests.provisioning.engine.turns import Bench, Script, rehearsal


@pytest.fixture
def bench(db, monkeypatch) -> Bench:
    """Turns in the test's own transaction; steps run in a loop of the test's thread, which Django must allow."""
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    return Bench()


@pytest.fixture
def kind(monkeypatch):
    """kind(script, ...) makes `rehearsal` a kind of operation."""

    def use(script: Script | None = None, **columns) -> Script:
        return rehearsal(monkeypatch, script or Script(), **columns)

    return use


@pytest.fixture
def settings_of():
    """settings_of(TIME_SCALE=60): other settings until the end of the test."""
    changed = []

    def use(**values) -> None:
        changed.append(override_settings(**values))
        changed[-1].enable()

    yield use
    for one in reversed(changed):
        one.disable()
