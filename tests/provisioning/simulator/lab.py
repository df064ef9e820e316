"""A small fleet in this process, a boot service as little as it can be, and a Redfish client to poke with."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web

from provisioning.simulator.clock import SimClock
from provisioning.simulator.control import Control
from provisioning.simulator.fleet import Fleet
from provisioning.simulator.host import Host
from provisioning.simulator.journal import Journal
from provisioning.simulator.plan import HostPlan, loopback
from provisioning.simulator.world import Options

SYSTEM = "/redfish/v1/Systems/System.Embedded.1"
MANAGER = "/redfish/v1/Managers/iDRAC.Embedded.1"
CHASSIS = "/redfish/v1/Chassis/System.Embedded.1"
IMAGE = bytes(range(256)) * 1024
SCALE = 3000.0


async def eventually(condition: Callable[[], Any], *, within_s: float = 30) -> Any:
    """Wait until `condition()` is true and return it; fails after `within_s` real seconds."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    while not (found := condition()):
        assert loop.time() < until, "did not happen in time"
        await asyncio.sleep(0.02)
    return found


def plans(count: int) -> list[HostPlan]:
    return [
        HostPlan(
            index=index,
            name=f"host-{index + 1:03d}",
            tag=f"TAG{index:04d}",
            bmc_address=loopback(64, index),
            bmc_mac=f"02:00:00:00:01:{index:02x}",
            os_address=loopback(128, index),
            boot_mac=f"02:00:00:00:02:{index:02x}",
            node_guids=tuple(f"0x{index + 1:08x}{rail:08x}" for rail in range(8)),
        )
        for index in range(count)
    ]


class BootService:
    """Gives every host the same orders and remembers what it was told."""

    def __init__(self) -> None:
        self.orders: dict[str, Any] = {}
        self.events: list[dict[str, Any]] = []
        self.gets: list[str] = []
        self.claims: list[dict[str, Any]] = []
        self.logs: list[list[str]] = []
        self.phone_homes: list[dict[str, Any]] = []
        self.ranges: list[str] = []
        self.script_queries: list[dict[str, str]] = []
        self.script_token: str | None = "boot-token"
        self.fail_first: dict[str, int] = {}
        self.refuse: dict[str, int] = {}
        self.idle: set[str] = set()
        self.url = ""
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        app = web.Application()
        app.add_routes([web.route("*", "/boot/{tail:.*}", self._any)])
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}/boot"

    async def close(self) -> None:
        assert self._runner is not None
        await self._runner.cleanup()

    def install(self, **more: Any) -> None:
        digest = hashlib.sha256(IMAGE).hexdigest()
        image = {"sha256": digest, "size_bytes": len(IMAGE), "url": f"{self.url}/image/{digest}"}
        phone = {"url": f"{self.url}/phone-home", "token": "phone-token"}
        self.orders = {
            "mode": "install",
            "operation": 1,
            "step": 2,
            "disk": {"role": "os"},
            "image": image,
            "seed": {"url": f"{self.url}/seed/seed-token/"},
            "phone_home": phone,
            **more,
        }

    def stages(self) -> list[str]:
        return [event["stage"] for event in self.events]

    async def _any(self, request: web.Request) -> web.StreamResponse:
        name = request.match_info["tail"].rpartition("/")[2]
        self.gets.append(request.match_info["tail"])
        if name in ("script", "autoexec.ipxe"):
            self.script_queries.append(dict(request.query))
        if self.fail_first.get(name, 0) > 0:
            self.fail_first[name] -= 1
            return web.Response(status=503)
        if name in self.refuse:
            return web.json_response({"code": "refused"}, status=self.refuse[name])
        kind = "image" if "/image/" in f"/{request.match_info['tail']}" else name
        kind = "file" if "files/" in request.match_info["tail"] else kind
        answers = {
            "ipxe.efi": lambda: web.Response(body=b"MZ" * 512, content_type="application/efi"),
            "autoexec.ipxe": self._script,
            "script": self._script,
            "file": lambda: web.Response(status=206, body=b"\0" * 65536),
            "user-data": lambda: web.Response(text="#cloud-config\n{}\n"),
            "meta-data": lambda: web.Response(text="instance-id: i-1\nlocal-hostname: node-1\n"),
            "time": lambda: web.json_response({"time": "2026-01-01T00:00:00Z"}),
            "orders": lambda: web.json_response(self._orders(request.headers.get("Authorization", ""))),
        }
        if name in ("claim", "event", "log", "phone-home"):
            return self._post(name, await request.json(), request.headers.get("Authorization", ""))
        return self._image(request) if kind == "image" else answers.get(kind, web.HTTPNotFound)()

    def _script(self) -> web.Response:
        token = f" muster.token={self.script_token}" if self.script_token else ""
        lines = (
            "#!ipxe",
            f"kernel {self.url}/files/vmlinuz initrd=initrd.zst console=ttyS0 muster.url={self.url}{token}",
            f"initrd {self.url}/files/initrd.zst",
            "boot",
        )
        return web.Response(text="\n".join(lines) + "\n")

    def _orders(self, session: str) -> dict[str, Any]:
        """What the real one says to a ramdisk whose tests are done: wait, until it has something else to do."""
        return {"mode": "wait"} if session in self.idle and self.orders["mode"] == "burn-in" else self.orders

    def _post(self, name: str, body: dict[str, Any], session: str) -> web.Response:
        if name == "claim":
            self.claims.append(body)
            return web.json_response({"session": f"session-{body['serial']}"})
        if name == "phone-home":
            self.phone_homes.append(body)
            return web.json_response({"agent_token": "agent-token"})
        if body.get("stage") == "tested":
            self.idle.add(session)
        self.events.append(body) if name == "event" else self.logs.append(body["lines"])
        return web.json_response({})

    def _image(self, request: web.Request) -> web.Response:
        asked = request.http_range
        self.ranges.append(request.headers["Range"])
        return web.Response(status=206, body=IMAGE[asked])


class Redfish:
    """One BMC's client; `login` first, or pass headers."""

    def __init__(self, http: aiohttp.ClientSession, host: Host, port: int) -> None:
        self.http = http
        self.host = host
        self.base = f"https://{host.plan.bmc_address}:{port}"
        self.token: str | None = None
        self.location = ""

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None
    ) -> tuple[int, Any, Mapping[str, str]]:
        sent = {"X-Auth-Token": self.token} if self.token else {}
        async with self.http.request(
            method, self.base + path, json=body, headers={**sent, **(headers or {})}, ssl=False
        ) as response:
            text = await response.text()
            answer = json.loads(text) if text else None
            return response.status, answer, response.headers

    async def get(self, path: str) -> Any:
        status, answer, _ = await self.call("GET", path)
        assert status == 200, (path, status, answer)
        return answer

    async def login(self, password: str = "calvin") -> int:
        body = {"UserName": "root", "Password": password}
        status, _, headers = await self.call("POST", "/redfish/v1/SessionService/Sessions", body)
        if status == 201:
            self.token, self.location = headers["X-Auth-Token"], headers["Location"]
        return status

    async def reset(self, kind: str, intent: int = 1) -> int:
        path = f"{SYSTEM}/Actions/ComputerSystem.Reset"
        status, _, _ = await self.call("POST", path, {"ResetType": kind}, headers={"Muster-Intent": str(intent)})
        return status

    async def boot_once(self, target: str) -> int:
        boot = {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": target}
        return (await self.call("PATCH", SYSTEM, {"Boot": boot}))[0]

    async def http_uri(self, uri: str) -> int:
        settings = {"HttpDev1EnDis": "Enabled", "HttpDev1Uri": uri, "HttpDev1Interface": "NIC.Slot.39-1-1"}
        body = {"@Redfish.SettingsApplyTime": {"ApplyTime": "OnReset"}, "Attributes": settings}
        return (await self.call("PATCH", f"{SYSTEM}/Bios/Settings", body))[0]


class Lab:
    """The fleet, its boot service, and clients for both sides."""

    def __init__(self, fleet: Fleet, boot: BootService, http: aiohttp.ClientSession) -> None:
        self.fleet = fleet
        self.boot = boot
        self.http = http
        self.control = Control(fleet)

    @property
    def host(self) -> Host:
        return self.fleet.hosts["host-001"]

    def redfish(self, name: str = "host-001") -> Redfish:
        return Redfish(self.http, self.fleet.hosts[name], self.fleet.bmc_listener.port)

    async def logged_in(self, name: str = "host-001") -> Redfish:
        client = self.redfish(name)
        assert await client.login() == 201
        return client

    def journal(self, event: str, host: str | None = "host-001") -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.fleet.world.journal.lines(host)]
        return [line for line in lines if line["event"] == event]

    async def boot_by_http(self, bmc: Redfish, *, intent: int = 1) -> None:
        assert await bmc.http_uri(f"{self.boot.url}/u/one-time-uri-token-of-64/ipxe.efi") == 202
        assert await bmc.boot_once("UefiHttp") == 204
        assert await bmc.reset("On", intent) == 204

    def agent_url(self, host: Host, path: str) -> str:
        return f"http://{host.plan.os_address}:{self.fleet.agent_listener.port}/agent/v1/{path}"


@contextlib.asynccontextmanager
async def running(
    *,
    hosts: int = 3,
    faults: dict[str, str] | None = None,
    scale: float = SCALE,
    delays: bool = True,
    seed: int = 1,
    journal: Path | None = None,
    **options: Any,
) -> AsyncIterator[Lab]:
    """A fleet that runs until the block is left."""
    boot = BootService()
    await boot.start()
    clock = SimClock(scale=scale, delays=delays)
    fleet = Fleet(
        plans(hosts),
        options=Options(seed=seed, boot_url=boot.url, **options),
        clock=clock,
        journal=Journal(journal, now_s=clock.now_s),
        faults=faults or {},
    )
    async with aiohttp.ClientSession() as http:
        try:
            yield Lab(fleet, boot, http)
        finally:
            await fleet.close()
            await boot.close()
