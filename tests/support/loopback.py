"""Tests talk to this machine only: a connection to any other address is refused before it is made."""

import ipaddress
import socket
from typing import Any

_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _check(sock: socket.socket, address: Any) -> None:
    if sock.family == socket.AF_UNIX or address[0] in ("localhost", ""):
        return
    if not ipaddress.ip_address(address[0].split("%")[0]).is_loopback:
        raise AssertionError(f"a test tried to connect to {address[0]}; only loopback is allowed")


def guard() -> None:
    """From here on, this process connects to loopback addresses and sockets in the file system only."""

    def connect(self: socket.socket, address: Any) -> None:
        _check(self, address)
        _connect(self, address)

    def connect_ex(self: socket.socket, address: Any) -> int:
        _check(self, address)
        return _connect_ex(self, address)

    socket.socket.connect = connect  # type: ignore[method-assign,assignment]
    socket.socket.connect_ex = connect_ex  # type: ignore[method-assign,assignment]
