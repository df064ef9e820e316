"""One listening socket for thousands of addresses: who is meant is the local address of the connection."""

import asyncio
import socket
import struct
from collections.abc import Callable

from provisioning.simulator.http1 import Connection

BACKLOG = 4096
ACCEPTS_A_TURN = 64
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER 0: close() sends RST, the peer sees "connection reset"

# The connection for this local address, or None when nobody (or nobody who answers) stands there.
Reception = Callable[[str], Connection | None]


class Listener:
    """Accepts on 0.0.0.0:port (every 127.x.y.z is local on Linux); only loopback peers are let in."""

    def __init__(self, port: int, receive: Reception) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[object]] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.setblocking(False)
        self._socket.bind(("0.0.0.0", port))
        self._socket.listen(BACKLOG)
        self.port: int = self._socket.getsockname()[1]
        self._loop.add_reader(self._socket, self._accept)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_A_TURN):
            try:
                peer, address = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            connection = self._receive(peer.getsockname()[0]) if address[0].startswith("127.") else None
            if connection is None:
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
                peer.close()
                continue
            self._take(peer, connection)

    def _take(self, peer: socket.socket, connection: Connection) -> None:
        peer.setblocking(False)
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        task: asyncio.Task[object] = self._loop.create_task(
            self._loop.connect_accepted_socket(lambda: connection, peer)
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """Stop listening; open connections are closed by their owners."""
        self._loop.remove_reader(self._socket)
        self._socket.close()
