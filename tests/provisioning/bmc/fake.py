"""A BMC that answers what a test tells it to, on a real TLS socket; it keeps every request that it got.

Shapes are those of an iDRAC9 as its public documentation and the Redfish schemas give them.
"""

import asyncio
import copy
import json
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from provisioning.bmc import Permit, Session, Target
from tests.provisioning.bmc import certificates

S = "/redfish/v1/Systems/System.Embedded.1"
M = "/redfish/v1/Managers/iDRAC.Embedded.1"
C = "/redfish/v1/Chassis/System.Embedded.1"
U = "/redfish/v1/UpdateService"
SESSIONS = "/redfish/v1/SessionService/Sessions"
READY = f"{M}/Oem/Dell/DellLCService/Actions/DellLCService.GetRemoteServicesAPIStatus"
USER, PASSWORD = "root", "calvin-7"
PERMIT = Permit(intent_id=42)
OK = {"State": "Enabled", "Health": "OK"}


@dataclass(frozen=True)
class Call:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass(frozen=True)
class Reply:
    """One answer. cut: close the connection instead, torn: in the middle of the body; hold_s: only after that time."""

    status: int = 200
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    torn: bool = False
    hold_s: float = 0.0


def extended(message_id: str, words: str = "words", **more: Any) -> dict[str, Any]:
    """An error object as iDRAC sends it."""
    row = {"MessageId": f"IDRAC.2.8.{message_id}", "Message": words, "MessageArgs": [], **more}
    return {"error": {"@Message.ExtendedInfo": [row], "code": "Base.1.12.GeneralError", "message": "see ExtendedInfo"}}


def root() -> dict[str, Any]:
    return {
        "@odata.id": "/redfish/v1",
        "Vendor": "Dell",
        "Product": "Integrated Dell Remote Access Controller",
        "RedfishVersion": "1.17.0",
        "UUID": "324B4C4F-C0C8-4D80-4A10-00384C4C4544",
        "Systems": {"@odata.id": "/redfish/v1/Systems"},
        "UpdateService": {"@odata.id": U},
        "Links": {"Sessions": {"@odata.id": SESSIONS}},
        "ProtocolFeaturesSupported": {"ExpandQuery": {"Levels": True, "MaxLevels": 1}},
        "Oem": {"Dell": {"ServiceTag": "7XK2LM4", "ManagerMACAddress": "B0:7B:25:00:00:01"}},
    }


def system() -> dict[str, Any]:
    return {
        "@odata.id": S,
        "Id": "System.Embedded.1",
        "Model": "PowerEdge XE9680",
        "SKU": "7XK2LM4",
        "SerialNumber": "CNFCP0035200EZ",
        "UUID": "4c4c4544-0058-4b10-8032-b7c04f4c4d34",
        "BiosVersion": "2.1.3",
        "HostName": "",
        "PowerState": "On",
        "LastResetTime": "2026-11-02T10:11:12-06:00",
        "BootProgress": {"LastState": "OSRunning"},
        "Status": {"State": "Enabled", "Health": "OK", "HealthRollup": "Warning"},
        "ProcessorSummary": {"Status": {"Health": "OK"}},
        "MemorySummary": {"Status": {"Health": "Critical"}},
        "Boot": {
            "BootSourceOverrideEnabled": "Disabled",
            "BootSourceOverrideTarget": "None",
            "BootSourceOverrideTarget@Redfish.AllowableValues": ["None", "Pxe", "Cd", "Hdd", "UefiHttp"],
            "BootSourceOverrideMode": "UEFI",
        },
        "Actions": {
            "#ComputerSystem.Reset": {
                "target": f"{S}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": [
                    "On",
                    "ForceOff",
                    "ForceRestart",
                    "GracefulShutdown",
                    "PowerCycle",
                ],
            }
        },
    }


def collection(rows: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"Members": rows, "Members@odata.count": len(rows), **more}


def port(name: str, mac: str, **more: Any) -> dict[str, Any]:
    return {"@odata.id": f"{S}/EthernetInterfaces/{name}", "Id": name, "MACAddress": mac, "Status": OK, **more}


def adapter(name: str, number: int) -> dict[str, Any]:
    path = f"{C}/NetworkAdapters/{name}"
    return {
        "@odata.id": path,
        "Id": name,
        "Model": "ConnectX-7",
        "SerialNumber": f"MT23{number:04}",
        "Status": OK,
        "Controllers": [{"FirmwarePackageVersion": "28.39.1002"}],
        "NetworkDeviceFunctions": {"@odata.id": f"{path}/NetworkDeviceFunctions"},
    }


def resources() -> dict[str, Any]:
    """Everything that a GET finds, by path without query."""
    hcas = [adapter(f"InfiniBand.Slot.{slot}", slot) for slot in (40, 9)]
    gpu = {"ProcessorType": "GPU", "Model": "H100 SXM5", "Status": OK}
    drive = {
        "@odata.id": f"{S}/Storage/CPU.1/Drives/Disk.Bay.0",
        "Id": "Disk.Bay.0",
        "SerialNumber": "S6",
        "Status": OK,
    }
    storage = {"@odata.id": f"{S}/Storage/CPU.1", "Id": "CPU.1", "Drives": [{"@odata.id": drive["@odata.id"]}]}
    found: dict[str, Any] = {
        "/redfish/v1": root(),
        S: system(),
        M: {"FirmwareVersion": "7.00.60.00", "DateTime": "2026-11-02T10:11:12-06:00", "Status": OK},
        C: {"LocationIndicatorActive": False},
        f"{S}/EthernetInterfaces": collection(
            [
                port("NIC.Slot.10-1-1", "B0:26:28:00:00:0A"),
                port("NIC.Embedded.1-1-1", "B0:26:28:00:00:01", SpeedMbps=25000),
            ]
        ),
        f"{S}/Processors": collection(
            [{"Id": "CPU.Socket.1", "ProcessorType": "CPU", "Model": "Xeon 8480", "Status": OK}]
            + [{**gpu, "Id": f"Video.Slot.{n}-1", "SerialNumber": f"G{n}"} for n in (21, 22)]
        ),
        f"{S}/Memory": collection([{"Id": "DIMM.Socket.A1", "CapacityMiB": 65536, "SerialNumber": "D1", "Status": OK}]),
        f"{S}/Storage": collection([storage]),
        f"{S}/Storage/CPU.1": {**storage, "Drives": [{**drive, "CapacityBytes": 3_840_755_982_336, "Revision": "1.2"}]},
        f"{C}/NetworkAdapters": collection([*hcas, {**adapter("NIC.Embedded.1", 1), "Model": "E810"}]),
        f"{C}/PCIeDevices": collection(
            [
                {
                    "Id": f"{bus}-0",
                    "SerialNumber": number,
                    "PCIeInterface": {"LanesInUse": 16, "MaxLanes": 16, "PCIeType": "Gen5", "MaxPCIeType": "Gen5"},
                }
                for bus, number in enumerate(["G21", "G22", "MT230040", "MT230009"])
            ]
        ),
        f"{C}/PowerSubsystem/PowerSupplies": collection(
            [
                {"Id": "PSU.Slot.1", "SerialNumber": "P1", "Status": OK},
                {"Id": "PSU.Slot.2", "Status": {"State": "Absent"}},
            ]
        ),
        "/redfish/v1/Chassis": collection(
            [{"Id": "System.Embedded.1"}]
            + [{"Id": f"HGX_NVSwitch_{n}", "SerialNumber": f"N{n}", "Status": OK} for n in range(4)]
            + [{"Id": "HGX_GPU_SXM_1", "SerialNumber": "G21", "Status": OK}]
        ),
        f"{S}/Bios": {
            "Attributes": {"HttpDev1EnDis": "Disabled", "HttpDev1Interface": "NIC.Embedded.1-1-1", "Cores": 56}
        },
        f"{S}/Bios/Settings": {"Attributes": {"HttpDev1EnDis": "Enabled", "HttpDev1Uri": "http://boot/x.efi"}},
        f"{U}/FirmwareInventory": collection(
            [
                {"Id": "Installed-159-2.1.3__BIOS.Setup.1-1", "Name": "BIOS", "Version": "2.1.3", "Updateable": True},
                {"Id": "Previous-159-2.0.0__BIOS.Setup.1-1", "Name": "BIOS", "Version": "2.0.0", "Updateable": True},
                {"Id": "HGX_FW_BMC_0", "Name": "HGX", "Version": "23.12", "Updateable": False},
            ]
        ),
        f"{M}/LogServices/Sel/Entries": collection(
            [
                {"Id": str(n), "Severity": "OK", "Message": f"row {n}", "Created": "2026-11-02T10:11:12-06:00"}
                for n in range(12, 7, -1)
            ]
        ),
    }
    for row, guid in zip(hcas, ("B83FD20300000028", "b8:3f:d2:03:00:00:00:09"), strict=True):
        path = row["NetworkDeviceFunctions"]["@odata.id"]
        found[path] = collection(
            [{"Id": f"{row['Id']}-1", "InfiniBand": {"NodeGUID": guid}, "NetDevFuncType": "InfiniBand"}]
        )
    return found


class FakeBmc:
    """The server. replies: what to answer instead, by "METHOD path"; a list is used up from its front."""

    def __init__(self, folder: Path, name: str = "bmc") -> None:
        self.calls: list[Call] = []
        self.resources = copy.deepcopy(resources())
        self.replies: dict[str, Reply | list[Reply] | Callable[[Call], Reply]] = {}
        self.open: dict[str, str] = {}
        self.most_at_once = self.writes = self._at_once = 0
        self._peers: set[object] = set()
        self._opened = 0
        public, private, self.fingerprint = certificates.write(folder, name)
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.load_cert_chain(public, private)
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0, ssl_context=self._tls)
        await site.start()
        self.port = site._server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    def target(self, **more: Any) -> Target:
        values = {"user": USER, "password": PASSWORD, "fingerprint": self.fingerprint, **more}
        return Target(name="host-001", base_url=f"https://127.0.0.1:{self.port}", **values)

    @property
    def connections(self) -> int:
        """How many connections brought the requests."""
        return len(self._peers)

    def sent(self, method: str, path: str) -> list[Call]:
        return [call for call in self.calls if call.method == method and call.path == path]

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        content = await request.read()
        path = request.path.rstrip("/")
        call = Call(request.method, path, dict(request.headers), json.loads(content) if content else None)
        self.calls.append(call)
        self._peers.add(request.transport)
        is_write = "Muster-Intent" in request.headers
        self.writes += is_write
        self._at_once += 1
        self.most_at_once = max(self.most_at_once, self._at_once)
        try:
            await asyncio.sleep(0)
            reply = self._planned(call) or self._usual(call)
            if reply.hold_s:
                await asyncio.sleep(reply.hold_s)
            return await self._send(request, reply)
        finally:
            self._at_once -= 1
            self.writes -= is_write

    async def _send(self, request: web.Request, reply: Reply) -> web.StreamResponse:
        body = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode() if reply.body else b""
        response = web.Response(status=reply.status, body=body, headers=reply.headers)
        if reply.torn:
            response = web.StreamResponse(status=reply.status, headers={"Content-Length": str(len(body) + 50)})
            await response.prepare(request)
            await response.write(body)
        if reply.cut or reply.torn:
            request.transport.abort()
        return response

    def _planned(self, call: Call) -> Reply | None:
        planned = self.replies.get(f"{call.method} {call.path}")
        if isinstance(planned, list):
            return planned.pop(0) if planned else None
        return planned(call) if callable(planned) else planned

    def _usual(self, call: Call) -> Reply:
        if call.path == SESSIONS and call.method == "POST":
            return self.log_in(call)
        if call.path != "/redfish/v1" and call.headers.get("X-Auth-Token") not in self.open:
            return Reply(401, extended("RAC0402", "no session"))
        if call.method == "GET" and call.path == SESSIONS:
            return Reply(200, collection([{"@odata.id": path, "UserName": USER} for path in self.open.values()]))
        if call.method == "GET":
            found = self.resources.get(call.path)
            return Reply(404, extended("SYS403")) if found is None else Reply(200, found)
        if call.method == "DELETE":
            self.open = {token: path for token, path in self.open.items() if path != call.path}
            return Reply(204)
        if call.path == READY:
            return Reply(
                200, {"LCStatus": "Ready", "RTStatus": "Ready", "ServerStatus": "OutOfPOST", "Status": "Ready"}
            )
        return Reply(204)

    def log_in(self, call: Call) -> Reply:
        if call.body != {"UserName": USER, "Password": PASSWORD}:
            return Reply(401, extended("SYS415", "login refused"))
        self._opened += 1
        token, path = f"token-{self._opened}", f"{SESSIONS}/{self._opened}"
        self.open[token] = path
        return Reply(201, {"@odata.id": path}, {"X-Auth-Token": token, "Location": path})


class Notes:
    """Hooks that write down what they are told."""

    def __init__(self) -> None:
        self.said: list[tuple[str, ...]] = []

    async def session_opening(self, name: str) -> None:
        self.said.append(("opening", name))

    async def session_opened(self, name: str, session: Session) -> None:
        self.said.append(("opened", name, session.token))

    async def session_closed(self, name: str) -> None:
        self.said.append(("closed", name))
