"""Client of the host agent: what is running, and run these tests. Pure asyncio, no Django."""

import json
from dataclasses import dataclass
from typing import Any

import aiohttp


class AgentError(Exception):
    """The agent did not answer as it should. passing: worth another try."""

    def __init__(self, words: str, *, passing: bool) -> None:
        super().__init__(words)
        self.words = words
        self.passing = passing


@dataclass(frozen=True)
class Facts:
    """What an installed host says of itself."""

    boot_id: str
    serial: str
    hostname: str
    image: str
    versions: dict[str, Any]


class Agent:
    """One client for all hosts of a worker process. Addresses are host:port; tokens are per host and boot."""

    def __init__(self, *, timeout_s: float = 20) -> None:
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._http: aiohttp.ClientSession | None = None

    async def facts(self, address: str, token: str) -> Facts:
        """What runs there now. Raises AgentError."""
        body = await self._call("GET", address, "facts", token)
        text = {name: str(body.get(name) or "") for name in ("boot_id", "serial", "hostname", "image")}
        versions = body.get("versions")
        return Facts(**text, versions=versions if isinstance(versions, dict) else {})

    async def start_tests(self, address: str, token: str, tests_id: str, tests: list[dict[str, Any]]) -> None:
        """Start these tests under an id; the same id again starts nothing. Raises AgentError."""
        await self._call("POST", address, "tests", token, {"id": tests_id, "tests": tests})

    async def tests(self, address: str, token: str, tests_id: str) -> dict[str, Any]:
        """{"state": running|done, "done", "total", "results"}. Raises AgentError."""
        return await self._call("GET", address, f"tests/{tests_id}", token)

    async def close(self) -> None:
        """Close all connections."""
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def _call(self, method: str, address: str, path: str, token: str, body: Any = None) -> dict[str, Any]:
        if self._http is None:
            self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=self._timeout)
        url = f"http://{address}/agent/v1/{path}"
        headers = {"Authorization": f"Bearer {token}"}
        try:
            async with self._http.request(method, url, json=body, headers=headers, allow_redirects=False) as answer:
                text = await answer.text()
                if answer.status >= 300:
                    raise AgentError(f"{method} {path}: {answer.status} {text[:200]}", passing=answer.status >= 500)
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
            raise AgentError(f"{address} does not answer ({type(error).__name__})", passing=True) from error
        try:
            parsed = json.loads(text)
        except ValueError as error:
            raise AgentError(f"{method} {path}: not JSON: {text[:200]}", passing=False) from error
        if not isinstance(parsed, dict):
            raise AgentError(f"{method} {path}: not an object", passing=False)
        return parsed
