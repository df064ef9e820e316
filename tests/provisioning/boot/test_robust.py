"""Whatever is sent: a refusal, never an error. And nothing that opens a door is found anywhere in clear."""

import json
import logging

import pytest
from django.db import connection
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning.models import BootRequest
from tests.provisioning.boot.machine import IMAGE_SHA256, booting, close_window

ENDPOINTS = ("claim", "event", "log", "phone-home")
GOOD = {
    "claim": {"token": "t", "mac": "m", "uuid": "u", "serial": "s", "boot_id": "b"},
    "event": {"stage": "inventory", "words": "w", "data": {"a": 1}, "done": 1, "total": 2, "step": 1},
    "log": {"lines": ["a"]},
    "phone-home": {"token": "t", "serial": "s", "uuid": "u", "mac": "m", "boot_id": "b", "image": "i"},
}
ODD = [
    None,
    True,
    0,
    -1,
    1.5,
    "",
    [],
    {},
    [[]],
    {"a": {}},
    "a\0b",
    "\ud800",
    "x" * 20_000,
    10**400,
    float("nan"),
    -1e999,
]
BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a text": b'"text"',
    "a list": b"[]",
    "null": b"null",
    "latin-1": '{"stage": "é"}'.encode("latin-1"),
    "utf-16": json.dumps({"stage": "a\0b"}).encode("utf-16"),
    "utf-16 without its mark": json.dumps({"lines": ["a\0"]}).encode("utf-16-le"),
    "a mark": b"\xef\xbb\xbf{}",
    "a raw NUL": b'{"stage": "a\0b"}',
    "deep": b"[" * 30_000,
    "deep inside": b'{"data": ' + b"[" * 900 + b"]" * 900 + b', "stage": "inventory", "lines": []}',
    "deep inside a little": b'{"data": ' + b"[" * 300 + b"]" * 300 + b', "stage": "inventory", "lines": []}',
    "too large": b'{"stage": "' + b"x" * 60_000 + b'"}',
    "a key twice": b'{"stage": "agent", "stage": "agent", "lines": []}',
    "a NUL in a key": b'{"a\\u0000": 1, "stage": "agent", "lines": []}',
    "numbers without end": b'{"done": ' + b"9" * 5000 + b', "stage": "write", "lines": []}',
}
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=[]), max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


def is_no_error(answer) -> bool:
    return 200 <= answer.status_code < 500


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_none(machine, endpoint, name):
    session = machine.session()
    answer = machine.client.post(
        f"/boot/{endpoint}",
        BODIES[name],
        content_type="application/json",
        headers={"Authorization": f"Bearer {session}"},
    )
    assert is_no_error(answer)
    if answer.status_code >= 400:
        assert answer["Content-Type"] == "application/problem+json" and answer.json()["title"]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_values_of_any_type_in_any_field(machine, endpoint):
    session = machine.session()
    for field in GOOD[endpoint]:
        for value in ODD:
            body = json.dumps({**GOOD[endpoint], field: value})
            assert is_no_error(machine.post(endpoint, body, session=session)), (field, value)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.dictionaries(st.sampled_from(["stage", "words", "data", "done", "total", "lines", "token", "x"]), JSON))
def test_any_object(machine, body):
    if not machine.told:
        machine.session()
    for endpoint, more in (("event", {"stage": "inventory"}), ("log", {}), ("claim", {}), ("phone-home", {})):
        assert is_no_error(machine.post(endpoint, json.dumps({**body, **more}), session=machine.told[-1]))


@pytest.mark.parametrize("length", ["abc", "-1", "60001", "9" * 400, "1e3", ""])
def test_a_length_that_is_none(machine, length):
    session = machine.session()
    answer = machine.post("event", {"stage": "agent"}, session=session, CONTENT_LENGTH=length)
    assert answer.status_code == 422


@pytest.mark.parametrize(
    "path", ["u/%00/ipxe.efi", "u/%ff/autoexec.ipxe", f"u/{'x' * 3000}/ipxe.efi", "image/%00", "u//ipxe.efi"]
)
def test_a_path_that_is_none(machine, path):
    assert machine.get(path, session=machine.session()).status_code in (403, 404)


class TestRecord:
    def whole_life(self, machine) -> None:
        machine.get("u/one-time-uri-token-0123456789abcdef/ipxe.efi")
        session = machine.session()
        token = machine.home_token(session)
        machine.event(session, "agent", words="up")
        machine.post("log", {"lines": ["line"]}, session=session)
        machine.get(f"image/{IMAGE_SHA256}", session=session)
        machine.keep(machine.phone_home(token).json()["agent_token"])

    def test_every_request_is_on_record_with_its_operation(self, machine):
        self.whole_life(machine)
        rows = BootRequest.objects.order_by("id").values_list(
            "endpoint", "status", "operation_id", "device_id", "remote"
        )
        assert [row[:2] for row in rows] == [
            ("loader", 200), ("script", 200), ("claim", 200), ("orders", 200), ("event", 200), ("log", 200),
            ("image", 200), ("phone-home", 200),
        ]  # fmt: skip
        assert {row[2:] for row in rows} == {(machine.operation.pk, machine.host.pk, "127.0.0.1")}

    def test_so_is_every_refusal(self, machine):
        session = machine.session()
        close_window(machine)
        BootRequest.objects.all().delete()
        machine.script()
        machine.get("orders", session=session)
        machine.event(session, "agent")
        machine.phone_home("unknown")
        rows = list(BootRequest.objects.order_by("id").values_list("endpoint", "status", "operation_id"))
        ours = machine.operation.pk
        assert rows == [("script", 403, ours), ("orders", 403, ours), ("event", 403, ours), ("phone-home", 403, None)]

    def test_no_token_stands_anywhere_in_clear(self, machine, caplog):
        """Only digests are kept, and no line of a log has one."""
        with caplog.at_level(logging.DEBUG):
            self.whole_life(machine)
            for token in list(machine.told):
                machine.get(f"u/{token}/ipxe.efi")
                machine.get("orders", session=token)
                machine.claim(token)
                machine.client.put(f"/boot/u/{token}/ipxe.efi")
        tokens = [*machine.told, "one-time-uri-token-0123456789abcdef"]
        assert len(tokens) == 5
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
                " USING (table_schema, table_name) WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE'"
                " AND c.data_type IN ('text', 'jsonb', 'ARRAY', 'bytea', 'character varying')"
            )
            for table, column in cursor.fetchall():
                cursor.execute(
                    f'SELECT count(*) FROM "{table}" WHERE "{column}"::text LIKE ANY(%s)', [[f"%{t}%" for t in tokens]]
                )
                assert cursor.fetchone() == (0,), f"{table}.{column}"
        said = [r.getMessage() for r in caplog.records if not r.name.startswith("django.db")]
        assert not [line for line in said if any(token in line for token in tokens)]


def test_a_machine_of_another_window_has_no_business_here(files):
    one = booting(uri="uri-token-of-the-first-machine")
    other = booting("burn-in", uri="uri-token-of-the-other-machine")
    token = one.keep(one.client.get("/boot/u/uri-token-of-the-first-machine/autoexec.ipxe").content.decode())
    token = token.split("muster.token=")[1].split()[0]
    assert other.claim(token).status_code == 403
    assert one.claim(token).status_code == 403, "burnt"
