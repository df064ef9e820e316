"""Each role against each endpoint: who may gets past the guard, everybody else is told who may."""

import json

import pytest
from django.test import Client

from fleet.http.rights import ACTS
from fleet.management.commands.openapi import document
from fleet.models import GRANTABLE, Hold, Site, Token, Transition
from tests.support import make, people, routes

ENDPOINTS = routes.endpoints()


def call(program, endpoint):
    return program.send(endpoint.method, endpoint.at(), {})


@pytest.mark.parametrize("role", GRANTABLE)
@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_role(db, endpoint, role):
    answer = call(people.program(role), endpoint)
    if role in ACTS[endpoint.act].roles:
        assert answer.status_code in (200, 404, 422)
    else:
        assert answer.status_code == 403
        assert answer.json()["expected"] == "role " + " or ".join(ACTS[endpoint.act].roles)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=str)
def test_nobody(db, endpoint):
    answer = call(people.Program("not-a-token", Client()), endpoint)
    assert answer.status_code == 401


def test_reading_is_for_everybody_and_acting_is_not():
    """Of what is read, only tokens are not for everybody."""
    for endpoint in ENDPOINTS:
        is_open = endpoint.method == "GET" and not endpoint.path.startswith("/tokens")
        assert (endpoint.act == "read") == is_open, endpoint


def test_every_endpoint_of_the_document_has_a_rule_and_no_rule_is_for_nothing():
    """A new endpoint is in the matrix above by itself; one without a guard cannot be."""
    paths = json.loads(document())["paths"]
    said = {f"{method.upper()} {path.removeprefix('/api/v1')}" for path, ways in paths.items() for method in ways}
    assert said == {str(e) for e in ENDPOINTS}
    assert {e.act for e in ENDPOINTS} <= set(ACTS)


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.act != "read"], ids=str)
def test_a_role_at_another_site_is_no_role_here(db, endpoint):
    """Whoever may it elsewhere sees nothing of this site: a refusal, and nothing that was done."""
    host = make.host("quarantined")
    operation = make.operation("inspect", make.host("cabled"), state="failed")
    elsewhere = Site.objects.create(name="site-2")
    program = people.program(ACTS[endpoint.act].roles[-1], site=elsewhere, owner=people.person("admin"))
    before = Transition.objects.count(), Hold.objects.count(), Token.objects.count()
    bodies = {"/transitions": {"host": host.name, "to": "cabled"}, "/tokens": {"name": "x", "role": "admin", "days": 1}}
    bodies["/operations"] = {"kind": "inspect", "host": host.name}
    bodies["/campaigns"] = {"kind": "bring_up", "select": {"hosts": [host.name]}}
    ids = {"hosts": host.pk, "operations": operation.pk}
    path = endpoint.at(ids.get(endpoint.path.split("/")[1], 1))
    body = {"reason": "look at it", **bodies.get(path, {})}
    if path.endswith("/holds"):
        body["kind"] = "debug"
    if path == "/tokens":
        body.pop("reason")
    answer = program.send(endpoint.method, path, body)
    if endpoint.method != "GET":
        assert answer.status_code in (403, 404, 409, 422), answer.content
    assert before == (Transition.objects.count(), Hold.objects.count(), Token.objects.count())
