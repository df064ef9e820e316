"""The control API: the truth for tests and the demo's summary, and the hands that mend a fault."""

import asyncio
import time
from typing import Any

from aiohttp import web

from provisioning.simulator import faults
from provisioning.simulator.fleet import Fleet
from provisioning.simulator.host import Host

CONSOLE_TAIL = 50


class Control:
    """HTTP on loopback; nothing of the product reads it but the demo's summary and `sim fix`."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self.stop = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._since = dict.fromkeys(fleet.hosts, 0)
        self._resets_since = dict.fromkeys(fleet.hosts, 0)
        self._cpu_since = time.process_time()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port."""
        app = web.Application()
        app.add_routes(
            [
                web.get("/stats", self.stats),
                web.get("/truth", self.truth),
                web.get("/host/{name}", self.host),
                web.get("/journal", self.journal),
                web.post("/fix", self.fix),
                web.post("/inject", self.inject),
                web.post("/reset-stats", self.reset_stats),
                web.post("/shutdown", self.shutdown),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port)
        await site.start()
        return int(self._runner.addresses[0][1])

    async def close(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def stats(self, request: web.Request) -> web.Response:
        """Counters since the start, or since the last reset of the figures."""
        hosts = self.fleet.hosts.values()
        for host in hosts:
            host.bmc.expire()
        resets = {host.name: host.resets - self._resets_since[host.name] for host in hosts}
        by_bmc = {host.name: host.bmc.requests - self._since[host.name] for host in hosts}
        return web.json_response(
            {
                "hosts": len(by_bmc),
                "bmc_requests": sum(by_bmc.values()),
                "by_bmc": by_bmc,
                "violations": self.fleet.world.journal.violations,
                "sessions_open": {host.name: len(host.bmc.sessions) for host in hosts if host.bmc.sessions},
                "resets": {name: count for name, count in resets.items() if count},
                "power": _count(host.power for host in hosts),
                "phases": _count(host.phase for host in hosts),
                "boot_calls": self.fleet.world.boot.calls,
                "cpu_s": round(time.process_time() - self._cpu_since, 3),
                "sim_s": round(self.fleet.world.clock.now_s(), 1),
            }
        )

    async def truth(self, request: web.Request) -> web.Response:
        """The fault of each host and where it must end."""
        return web.json_response({name: host.truth() for name, host in self.fleet.hosts.items()})

    async def host(self, request: web.Request) -> web.Response:
        """Where one host really is."""
        host = self._named(request.match_info["name"])
        return web.json_response(describe(host))

    async def journal(self, request: web.Request) -> web.Response:
        """The journal's lines, as JSON lines; `host` picks one host's."""
        lines = await asyncio.to_thread(self.fleet.world.journal.lines, request.query.get("host"))
        return web.Response(text="".join(line + "\n" for line in lines), content_type="application/jsonl")

    async def fix(self, request: web.Request) -> web.Response:
        """Mend a fault as hands would: {"host", "fault" or null for whatever it is}."""
        asked = await request.json()
        host = self._named(asked.get("host"))
        actual = host.fault.name if host.fault else None
        if asked.get("fault") not in (None, actual):
            words = f"{host.name} has the fault {actual}, not {asked['fault']}"
            return web.json_response({"host": host.name, "fixed": None, "error": words}, status=409)
        return web.json_response({"host": host.name, "fixed": host.mend()})

    async def inject(self, request: web.Request) -> web.Response:
        """Break a host now: {"host", "fault"}."""
        asked = await request.json()
        host = self._named(asked.get("host"))
        if asked.get("fault") not in faults.ALL:
            return web.json_response({"error": f"unknown fault {asked.get('fault')!r}"}, status=400)
        host.mend()
        host.break_by(asked["fault"])
        return web.json_response(host.truth())

    async def reset_stats(self, request: web.Request) -> web.Response:
        """Count requests, resets and CPU from here on."""
        self._since = {name: host.bmc.requests for name, host in self.fleet.hosts.items()}
        self._resets_since = {name: host.resets for name, host in self.fleet.hosts.items()}
        self._cpu_since = time.process_time()
        return web.json_response({"reset": True})

    async def shutdown(self, request: web.Request) -> web.Response:
        """End the simulator, as SIGTERM does."""
        asyncio.get_running_loop().call_later(0.1, self.stop.set)
        return web.json_response({"stopping": True})

    def _named(self, name: Any) -> Host:
        host = self.fleet.hosts.get(str(name))
        if host is None:
            raise web.HTTPNotFound(text=f'{{"error": "no host {name}"}}', content_type="application/json")
        return host


def describe(host: Host) -> dict[str, Any]:
    """Where a host really is."""
    return {
        "host": host.name,
        "power": host.power,
        "phase": host.phase,
        "boot_progress": host.boot_progress,
        "boot_id": host.boot_id,
        "boots": host.boots,
        "resets": host.resets,
        "os": None if host.system is None else {"image": host.system.image, "hostname": host.system.hostname},
        "agent": host.agent_is_up,
        "override": {"enabled": host.override.enabled, "target": host.override.target},
        "bios": host.bios,
        "tag": host.tag,
        "uuid": host.uuid,
        "boot_mac": host.boot_mac,
        "bmc_address": host.plan.bmc_address,
        "os_address": host.plan.os_address,
        "bmc": {"away": host.bmc.is_away(), "ready": host.bmc.is_ready(), "sessions": len(host.bmc.sessions)},
        "jobs": [{"id": job.id, "state": job.state, "part": job.part} for job in host.bmc.jobs.values()],
        "fault": host.truth(),
        "console": list(host.console)[-CONSOLE_TAIL:],
    }


def _count(values: Any) -> dict[str, int]:
    found: dict[str, int] = {}
    for value in values:
        found[value] = found.get(value, 0) + 1
    return found
