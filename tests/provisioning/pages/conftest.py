"""Pages may not ask the database in a template: zeal raises on a relation that a request loads one by one."""

from collections.abc import Iterator

import pytest
from django.conf import settings
from django.test import override_settings
from zeal.constants import initialize_app_registry
from zeal.patch import patch

# An act looks up who does what: the person, and the engine for what follows. No page shows that.
_ACTORS = [{"model": "fleet.Actor", "field": "get()"}]


@pytest.fixture(scope="session")
def _patched() -> None:
    initialize_app_registry()
    patch()


@pytest.fixture(autouse=True)
def _no_lazy_relations(_patched: None) -> Iterator[None]:
    middleware = ["zeal.middleware.zeal_middleware", *settings.MIDDLEWARE]
    with override_settings(MIDDLEWARE=middleware, ZEAL_RAISE=True, ZEAL_ALLOWLIST=_ACTORS):
        yield
