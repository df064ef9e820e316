"""Every refusal is problem JSON with words, or a page with the same words; no input is a 500."""

import json

import pytest
from django.test import Client, RequestFactory

from fleet.http import handlers
from fleet.http.problem import Problems
from provisioning.models import Operation
from tests.support import make, people, routes

HUGE = 2**63
ENDPOINTS = routes.endpoints()
GETS = [e for e in ENDPOINTS if e.method == "GET"]
POSTS = [e for e in ENDPOINTS if e.method == "POST"]
WITHOUT_BODY = ("/holds/{id}/lift", "/acts/{id}/confirm", "/rules/{id}/test")
BY_NAME = ("/hosts/{id}", "/devices/{id}", "/cables/{id}", "/acts/{id}", "/acts/{id}/confirm")
WITH_ID = [e for e in ENDPOINTS if "{id}" in e.path]


def is_problem(answer, status):
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["code"]
    return body


def send(program, endpoint, id="1", body=None):
    return program.send(endpoint.method, endpoint.at(id), body)


@pytest.mark.parametrize("endpoint", GETS, ids=str)
def test_a_filter_that_does_not_exist_is_422(db, endpoint):
    body = is_problem(people.program("admin").get(endpoint.at(), nonsense="1"), 422)
    assert body["field"] == "nonsense"


@pytest.mark.parametrize("path", ["/hosts", "/operations", "/campaigns", "/transitions", "/findings"])
def test_a_filter_given_twice_is_422(db, path):
    is_problem(people.program("viewer").get(path, limit=["1", "2"]), 422)


@pytest.mark.parametrize("id", [0, -1, HUGE, 10**40, "x", "1.5"])
@pytest.mark.parametrize("endpoint", [e for e in WITH_ID if e.path not in BY_NAME], ids=str)
def test_an_id_that_cannot_be_is_422(db, endpoint, id):
    is_problem(send(people.program("admin"), endpoint, id, {"reason": "try it"}), 422)


@pytest.mark.parametrize("endpoint", WITH_ID, ids=str)
def test_an_id_that_is_not_there_is_404(db, endpoint):
    bodies = {
        "/operations/{id}/found": {"reason": "try it", "outcome": "failed"},
        "/hosts/{id}/holds": {"reason": "try it", "kind": "debug"},
        "/rules/{id}": {"name": "a rule"},
    }
    body = bodies.get(endpoint.path, None if endpoint.path in WITHOUT_BODY else {"reason": "try it"})
    is_problem(send(people.program("admin"), endpoint, HUGE - 1, body), 404)


@pytest.mark.parametrize("body", ["", "{", "[]", "null", "1", '{"a": NaN}', "[" * 5000, b"\xff\xfe", '"\\ud800"'])
@pytest.mark.parametrize("endpoint", POSTS, ids=str)
def test_a_body_that_is_not_what_it_should_be_is_refused(db, endpoint, body):
    answer = send(people.program("admin"), endpoint, 1, body)
    assert answer.status_code in (400, 404, 409, 422)
    is_problem(answer, answer.status_code)


@pytest.mark.parametrize("endpoint", [e for e in POSTS if e.path not in WITHOUT_BODY], ids=str)
def test_a_field_that_does_not_exist_is_422(db, endpoint):
    body = is_problem(send(people.program("admin"), endpoint, 1, {"nonsense": 1}), 422)
    assert "nonsense" in [e["field"] for e in body["errors"]]


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "identify", "host": "a\0b", "reason": "try it"},
        {"kind": "a\0b", "host": "host", "reason": "try it"},
        {"kind": "identify", "host": "host", "reason": "a\0b c"},
        {"kind": "identify", "host": "host", "reason": "\ud800 try it"},
        {"kind": "power", "host": "host", "reason": "try it", "params": {"action": "a\0b"}},
        {"kind": "power", "host": "host", "reason": "try it", "params": {"a\0b": "on"}},
        {"kind": "power", "host": "host", "reason": "try it", "params": {"action": ["on"]}},
        {"kind": "power", "host": "host", "reason": "try it", "params": {"action": {"on": 1}}},
        {"kind": "power", "host": "host", "reason": "try it", "params": {"action": 10**30}},
        {"kind": "identify", "host": HUGE, "reason": "try it"},
        {"kind": "identify", "host": True, "reason": "try it"},
        {"kind": "identify", "hosts": [], "reason": "try it"},
        {"kind": "identify", "hosts": [HUGE], "reason": "try it"},
        {"kind": "identify", "select": {"state": "a\0b"}, "reason": "try it"},
        {"kind": "identify", "select": {"state": ["cabled"]}, "reason": "try it"},
        {"kind": "identify", "select": {}, "reason": "try it"},
        {"kind": "identify", "reason": "try it"},
        {"kind": "identify", "host": "host", "hosts": ["host"], "reason": "try it"},
        {"kind": "identify", "host": "host", "reason": "  "},
        {"kind": "identify", "host": "host", "reason": "x" * 501},
        {"kind": "identify", "host": "host"},
        {"kind": "fly", "host": "host", "reason": "try it"},
        {"kind": ["identify"], "host": "host", "reason": "try it"},
        {"kind": "validate", "host": "host", "reason": "try it", "params": {"into_service": 1}},
    ],
)
def test_operations_that_cannot_be_asked_for_are_422_and_start_nothing(db, body):
    make.host("cabled", name="host")
    is_problem(people.program("admin").post("/operations", body), 422)
    assert not Operation.objects.exists()


@pytest.mark.parametrize("path", ["/hosts", "/findings", "/operations", "/transitions"])
def test_nul_in_a_filter_is_422(db, path):
    name = {"/hosts": "q", "/findings": "host", "/operations": "host", "/transitions": "subject_kind"}[path]
    assert is_problem(people.program("viewer").get(path, **{name: "a\0b"}), 422)["field"] == name


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_a_method_that_is_not_possible_is_405(db, method):
    answer = getattr(Client(), method)("/api/v1/hosts")
    is_problem(answer, 405)
    assert answer["Allow"] == "GET"
    answer = getattr(people.signed_in("viewer"), method)("/hosts/")
    assert answer.status_code == 405
    assert "is not possible here" in answer.content.decode()


def test_an_address_that_does_not_exist_is_404(db, client):
    is_problem(client.get("/api/v1/nothing"), 404)
    answer = people.signed_in("viewer").get("/nothing")
    assert answer.status_code == 404
    assert "There is nothing at /nothing" in answer.content.decode()
    assert "Sign out" in answer.content.decode()


def test_a_body_that_is_too_big_is_413(db):
    is_problem(people.program().post("/campaigns", "x" * 2_700_000), 413)


@pytest.mark.parametrize("path", ["/hosts/a%00b/", "/api/v1/hosts/%00", "/%00"])
def test_nul_in_an_address_is_400(db, path):
    assert people.signed_in("viewer").get(path).status_code == 400


def test_a_form_that_is_too_big_is_400(db):
    make.host(name="host-001")
    answer = people.signed_in("operator").post("/hosts/host-001/hold/", {"reason": "x" * 2_700_000})
    assert answer.status_code == 400
    assert "cannot be read" in answer.content.decode()


def test_a_bug_is_a_500_with_a_number_and_nothing_of_it_shows():
    answer = Problems(lambda request: None).process_exception(RequestFactory().get("/api/v1/x"), ValueError("secret"))
    body = json.loads(answer.content)
    assert answer.status_code == 500
    assert "number" in body["title"]
    assert "secret" not in answer.content.decode()


@pytest.mark.parametrize("path", ["/x", "/api/v1/x"])
@pytest.mark.parametrize(
    ("handler", "status"), [(handlers.bad_request, 400), (handlers.no_permission, 403), (handlers.not_found, 404)]
)
def test_what_the_framework_refuses_has_our_words(handler, status, path):
    answer = handler(RequestFactory().get(path), ValueError())
    assert answer.status_code == status
    assert (answer["Content-Type"] == "application/problem+json") == path.startswith("/api")


@pytest.mark.parametrize("path", ["/x", "/api/v1/x"])
def test_a_failure_outside_of_views_needs_nothing(path):
    answer = handlers.failed(RequestFactory().get(path))
    assert answer.status_code == 500
    assert "Something failed here" in answer.content.decode()


@pytest.mark.parametrize("path", ["/sign-in/", "/api/v1/hosts", "/nothing", "/static/muster.css"])
def test_every_answer_has_the_content_policy(db, client, path):
    policy = client.get(path)["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
