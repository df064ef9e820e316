"""HTTP/1.1 by hand: a kept-alive request costs a few tens of microseconds, which no framework does."""

import asyncio
import ssl
from collections.abc import Callable
from http import HTTPStatus
from typing import NamedTuple

MOST_HEAD = 32 * 1024
MOST_BODY = 512 * 1024 * 1024  # a firmware package that is pushed
_REASON = {int(status): status.phrase for status in HTTPStatus}
_RX = bytearray(64 * 1024)  # shared by all connections: one thread, and every chunk is used up at once
_RX_VIEW = memoryview(_RX)


class Request(NamedTuple):
    """One request; header names lower case, `query` without the question mark."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes


class Response(NamedTuple):
    """`headers` are whole lines ("Name: value"); `cut` closes the connection without an answer."""

    status: int
    body: bytes = b""
    headers: tuple[str, ...] = ()
    cut: bool = False


Handler = Callable[[Request], Response]


class BadRequest(Exception):
    """Bytes that are not HTTP/1.1; the connection is closed."""


class Parser:
    """Collects bytes until a whole request is there."""

    __slots__ = ("_body", "_chunked", "_data", "_head", "_left")

    def __init__(self) -> None:
        self._data = b""
        self._head: tuple[str, str, str, dict[str, str]] | None = None
        self._left = 0
        self._chunked = False
        self._body: list[bytes] = []

    def feed(self, data: bytes) -> None:
        """Take bytes as they come."""
        self._data = self._data + data if self._data else data

    def next(self) -> Request | None:
        """The next whole request, or None until more bytes come. Raises BadRequest."""
        if self._head is None and not self._read_head():
            return None
        if not (self._read_chunks() if self._chunked else self._read_length()):
            return None
        assert self._head is not None
        request = Request(*self._head, b"".join(self._body))
        self._head, self._body, self._chunked = None, [], False
        return request

    def wants_continue(self) -> bool:
        """Whether the client waits for "100 Continue" before it sends its body."""
        return self._head is not None and "100-continue" in self._head[3].get("expect", "").lower()

    def _read_head(self) -> bool:
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > MOST_HEAD:
                raise BadRequest("head too long")
            return False
        lines = self._data[:end].decode("latin-1").split("\r\n")
        self._data = self._data[end + 4 :]
        try:
            method, target, _ = lines[0].split(" ")
        except ValueError as error:
            raise BadRequest(lines[0]) from error
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        path, _, query = target.partition("?")
        self._head = (method, path, query, headers)
        self._chunked = "chunked" in headers.get("transfer-encoding", "")
        length = headers.get("content-length", "0")
        if not length.isdigit() or int(length) > MOST_BODY:
            raise BadRequest(f"content-length {length}")
        self._left = int(length)
        return True

    def _read_length(self) -> bool:
        if self._left:
            part, self._data = self._data[: self._left], self._data[self._left :]
            self._body.append(part)
            self._left -= len(part)
        return not self._left

    def _read_chunks(self) -> bool:
        while True:
            line, found, rest = self._data.partition(b"\r\n")
            if not found:
                return False
            try:
                size = int(line.split(b";")[0], 16)
            except ValueError as error:
                raise BadRequest("chunk size") from error
            if len(rest) < size + 2:
                return False
            self._data = rest[size + 2 :]
            if not size:
                return True
            self._body.append(rest[:size])


class Connection(asyncio.BufferedProtocol):
    """One accepted connection; `handle` answers each request, `delay_s` (real) later."""

    __slots__ = ("_handle", "_open", "_parser", "_transport", "delay_s", "last_used")

    def __init__(self, handle: Handler, opened: "set[Connection]", *, delay_s: float = 0.0) -> None:
        self._handle = handle
        self._open = opened
        self._parser = Parser()
        self._transport: asyncio.Transport | None = None
        self.delay_s = delay_s
        self.last_used = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The connection is accepted."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.last_used = asyncio.get_running_loop().time()
        self._open.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, whoever ended it."""
        self._open.discard(self)
        self._transport = None

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where the transport puts what it reads."""
        return _RX_VIEW

    def buffer_updated(self, nbytes: int) -> None:
        """Use up what was read."""
        self.received(bytes(_RX_VIEW[:nbytes]))

    def received(self, data: bytes) -> None:
        """Plain bytes from the client."""
        loop = asyncio.get_running_loop()
        self.last_used = loop.time()
        self._parser.feed(data)
        try:
            while (request := self._parser.next()) is not None:
                if self.delay_s:
                    loop.call_later(self.delay_s, self._answer, request)
                else:
                    self._answer(request)
            if self._parser.wants_continue():
                self.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        except BadRequest:
            self.abort()

    def _answer(self, request: Request) -> None:
        if self._transport is None:
            return
        response = self._handle(request)
        if response.cut:
            self.abort()
            return
        body = b"" if request.method == "HEAD" else response.body
        head = [f"HTTP/1.1 {response.status} {_REASON.get(response.status, 'Unknown')}", *response.headers]
        if response.status != HTTPStatus.NO_CONTENT:
            head.append(f"Content-Length: {len(response.body)}")
        self.send("\r\n".join([*head, "", ""]).encode("latin-1") + body)
        if request.headers.get("connection", "").lower() == "close":
            self.close()

    def send(self, data: bytes) -> None:
        """Plain bytes to the client."""
        if self._transport is not None:
            self._transport.write(data)

    def close(self) -> None:
        """Close when everything is sent."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Reset the connection, as a machine that lost its power does."""
        if self._transport is not None:
            self._transport.abort()


class TlsConnection(Connection):
    """TLS over memory buffers: asyncio's own layer keeps 256 KiB for each connection, this one next to nothing."""

    __slots__ = ("_incoming", "_is_up", "_outgoing", "_tls")

    def __init__(
        self, handle: Handler, opened: set[Connection], context: ssl.SSLContext, *, delay_s: float = 0.0
    ) -> None:
        super().__init__(handle, opened, delay_s=delay_s)
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._is_up = False

    def buffer_updated(self, nbytes: int) -> None:
        """Use up what was read."""
        self._incoming.write(_RX_VIEW[:nbytes])
        try:
            if not self._is_up:
                self._tls.do_handshake()
                self._is_up = True
            while self._incoming.pending or self._tls.pending():
                data = self._tls.read(65536)
                if not data:
                    self.close()
                    return
                self.received(data)
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        except ssl.SSLZeroReturnError:
            self.close()
        except ssl.SSLError:
            self._flush()  # the alert says why
            self.close()
        self._flush()

    def send(self, data: bytes) -> None:
        """Plain bytes to the client."""
        self._tls.write(data)
        self._flush()

    def _flush(self) -> None:
        if self._transport is not None and self._outgoing.pending:
            self._transport.write(self._outgoing.read())
