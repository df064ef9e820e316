"""Each role against each endpoint: who may gets past the guard, everybody else is told who may."""

import pytest
from django.test import Client

from fleet.http.rights import ACTS
from fleet.models import GRANTABLE
from tests.support import people, routes

ENDPOINTS = routes.endpoints()


def call(program, endpoint):
    path = endpoint.path.replace("{id}", "1").replace("{file}", "devices.csv")
    return program.get(path) if endpoint.method == "GET" else program.post(path, {})


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
    for endpoint in ENDPOINTS:
        assert (endpoint.act == "read") == (endpoint.method == "GET"), endpoint
