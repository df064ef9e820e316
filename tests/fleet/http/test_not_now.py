"""A database that cannot do it now is a 503 that says when to ask again, for programs, people and booting machines."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.db import InterfaceError, OperationalError, connection, connections
from django.test import Client, RequestFactory
from psycopg import errors

from fleet.http import handlers
from fleet.http.problem import not_now
from fleet.models import Device, Hold
from provisioning.boot import windows
from provisioning.models import Operation
from tests.provisioning.boot.machine import booting
from tests.support import make, people

KEY = "0123456789abcdef"


@contextmanager
def held(real_db, row: Device | Operation) -> Iterator[None]:
    """Somebody else holds this row, for longer than a request waits."""
    with psycopg.connect(real_db.env["DATABASE_URL"]) as other:
        other.execute(f"SELECT id FROM {row._meta.db_table} WHERE id = %s FOR UPDATE", [row.pk])
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '300ms'")
        yield


@contextmanager
def no_database() -> Iterator[None]:
    """Nobody listens where the database was."""
    settings = connections["default"].settings_dict
    before = settings["HOST"]
    connection.close()
    settings["HOST"] = "/nowhere"
    try:
        yield
    finally:
        settings["HOST"] = before
        connection.close()


def is_503(answer, code="not_now", retry_after="2"):
    assert answer.status_code == 503, answer.content
    assert answer["Retry-After"] == retry_after
    body = answer.json()
    assert (body["code"], body["status"]) == (code, 503) and body["hint"]
    return body["title"]


def test_a_program_hears_it_and_may_send_the_same_again(real_db):
    host = make.host("installed")
    program = people.program("operator")
    body = {"kind": "debug", "reason": "look at it"}
    with held(real_db, host):
        assert is_503(program.post(f"/hosts/{host.pk}/holds", body, key=KEY)) == "somebody else has what this needs"
        assert not Hold.objects.exists()
    assert program.post(f"/hosts/{host.pk}/holds", body, key=KEY).status_code in (200, 201, 202)
    assert Hold.objects.count() == 1


def test_a_person_keeps_what_was_typed(real_db):
    operation = make.operation("install", make.host("burned_in"))
    client = people.signed_in("operator")
    with held(real_db, operation):
        sent = {"key": f"{KEY}-cancel", "reason": "the wrong host, sorry"}
        answer = client.post(f"/operations/{operation.pk}/cancel/", sent)
    assert (answer.status_code, answer["Retry-After"]) == (503, "2")
    text = answer.content.decode()
    assert "Somebody else has what this needs" in text and "the wrong host, sorry" in text
    operation.refresh_from_db()
    assert operation.state == "queued"


def test_a_machine_that_boots_hears_it(real_db):
    machine = booting()
    session = machine.session()
    with held(real_db, machine.operation):
        is_503(machine.event(session, "inventory"))
    assert machine.event(session, "inventory").status_code < 300


@pytest.mark.parametrize("path", ["/api/v1/hosts", "/boot/u/one-time-uri-token-0123456789abcdef/autoexec.ipxe"])
def test_a_database_that_is_away_is_said_in_words_to_programs(real_db, path):
    program = people.program("viewer")
    with no_database():
        answer = Client(raise_request_exception=False).get(path, headers={"Authorization": f"Bearer {program.token}"})
    assert is_503(answer, "no_database", "5") == "the database does not answer now"


@pytest.mark.parametrize("path", ["/boot/u/{}/autoexec.ipxe", "/boot/u/{}/ipxe.efi", "/boot/seed/{}/user-data"])
@pytest.mark.parametrize("fault", [OperationalError("away"), ValueError("a bug")], ids=repr)
def test_no_failure_puts_the_token_of_a_machine_into_the_log(caplog, monkeypatch, path, fault):
    def fails(*_: object, **__: object) -> None:
        raise fault

    monkeypatch.setattr(windows, "by_token", fails)
    token = "one-time-uri-token-0123456789abcdef"
    assert Client(raise_request_exception=False).get(path.format(token)).status_code in (500, 503)
    assert token not in caplog.text
    assert len(caplog.records) == 1, "once is enough"


def test_and_to_people(real_db):
    client = people.signed_in("viewer")
    client.raise_request_exception = False
    with no_database():
        answer = client.get("/")
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
    assert "<h1>The database does not answer now</h1>" in answer.content.decode()
    assert client.get("/").status_code == 200


def wrapped(kind: type[Exception], cause: Exception | None) -> Exception:
    error = kind("canceling statement")
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (wrapped(OperationalError, errors.LockNotAvailable("x")), "not_now"),
        (wrapped(OperationalError, errors.DeadlockDetected("x")), "not_now"),
        (wrapped(OperationalError, errors.SerializationFailure("x")), "not_now"),
        (wrapped(OperationalError, errors.AdminShutdown("x")), "no_database"),
        (wrapped(OperationalError, None), "no_database"),
        (wrapped(InterfaceError, None), "no_database"),
    ],
    ids=str,
)
def test_which_fault_is_which(error, code):
    found = not_now(error, RequestFactory().get("/"))
    assert found and (found.status, found.code) == (503, code)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("a bug"),
        KeyError("x"),
        wrapped(OperationalError, errors.QueryCanceled("too slow")),
        wrapped(OperationalError, errors.DiskFull("x")),
    ],
    ids=lambda e: type(e.__cause__ or e).__name__,
)
def test_a_bug_stays_one(error):
    assert not_now(error, RequestFactory().get("/")) is None
    try:
        raise error
    except type(error):
        assert handlers.failed(RequestFactory().get("/")).status_code == 500


def test_a_failure_outside_of_any_view_is_told_apart_too():
    """A session that cannot be stored."""
    try:
        raise wrapped(OperationalError, None)
    except OperationalError:
        answer = handlers.failed(RequestFactory().get("/hosts/"))
    assert (answer.status_code, answer["Retry-After"]) == (503, "5")
