"""The document of the API: checked in as it is served, and complete."""

import json
from pathlib import Path

import pytest

from fleet.management.commands.openapi import document
from tests.support import routes

FILE = Path(__file__).parents[3] / "docs" / "openapi.json"
ENDPOINTS = routes.endpoints()


def test_the_checked_in_document_is_the_one_that_is_served():
    assert FILE.read_text() == document(), "run `make openapi` and look at the difference"


def test_it_is_served_to_everybody(client):
    assert client.get("/api/v1/openapi.json").json() == json.loads(FILE.read_text())


def test_it_is_openapi_3_1_and_refusals_have_their_media_type():
    served = json.loads(document())
    assert served["openapi"].startswith("3.1")
    for path, methods in served["paths"].items():
        for method, details in methods.items():
            assert details["security"] == [{"Bearer": []}], (path, method)
            for status, answer in details["responses"].items():
                usual = "text/csv" if path.endswith("{file}") else "application/json"
                assert list(answer["content"]) == ["application/problem+json" if int(status) >= 400 else usual]
            assert {"400", "401", "403", "404", "422"} <= set(details["responses"])


@pytest.mark.parametrize("endpoint", [e for e in ENDPOINTS if e.method == "POST"], ids=str)
def test_every_post_asks_for_a_key(endpoint):
    assert endpoint.operation.view_func.__wrapped__.is_idempotent
    parameters = json.loads(document())["paths"][f"/api/v1{endpoint.path}"]["post"]["parameters"]
    assert "Idempotency-Key" in [p["name"] for p in parameters if p["in"] == "header"]


def test_every_endpoint_says_in_words_what_it_does():
    for path, methods in json.loads(document())["paths"].items():
        for method, details in methods.items():
            assert details["description"].endswith("."), (path, method)
