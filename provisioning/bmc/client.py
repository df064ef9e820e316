"""The driver as steps use it: a Fleet for a worker process, a Bmc for each host.

Reads may be repeated; a write is sent once, needs a Permit, and its answer says "accepted", never "done".
"""

import asyncio
from datetime import UTC, datetime
from typing import Final

import aiohttp

from provisioning.bmc import dell, fields, inventory, power, sensors, system
from provisioning.bmc.channel import NOT_READY_S, ROOT, Channel
from provisioning.bmc.errors import BmcBusy, BmcRefused, BmcTlsRefused, BmcUnsupported
from provisioning.bmc.fields import Json
from provisioning.bmc.login import PLAIN_HEADERS, Login
from provisioning.bmc.types import (
    BootTarget,
    Clock,
    FirmwareRow,
    FirstContact,
    Health,
    Hooks,
    HttpBoot,
    Identity,
    Inventory,
    LogEntry,
    Permit,
    ResetKind,
    Sensor,
    Session,
    SystemState,
    Target,
    Verdict,
    Watch,
)

CALL_TIMEOUT_S: Final = 20.0
CONNECT_TIMEOUT_S: Final = 10.0
KEEPALIVE_S: Final = 120.0
CALLS_PER_HOST: Final = 2
LOGOUTS_AT_ONCE: Final = 32
_WORSE: Final[tuple[Verdict, ...]] = ("unknown", "ok", "warning", "critical")


class Bmc:
    """One host's BMC. Every method may raise BmcError and nothing else; see its children for what each means."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._boot: Json | None = None
        self._lamp: Json | None = None
        self._lists_sensors = True

    @property
    def requests(self) -> int:
        """Requests sent so far."""
        return self.channel.wire.requests

    @property
    def session(self) -> Session | None:
        """The session in use."""
        return self.channel.login.session

    async def logout(self) -> None:
        """Close the session; a later call opens another."""
        await self.channel.login.close()

    # ---- reads

    async def first_contact(self) -> FirstContact:
        """Who answers there, without login: 1 request. Takes any certificate while none is pinned."""
        verb = "make first contact"
        pin = self.channel.wire.contact()
        answer = await self.channel.wire.send("GET", ROOT, verb=verb, headers=PLAIN_HEADERS, tls=pin)
        if pin.seen is None:
            raise BmcTlsRefused(self.channel.target.name, verb, "tls_handshake", "the BMC showed no certificate")
        root = self.channel.parsed(answer, verb)
        self.channel.learn_root(root)
        return system.first_contact(root, pin.seen.hex())

    async def identity(self) -> Identity:
        """Who the machine is: 3 requests, and one for the root if this process has not read it."""
        channel, verb = self.channel, "read the identity"
        paths, quirks = await channel.paths(), await channel.quirks()
        # One after the other, on one connection: a second one costs a TLS handshake, more than it saves.
        found, manager = await channel.core(paths.system, verb), await channel.core(paths.manager, verb)
        self._boot = fields.mapping(found.get("Boot"))
        try:
            ports = await channel.members(paths.ethernet, verb)
        except BmcUnsupported:
            ports = []
        return system.identity(found, manager, ports, await channel.root(), quirks)

    async def system(self) -> SystemState:
        """Power, boot and health: 1 request."""
        return system.state(await self._system("read the system"), await self.channel.quirks())

    async def _system(self, verb: str) -> Json:
        found = await self.channel.core((await self.channel.paths()).system, verb)
        self._boot = fields.mapping(found.get("Boot"))
        return found

    async def _boot_seen(self, verb: str) -> Json:
        """The boot settings as last read; read now if they never were."""
        if self._boot is None:
            await self._system(verb)
        return self._boot or {}

    async def ready(self) -> None:
        """Returns if writes will be taken, else raises BmcBusy (not_ready): 1 request."""
        channel, verb = self.channel, "ask whether it is ready"
        paths = await channel.paths()
        if (await channel.quirks()).ready_by_lc:
            try:
                answer = await channel.call("POST", dell.READY, verb=verb, body={})
            except BmcUnsupported:
                pass  # firmware before the action existed: the manager tells
            else:
                self._not_ready(verb, dell.not_ready(answer.parsed()))
                return
        state = fields.text(await channel.core(paths.manager, verb), "Status", "State")
        self._not_ready(verb, None if state in (None, "Enabled") else f"manager is {state}")

    def _not_ready(self, verb: str, why: str | None) -> None:
        if why is not None:
            raise BmcBusy(self.channel.target.name, verb, "not_ready", why, retry_after_s=NOT_READY_S)

    async def clock(self) -> Clock:
        """The BMC's time beside ours: 1 request."""
        verb = "read the clock"
        found, answer = await self.channel.read((await self.channel.paths()).manager, verb)
        clock = system.clock(found, answer)
        if clock is None:
            raise BmcUnsupported(self.channel.target.name, verb, "not_supported", "the BMC tells no time")
        return clock

    async def inventory(self) -> Inventory:
        """All parts: 15 to 20 requests with $expand.

        What is missing while the host is off is unknown, not gone (quirk inventory-empty-when-off).
        """
        return await inventory.read(self.channel)

    async def firmware(self) -> tuple[FirmwareRow, ...]:
        """Installed firmware: 1 request a page."""
        path = f"{(await self.channel.paths()).updates}/FirmwareInventory"
        return system.firmware(await self.channel.members(path, "read the firmware"))

    async def bios(self) -> dict[str, str | int | None]:
        """BIOS attributes in force: 1 request."""
        found = await self.channel.document((await self.channel.paths()).bios, "read the BIOS")
        values = fields.mapping(found.get("Attributes"))
        return {
            key: fields.integer(values, key) if _number(values[key]) else fields.text(values, key) for key in values
        }

    async def health(self, *, psus: bool = False) -> Health:
        """Health of the system, of its power supplies too when asked: 1 or 2 requests."""
        found = await self._system("read the health")
        return system.health(found, await inventory.read_psus(self.channel) if psus else ())

    async def watch(self) -> Watch:
        """Sensors, power and health of a running host: 1 request, 2 for one that looks switched off.

        Sensors are read only where one request brings them all; else the system's own word has to do.
        """
        found: tuple[Sensor, ...] = ()
        if self._lists_sensors and (await self.channel.quirks()).expand:
            path = f"{(await self.channel.paths()).chassis}/Sensors"
            try:
                found = sensors.sensors(await self.channel.members(path, "read the sensors"))
            except BmcUnsupported:
                self._lists_sensors = False
        if sensors.turns(found):
            worst = max((s.health for s in found), key=_WORSE.index)
            return Watch("On", worst, found)
        state = system.state(await self._system("read the system"), await self.channel.quirks())
        return Watch(state.power, state.health, found)

    async def http_boot(self) -> HttpBoot:
        """UEFI HTTP boot now and after the next reset: 2 requests on Dell, else 1."""
        verb = "read HTTP boot"
        paths = await self.channel.paths()
        if (await self.channel.quirks()).http_boot == "uri":
            return system.http_boot(await self._system(verb))
        now = await self.channel.document(paths.bios, verb)
        later = await self.channel.document(paths.bios_settings, verb)
        return dell.http_boot(now.get("Attributes"), later.get("Attributes"))

    async def led(self) -> bool:
        """Whether the locator lamp is lit or blinks: 1 request."""
        self._lamp = await self.channel.core((await self.channel.paths()).chassis, "read the lamp")
        active = fields.flag(self._lamp, "LocationIndicatorActive")
        if active is None:
            return fields.text(self._lamp, "IndicatorLED") in ("Lit", "Blinking")
        return active

    async def sel(self, *, after: int | None = None, limit: int = 50) -> tuple[LogEntry, ...]:
        """System event log, newest first, entries above `after` only: 1 request a page of 50.

        Rows are known by Id: pages overlap when entries arrive meanwhile (quirk page-overlap).
        """
        page: str | None = (await self.channel.paths()).event_log
        found: dict[int, LogEntry] = {}
        while page is not None and len(found) < limit:
            document = await self.channel.document(page, "read the event log")
            rows = [entry for row in fields.items(document.get("Members")) if (entry := system.log_entry(row))]
            fresh = [row for row in rows if row.id not in found and (after is None or row.id > after)]
            found.update((row.id, row) for row in fresh)
            page = fields.link(document.get("Members@odata.nextLink")) if len(fresh) == len(rows) and fresh else None
        return tuple(sorted(found.values(), key=lambda row: row.id, reverse=True)[:limit])

    async def console_tail(self) -> tuple[str, ...]:
        """The last lines of the last boot's console, empty where the BMC keeps none: 1 request."""
        if not (await self.channel.quirks()).serial_capture:
            return ()
        try:
            answer = await self.channel.call("POST", dell.SERIAL_EXPORT, verb="read the console", body={})
        except (BmcUnsupported, BmcRefused) as error:
            if isinstance(error, BmcUnsupported) or error.code == "rejected":
                return ()
            raise
        return system.console(answer.body)

    async def sessions(self) -> tuple[str, ...]:
        """Paths of the open sessions of our user from our address, never those of people.

        1 request, and one for each of at most 64 sessions where the BMC does not expand them.
        """
        await self.channel.root()
        path, verb = self.channel.login.sessions_path, "list sessions"
        if path is None:
            raise BmcUnsupported(self.channel.target.name, verb, "not_supported", "the BMC has no sessions")
        rows = await self.channel.members(path, verb)
        return tuple(path for row in rows if self.channel.login.is_ours(row) and (path := fields.link(row)))

    async def delete_session(self, location: str) -> None:
        """Close a session by its path; one that is gone already is fine: 1 request."""
        path = fields.link(location)
        if path is None:
            raise BmcRefused(self.channel.target.name, "close a session", "rejected", "that is no path of a session")
        try:
            await self.channel.call("DELETE", path, verb="close a session")
        except BmcUnsupported:
            return

    # ---- writes

    async def reset(self, permit: Permit, kind: ResetKind) -> None:
        """Ask for a power action: 1 request. Accepted is not done: read the system.

        A refusal because the host is in that state already is no error (quirk power-409-already): 1 more request.
        """
        verb = f"reset ({kind})"
        path = (await self.channel.paths()).reset
        try:
            await self.channel.call("POST", path, verb=verb, body={"ResetType": kind}, permit=permit)
        except BmcRefused as error:
            if error.code not in ("conflict", "settling") or not power.already_there(kind, await self.system()):
                raise

    async def set_boot_once(self, permit: Permit, target: BootTarget) -> None:
        """Boot from there at the next boot only: 1 request, and one to look if this process has not."""
        verb = f"set boot once ({target})"
        boot = await self._boot_seen(verb)
        offered = fields.texts(boot.get("BootSourceOverrideTarget@Redfish.AllowableValues"))
        if offered and target not in (*offered, "None"):
            words = f"the BMC offers {', '.join(offered)}"
            raise BmcUnsupported(self.channel.target.name, verb, "not_supported", words)
        always = (await self.channel.quirks()).boot_mode == "always"
        mode = "UEFI" if always or fields.text(boot, "BootSourceOverrideMode") not in (None, "UEFI") else None
        await self._patch((await self.channel.paths()).system, system.boot_once(target, mode), verb, permit)

    async def set_http_boot(self, permit: Permit, uri: str, interface: str) -> None:
        """Set the URI and port of UEFI HTTP boot: 1 request. On Dell it counts from the next reset on.

        interface: FQDD of the port where the BMC has a choice; empty leaves it as it is.
        Raises BmcRefused (conflict) while another BIOS change waits for its reset.
        """
        verb = "set HTTP boot"
        paths = await self.channel.paths()
        if (await self.channel.quirks()).http_boot == "httpdev":
            await self._patch(paths.bios_settings, dell.http_boot_patch(uri, interface), verb, permit)
            return
        if "HttpBootUri" not in await self._boot_seen(verb):
            raise BmcUnsupported(self.channel.target.name, verb, "not_supported", "the BMC takes no HttpBootUri")
        await self._patch(paths.system, {"Boot": {"HttpBootUri": uri}}, verb, permit)

    async def set_led(self, permit: Permit, on: bool) -> None:
        """Light the locator lamp or put it out: 1 request, on generic BMCs one to look if this process has not."""
        flags = await self.channel.quirks()
        if flags.led == "advertised" and self._lamp is None:
            await self.led()
        by_location = flags.led != "advertised" or fields.flag(self._lamp, "LocationIndicatorActive") is not None
        body: Json = {"LocationIndicatorActive": on} if by_location else {"IndicatorLED": "Blinking" if on else "Off"}
        await self._patch((await self.channel.paths()).chassis, body, "set the lamp", permit)

    async def set_clock(self, permit: Permit, at: datetime) -> None:
        """Set the BMC's time: 1 request. Refused by BMCs that follow NTP (quirk ntp-readonly)."""
        verb, at = "set the clock", at.astimezone(UTC).replace(microsecond=0)
        if (await self.channel.quirks()).clock == "time_service":
            await self.channel.call("POST", dell.SET_TIME, verb=verb, body=dell.time_request(at), permit=permit)
        else:
            body: Json = {"DateTime": at.isoformat(), "DateTimeLocalOffset": "+00:00"}
            await self._patch((await self.channel.paths()).manager, body, verb, permit)

    async def bmc_reset(self, permit: Permit) -> None:
        """Restart the BMC itself: 1 request. Sessions end and it is away for 3 to 7 minutes."""
        path = (await self.channel.paths()).manager_reset
        body: Json = {"ResetType": "GracefulRestart"}
        await self.channel.call("POST", path, verb="reset the BMC", body=body, permit=permit)

    async def _patch(self, path: str, body: Json, verb: str, permit: Permit) -> None:
        await self.channel.call("PATCH", path, verb=verb, body=body, permit=permit)


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


class Fleet:
    """All BMCs of a worker process, on one event loop and one connection pool (bmc.md 5)."""

    def __init__(self, *, hooks: Hooks | None = None, call_timeout_s: float = CALL_TIMEOUT_S) -> None:
        self._hooks = hooks
        self._call_timeout_s = call_timeout_s
        self._http: aiohttp.ClientSession | None = None
        self._bmcs: dict[str, Bmc] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def bmc(self, target: Target) -> Bmc:
        """The BMC of that name, the same object each time; follows a changed target.

        Raises BmcUnreachable (bad_address) or BmcTlsRefused (not_https) for an address that cannot be used.
        """
        known = self._bmcs.get(target.name)
        if known is None:
            known = self._bmcs[target.name] = Bmc(Channel(self._pool, target, self._hooks))
        elif known.channel.target != target:
            before = known.channel.retarget(target)
            if before is not None:
                self._close_later(before)
        return known

    def _pool(self) -> aiohttp.ClientSession:
        """The connection pool, made at the first call because it belongs to the event loop."""
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=0, limit_per_host=CALLS_PER_HOST, keepalive_timeout=KEEPALIVE_S, use_dns_cache=True
                ),
                timeout=aiohttp.ClientTimeout(total=self._call_timeout_s, sock_connect=CONNECT_TIMEOUT_S),
                cookie_jar=aiohttp.DummyCookieJar(),
                # Offering gzip turns ETags weak on several BMCs (quirk compression-etag).
                headers={"Accept-Encoding": "identity", "User-Agent": "muster"},
            )
        return self._http

    def _close_later(self, login: Login) -> None:
        task = asyncio.create_task(login.close(), name=f"logout {login.wire.name}")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def close(self, *, logout: bool = True) -> None:
        """End all connections. logout: close the sessions too; False leaves them for the next process."""
        gate = asyncio.Semaphore(LOGOUTS_AT_ONCE)

        async def leave(bmc: Bmc) -> None:
            async with gate:
                await bmc.logout()

        if logout:
            await asyncio.gather(*(leave(bmc) for bmc in self._bmcs.values()))
        await asyncio.gather(*self._closing)
        self._bmcs.clear()
        if self._http is not None:
            await self._http.close()
            self._http = None
