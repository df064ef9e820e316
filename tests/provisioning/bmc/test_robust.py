"""Whatever a BMC answers, a method gives its value or raises BmcError; nothing else ever comes out.

The connection is replaced, so that each example costs no socket: these are the driver's readers, all of them.
"""

import asyncio
import copy
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioning.bmc import Bmc, BmcError, Fleet, Session, Target, system
from provisioning.bmc.answers import Answer, messages, refusal
from provisioning.bmc.quirks import quirks_of
from tests.provisioning.bmc.fake import PERMIT, extended, resources

READS = (
    *("first_contact", "identity", "system", "ready", "clock", "inventory", "firmware", "bios"),
    *("health", "http_boot", "led", "sel", "console_tail", "sessions"),
)
WRITES: dict[str, tuple[Any, ...]] = {
    "reset": ("On",),
    "set_boot_once": ("UefiHttp",),
    "set_http_boot": ("http://boot/x", "NIC"),
    "set_led": (True,),
    "set_clock": (datetime(2026, 11, 2, tzinfo=UTC),),
    "bmc_reset": (),
}
SHAPES = resources()
_KEYS = sorted({key for shape in SHAPES.values() for key in shape} | {"@odata.id", "Id", "Status", "error", "Actions"})
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(
        ["/redfish/v1/Systems", "//x", "OK", "Critical", "Gen5", "On", "2026-11-02T10:11:12-06:00", "0", ""]
    ),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.sampled_from(_KEYS), st.text(max_size=8)), inner, max_size=6),
    ),
    max_leaves=20,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of all nodes of a document."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path] + [found for key, child in inner for found in places(child, (*path, key))]


def changed(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    """The document with one node replaced."""
    if not path:
        return value
    copied = copy.deepcopy(document)
    node = copied
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return copied


class Canned:
    """Stands in for the connection. answer: gives what comes back for a method and path."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.sent = 0

    async def __call__(self, method: str, path: str, **more: Any) -> Answer:
        self.sent += 1
        assert self.sent < 3000, "the driver follows answers without end"
        pin = more.get("tls")
        if pin is not None:
            pin.seen = b"\1" * 32
        return self.answer(method, path.partition("?")[0].rstrip("/"))


def driver(answer: Any) -> Bmc:
    session = Session("t", "/redfish/v1/SessionService/Sessions/1")
    bmc = Fleet().bmc(Target("host-001", "https://127.0.0.1:1", "root", "x", "ab" * 32, session))
    bmc.channel.wire.send = Canned(answer)  # type: ignore[method-assign]
    return bmc


def try_all(answer: Any) -> None:
    """Every method once; whatever is no BmcError goes through and fails the test."""

    async def run() -> None:
        for name in READS:
            await one(getattr(driver(answer), name)())
        for name, given_values in WRITES.items():
            await one(getattr(driver(answer), name)(PERMIT, *given_values))

    async def one(call: Any) -> None:
        try:
            await call
        except BmcError as error:
            told.append(bool(error.code and error.words and str(error)))

    told: list[bool] = []
    asyncio.run(run())
    assert all(told)


def usual(method: str, path: str) -> Answer:
    if method == "GET":
        found = SHAPES.get(path)
        return (
            Answer(404, json.dumps(extended("X")).encode())
            if found is None
            else Answer(200, json.dumps(found).encode())
        )
    return Answer(204, b"")


@settings(max_examples=60, deadline=None)
@given(values)
def test_any_json_from_every_path(value):
    content = json.dumps(value).encode()
    try_all(lambda method, path: Answer(200, content))


@settings(max_examples=60, deadline=None)
@given(values)
def test_any_json_behind_a_good_root(value):
    content = json.dumps(value).encode()
    root = json.dumps(SHAPES["/redfish/v1"]).encode()
    try_all(lambda method, path: Answer(200, root if path == "/redfish/v1" else content))


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_one_odd_value_in_good_answers(data):
    where = data.draw(st.sampled_from(sorted(SHAPES)))
    node = data.draw(st.sampled_from(places(SHAPES[where])))
    content = json.dumps(changed(SHAPES[where], node, data.draw(values))).encode()
    try_all(lambda method, path: Answer(200, content) if path == where else usual(method, path))


@settings(max_examples=60, deadline=None)
@given(st.integers(200, 599), st.one_of(st.binary(max_size=60), values.map(lambda value: json.dumps(value).encode())))
def test_any_status_with_any_body(status, content):
    try_all(lambda method, path: Answer(status, content, retry_after="x", date="y", location="z"))


@settings(max_examples=30, deadline=None)
@given(st.data())
def test_answers_that_break_off(data):
    where = data.draw(st.sampled_from(sorted(SHAPES)))
    content = json.dumps(SHAPES[where]).encode()
    cut = content[: data.draw(st.integers(0, len(content)))]
    try_all(lambda method, path: Answer(200, cut) if path == where else usual(method, path))


@settings(max_examples=200, deadline=None)
@given(values, st.integers(100, 599), st.booleans())
def test_judging_any_answer(value, status, changes):
    for document in (
        value,
        {"error": value},
        {"error": {"@Message.ExtendedInfo": value}},
        {"x@Message.ExtendedInfo": value},
    ):
        messages(document)
        refusal(Answer(status, json.dumps(document).encode()), target="t", verb="v", changes=changes)


@settings(max_examples=200, deadline=None)
@given(values)
def test_quirks_of_any_root(value):
    quirks_of(value)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300))
def test_any_console(content):
    lines = system.console(content)
    assert all("\0" not in line and "\n" not in line for line in lines)


@pytest.mark.parametrize(
    "content", [b"[" * 100_000, b'{"Members":' * 30_000, b'{"Id": 1e999}', b'{"Id": ' + b"9" * 5000 + b"}"]
)
def test_bodies_that_break_parsers(content):
    try_all(lambda method, path: Answer(200, content))


def test_what_comes_out_can_be_stored():
    """No NUL and no lone surrogate: a text column of PostgreSQL takes it."""
    odd = {"Id": "a\0b", "SerialNumber": "\ud800", "Model": "x" * 9000}
    row = {**SHAPES["/redfish/v1/Systems/System.Embedded.1"], "SKU": "7X\0K", "HostName": "\udfff", "Model": "x" * 9000}
    found = system.identity(row, odd, [], {}, quirks_of(SHAPES["/redfish/v1"]))
    assert found.tag == "7XK" and found.host_name == "?" and len(found.model or "") == 2000
