"""People and programs for tests: a sign-in or a token in a role, and an API client that speaks JSON."""

import json
from dataclasses import dataclass
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from fleet import access
from fleet.models import Grant, Site

_numbers = count(1)


def person(*roles: str, site: Site | None = None) -> User:
    """Somebody with these roles, at one site or at all."""
    user = User.objects.create(username=f"person-{next(_numbers)}")
    for role in roles:
        Grant.objects.create(user=user, role=role, site=site)
    return user


def signed_in(*roles: str, site: Site | None = None) -> Client:
    """A browser in which somebody with these roles is signed in."""
    client = Client()
    client.force_login(person(*roles, site=site))
    return client


@dataclass
class Program:
    """A program that calls the API with a token. Each POST has a key of its own unless one is given."""

    token: str
    client: Client

    def get(self, path: str, **query: Any) -> HttpResponse:
        """GET below /api/v1."""
        return self.client.get(f"/api/v1{path}", query, HTTP_AUTHORIZATION=f"Bearer {self.token}")

    def send(self, method: str, path: str, body: Any = None) -> HttpResponse:
        """A request of any method; the body goes with a POST or PATCH."""
        if method in ("POST", "PATCH"):
            return {"POST": self.post, "PATCH": self.patch}[method](path, body)
        return {"GET": self.get, "DELETE": self.delete}[method](path)

    def patch(self, path: str, body: Any) -> HttpResponse:
        """PATCH of JSON below /api/v1."""
        kind = "application/json"
        return self.client.patch(f"/api/v1{path}", body, kind, HTTP_AUTHORIZATION=f"Bearer {self.token}")

    def delete(self, path: str) -> HttpResponse:
        """DELETE below /api/v1."""
        return self.client.delete(f"/api/v1{path}", HTTP_AUTHORIZATION=f"Bearer {self.token}")

    def post(self, path: str, body: Any = None, *, key: str | None = None) -> HttpResponse:
        """POST of JSON below /api/v1; text or bytes are sent as they are, key '' sends none."""
        sent = body if isinstance(body, str | bytes) else json.dumps(body if body is not None else {})
        key = f"test-key-{next(_numbers)}" if key is None else key
        headers = {"HTTP_AUTHORIZATION": f"Bearer {self.token}", **({"HTTP_IDEMPOTENCY_KEY": key} if key else {})}
        return self.client.post(f"/api/v1{path}", sent, content_type="application/json", **headers)


def program(role: str = "operator", *, site: Site | None = None, owner: User | None = None) -> Program:
    """A program in this role; a person of its own unless somebody owns its token."""
    name = f"program-{next(_numbers)}"
    place = site.name if site else None
    _, token = access.create_token(name=name, role=role, days=1, site=place, owner=owner.pk if owner else None)
    return Program(token, Client(raise_request_exception=False))
