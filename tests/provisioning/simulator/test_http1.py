"""The hand-written HTTP parser takes bytes as they come."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.simulator.http1 import BadRequest, Parser, Request

TWO = (
    b'POST /a?x=1 HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: 4\r\n\r\n{""}'
    b"POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x\r\nde\r\n0\r\n\r\n"
)


def _all(pieces: list[bytes]) -> list[Request]:
    parser, found = Parser(), []
    for piece in pieces:
        parser.feed(piece)
        while (request := parser.next()) is not None:
            found.append(request)
    return found


@given(st.lists(st.integers(1, len(TWO) - 1), max_size=8))
def test_requests_are_whole_wherever_the_bytes_are_cut(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(TWO)]
    first, second = _all([TWO[start:end] for start, end in itertools.pairwise(edges)])
    assert (first.method, first.path, first.query, first.body) == ("POST", "/a", "x=1", b'{""}')
    assert first.headers["content-type"] == "application/json"
    assert (second.path, second.body) == ("/b", b"abcde")


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"x" * 40000,
    ],
)
def test_bytes_that_are_not_http_are_refused(data: bytes) -> None:
    with pytest.raises(BadRequest):
        _all([data])


def test_a_client_that_waits_for_permission_is_seen() -> None:
    parser = Parser()
    parser.feed(b"POST /u HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
    assert parser.next() is None and parser.wants_continue()
