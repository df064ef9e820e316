"""How firmware, ramdisk and installed host speak to the boot service: one shared HTTP session, patient retries."""

import asyncio
import json
import random
from typing import Any, NamedTuple

import aiohttp

CONNECTIONS = 64
CALL_TIMEOUT_S = 30.0  # real, per try
FIRST_WAIT_S, LONGEST_WAIT_S = 0.2, 3.0  # real, between tries; the boot service may be restarting
UNREACHABLE = 0


class Answer(NamedTuple):
    """`status` 0: nobody answered. `body` is at most as long as was asked for."""

    status: int
    body: bytes = b""
    content_range: str = ""

    @property
    def ok(self) -> bool:
        """Whether the call did what it should."""
        return 200 <= self.status < 300

    @property
    def is_passing(self) -> bool:
        """Whether the same call may succeed a little later."""
        return self.status == UNREACHABLE or self.status in (408, 429) or self.status >= 500

    def json(self) -> dict[str, Any]:
        """The body as an object; empty when it is not one."""
        try:
            content = json.loads(self.body)
        except ValueError:
            return {}
        return content if isinstance(content, dict) else {}


class BootClient:
    """Calls with jittered retries. Waits are real seconds: the service's troubles are real, too."""

    def __init__(self) -> None:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=60)
        timeout = aiohttp.ClientTimeout(total=CALL_TIMEOUT_S)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        self.calls = 0

    async def call(
        self,
        method: str,
        url: str,
        *,
        body: dict[str, Any] | None = None,
        headers: dict[str, str] | None = None,
        most_bytes: int = 1 << 20,
        patience_s: float = 60.0,
    ) -> Answer:
        """One call, repeated while it may still succeed and `patience_s` real seconds are not over."""
        loop = asyncio.get_running_loop()
        until, wait = loop.time() + patience_s, FIRST_WAIT_S
        while True:
            answer = await self._once(method, url, body, headers or {}, most_bytes)
            if not answer.is_passing or loop.time() + wait > until:
                return answer
            await asyncio.sleep(wait * random.uniform(0.5, 1.5))
            wait = min(wait * 2, LONGEST_WAIT_S)

    async def _once(
        self, method: str, url: str, body: dict[str, Any] | None, headers: dict[str, str], most_bytes: int
    ) -> Answer:
        self.calls += 1
        try:
            async with self._session.request(method, url, json=body, headers=headers) as response:
                content = await _read(response, most_bytes)
                return Answer(response.status, content, response.headers.get("Content-Range", ""))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
            return Answer(UNREACHABLE)

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()


async def _read(response: aiohttp.ClientResponse, most_bytes: int) -> bytes:
    """At most `most_bytes`; the connection is only kept when that was all."""
    content = bytearray()
    async for chunk in response.content.iter_any():
        content += chunk
        if len(content) >= most_bytes:
            if not response.content.at_eof():
                response.close()
            break
    return bytes(content[:most_bytes])
