"""All endpoints and pages of the running configuration, so that a test over all of them forgets none."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern


@dataclass(frozen=True)
class Endpoint:
    """One endpoint: path below /api/v1 with its parameters in braces, and the act that its guard demands."""

    method: str
    path: str
    act: str
    operation: Any

    def __str__(self) -> str:
        return f"{self.method} {self.path}"

    def at(self, id: object = 1) -> str:
        """Its path with this id."""
        return self.path.replace("{id}", str(id)).replace("{file}", "devices.csv")


def endpoints() -> list[Endpoint]:
    """Every endpoint of the API, from its own routers."""
    from deploy.urls import api

    return [
        Endpoint(method, path, operation.auth_callbacks[0].act, operation)
        for router in api._get_bound_routers()
        for path, view in router.path_operations.items()
        for operation in view.operations
        for method in operation.methods
    ]


@dataclass(frozen=True)
class Page:
    """One page or form: its address with its parameters as Django writes them, and the act that its guard demands."""

    name: str
    route: str
    act: str

    def __str__(self) -> str:
        return self.name


OPEN = ("sign_in", "sign_out", "help")


def pages() -> Iterator[Page]:
    """Every page and form but those that need no sign-in, from the URL table."""
    from deploy.urls import urlpatterns

    for pattern in urlpatterns:
        if isinstance(pattern, URLPattern) and pattern.name not in OPEN:
            yield Page(str(pattern.name), f"/{pattern.pattern._route}", pattern.callback.act)  # type: ignore[attr-defined]


def filled(route: str, **values: Any) -> str:
    """A page's address with these values for its parameters."""
    return re.sub(r"<\w+:(\w+)>", lambda found: str(values[found[1]]), route)
