"""The Redfish tree over TLS: logins, errors, OData, inventory, clock, logs."""

import asyncio
import base64
import hashlib
import ssl
from datetime import UTC, datetime

import aiohttp
import pytest

from provisioning.simulator import reference
from tests.provisioning.simulator.lab import CHASSIS, MANAGER, SYSTEM, Lab, eventually, running

pytestmark = pytest.mark.workers
SESSIONS = "/redfish/v1/SessionService/Sessions"
INVENTORY = "/redfish/v1/UpdateService/FirmwareInventory"
EXPAND = "?$expand=*($levels=1)"


def message(answer: dict) -> str:
    return answer["error"]["@Message.ExtendedInfo"][0]["MessageId"].rpartition(".")[2]


async def test_the_root_is_open_and_the_rest_wants_a_login() -> None:
    async with running() as lab:
        bmc = lab.redfish()
        root = await bmc.get("/redfish/v1/")
        assert root["Vendor"] == "Dell" and root["Oem"]["Dell"]["ServiceTag"] == lab.host.plan.tag
        status, answer, _ = await bmc.call("GET", SYSTEM)
        assert (status, message(answer)) == (401, "AccessDenied")
        basic = {"Authorization": "Basic " + base64.b64encode(b"root:calvin").decode()}
        assert (await bmc.call("GET", SYSTEM, headers=basic))[0] == 200
        assert await bmc.login("wrong") == 401
        assert await bmc.login() == 201
        assert (await bmc.get(SYSTEM))["SKU"] == lab.host.plan.tag


async def test_eight_sessions_and_no_more_until_one_ends() -> None:
    async with running() as lab:
        clients = [lab.redfish() for _ in range(9)]
        assert [await client.login() for client in clients] == [201] * 8 + [503]
        listed = await clients[0].get(SESSIONS)
        assert listed["Members@odata.count"] == 8
        status, _, _ = await clients[0].call("DELETE", clients[1].location)
        assert status == 200
        assert (await clients[1].call("GET", SYSTEM))[0] == 401
        assert await clients[8].login() == 201
        assert len(lab.journal("session_open")) == 9 and len(lab.journal("session_close")) == 1


async def test_unused_sessions_expire() -> None:
    async with running() as lab:
        bmc = await lab.logged_in()
        lab.host.bmc.sessions[bmc.token or ""].used_s -= lab.fleet.world.session_idle_s + 1
        assert (await bmc.call("GET", SYSTEM))[0] == 401
        assert lab.journal("session_expired")


async def test_every_bmc_has_a_certificate_of_its_own_that_the_seed_decides() -> None:
    def fingerprint(lab: Lab, name: str) -> str:
        address = (lab.fleet.hosts[name].plan.bmc_address, lab.fleet.bmc_listener.port)
        pem = ssl.get_server_certificate(address)
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()

    async with running() as lab:
        first = [await asyncio.to_thread(fingerprint, lab, name) for name in ("host-001", "host-002")]
    async with running() as lab:
        again = [await asyncio.to_thread(fingerprint, lab, name) for name in ("host-001", "host-002")]
    async with running(seed=2) as lab:
        other = await asyncio.to_thread(fingerprint, lab, "host-001")
    assert first == again and len({*first, other}) == 3


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "said"),
    [
        ("GET", "/redfish/v1/Nothing", None, 404, "SYS403"),
        ("GET", f"{SYSTEM}/Memory/DIMM.Socket.Z9", None, 404, "SYS403"),
        ("PUT", SYSTEM, {}, 405, "SYS402"),
        ("DELETE", SYSTEM, None, 405, "SYS402"),
        ("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", None, 415, "UnsupportedMediaType"),
        ("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", [], 400, "UnrecognizedRequestBody"),
        ("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset", {}, 400, "ActionParameterMissing"),
        (
            "POST",
            f"{SYSTEM}/Actions/ComputerSystem.Reset",
            {"ResetType": "Explode"},
            400,
            "ActionParameterValueNotInList",
        ),
        ("PATCH", SYSTEM, {"Boot": {"BootSourceOverrideTarget": "Moon"}}, 400, "PropertyValueNotInList"),
        ("PATCH", SYSTEM, {"Colour": "red"}, 400, "PropertyUnknown"),
        ("PATCH", f"{SYSTEM}/Bios/Settings", {"Attributes": {"Nope": "x"}}, 400, "SYS428"),
        ("GET", f"{SYSTEM}/Memory?$skip=x", None, 400, "PropertyValueTypeError"),
    ],
)
async def test_errors_have_dells_shape(method: str, path: str, body: object, status: int, said: str) -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        got, answer, _ = await bmc.call(method, path, body)
        assert (got, message(answer)) == (status, said)


async def test_pages_of_fifty_expand_and_select() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        for _ in range(60):
            lab.host.bmc.log("Lclog", "TST0001", "a line")
        log = f"{MANAGER}/LogServices/Lclog/Entries"
        first = await bmc.get(log)
        assert len(first["Members"]) == 50 < first["Members@odata.count"]
        second = await bmc.get(first["Members@odata.nextLink"])
        numbers = [int(row["Id"]) for row in first["Members"] + second["Members"]]
        assert numbers == sorted(numbers, reverse=True) and "Members@odata.nextLink" not in second
        assert len(numbers) == first["Members@odata.count"]
        links = (await bmc.get(f"{SYSTEM}/Memory"))["Members"]
        assert len(links) == 32 and set(links[0]) == {"@odata.id"}
        few = await bmc.get(f"{SYSTEM}/Memory{EXPAND}&$top=2&$skip=30")
        assert [row["Id"] for row in few["Members"]] == ["DIMM.Socket.B15", "DIMM.Socket.B16"]
        drives = (await bmc.get(f"{SYSTEM}/Storage/CPU.1{EXPAND}"))["Drives"]
        assert len(drives) == 8 and drives[0]["SerialNumber"]
        assert set(await bmc.get(f"{SYSTEM}?$select=PowerState")) == {
            "@odata.context",
            "@odata.id",
            "@odata.type",
            "PowerState",
        }


async def test_if_match_guards_a_write() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        _, _, headers = await bmc.call("GET", SYSTEM)
        body = {"LocationIndicatorActive": True}
        assert (await bmc.call("PATCH", SYSTEM, body, headers={"If-Match": headers["ETag"]}))[0] == 204
        status, answer, _ = await bmc.call("PATCH", SYSTEM, body, headers={"If-Match": headers["ETag"]})
        assert (status, message(answer)) == (412, "PreconditionFailed")
        assert (await bmc.call("PATCH", CHASSIS, body, headers={"If-Match": "*"}))[0] == 204
        assert (await bmc.get(CHASSIS))["LocationIndicatorActive"]


async def test_a_healthy_host_is_the_reference_machine() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        system = await bmc.get(SYSTEM)
        assert (system["Model"], system["BiosVersion"]) == ("PowerEdge XE9680", "2.3.5")
        processors = (await bmc.get(f"{SYSTEM}/Processors{EXPAND}"))["Members"]
        assert [row["ProcessorType"] for row in processors] == ["CPU"] * 2 + ["GPU"] * 8
        adapters = (await bmc.get(f"{CHASSIS}/NetworkAdapters{EXPAND}"))["Members"]
        assert len(adapters) == 9
        functions = await bmc.get(f"{CHASSIS}/NetworkAdapters/InfiniBand.Slot.33/NetworkDeviceFunctions{EXPAND}")
        assert functions["Members"][0]["InfiniBand"]["NodeGUID"] == "00:00:00:01:00:00:00:02"
        devices = (await bmc.get(f"{CHASSIS}/PCIeDevices{EXPAND}"))["Members"]
        lanes = {"LanesInUse": 16, "MaxLanes": 16, "MaxPCIeType": "Gen5", "PCIeType": "Gen5"}
        assert len(devices) == 16 and all(row["PCIeInterface"] == lanes for row in devices)
        assert {row["SerialNumber"] for row in processors[2:]} <= {row["SerialNumber"] for row in devices}
        assert len((await bmc.get(f"{CHASSIS}/PowerSubsystem/PowerSupplies"))["Members"]) == 6
        chassis = [row["@odata.id"].rpartition("/")[2] for row in (await bmc.get("/redfish/v1/Chassis"))["Members"]]
        assert sum(name.startswith("HGX_NVSwitch_") for name in chassis) == 4
        rows = await bmc.get(INVENTORY + EXPAND)
        versions = {row["Id"]: row["Version"] for row in rows["Members"]}
        assert versions["Installed-159-2.3.5__BIOS.Setup.1-1"] == reference.BIOS_VERSION
        assert versions["HGX_FW_BMC_0"] == "24.05.1" and "Members@odata.nextLink" not in rows
        assert sum("InfiniBand" in name for name in versions) == 8


async def test_serials_depend_on_the_seed_and_nothing_else() -> None:
    async def serials(seed: int) -> list[str]:
        async with running(hosts=1, seed=seed) as lab:
            bmc = await lab.logged_in()
            return [row["SerialNumber"] for row in (await bmc.get(f"{SYSTEM}/Memory{EXPAND}"))["Members"]]

    first = await serials(1)
    assert first == await serials(1) and len(set(first)) == 32
    assert not set(first) & set(await serials(5))


async def test_the_clock_can_be_set_three_ways() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        at = datetime(2031, 5, 1, 12, 0, tzinfo=UTC)
        assert (await bmc.call("PATCH", MANAGER, {"DateTime": at.isoformat()}))[0] == 200
        assert (await bmc.get(MANAGER))["DateTime"].startswith("2031-05-01T12:0")
        action = f"{MANAGER}/Oem/Dell/DellTimeService/Actions/DellTimeService.ManageTime"
        assert (await bmc.call("POST", action, {"GetRequest": False, "TimeData": "2032-05-01T12:00:00+00:00"}))[
            0
        ] == 200
        read = (await bmc.call("POST", action, {"GetRequest": True}))[1]
        assert read["TimeData"].startswith("2032-05-01T12:0")
        ntp = {"Attributes": {"NTPConfigGroup.1.NTPEnable": "Enabled"}}
        path = f"{MANAGER}/Oem/Dell/DellAttributes/iDRAC.Embedded.1"
        assert (await bmc.call("PATCH", path, ntp))[0] == 200
        await eventually(lambda: abs((lab.host.bmc.now() - datetime.now(UTC)).total_seconds()) < 5)
        status, answer, _ = await bmc.call("PATCH", MANAGER, {"DateTime": at.isoformat()})
        assert (status, message(answer)) == (400, "PropertyNotWritable")


async def test_a_bmc_reset_drops_sessions_and_connections_for_minutes() -> None:
    async with running(hosts=1, scale=300) as lab:
        bmc = await lab.logged_in()
        status, _, _ = await bmc.call("POST", f"{MANAGER}/Actions/Manager.Reset", {"ResetType": "GracefulRestart"})
        assert status == 204
        await eventually(lab.host.bmc.is_away)
        with pytest.raises(aiohttp.ClientError):
            await bmc.call("GET", "/redfish/v1/")
        await eventually(lambda: not lab.host.bmc.is_away())
        fresh = lab.redfish()
        status, answer, headers = await fresh.call("GET", SYSTEM)
        assert (status, message(answer), headers["Retry-After"]) == (503, "SYS518", "30")
        await eventually(lab.host.bmc.is_ready)
        assert (await bmc.call("GET", SYSTEM))[0] == 401
        assert await bmc.login() == 201


async def test_console_and_readiness_are_dells_actions() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        lab.host.say("a line on the console")
        url = f"{bmc.base}{MANAGER}/SerialInterfaces/Serial.1/Actions/Oem/DellSerialInterface.SerialDataExport"
        async with lab.http.post(url, json={}, headers={"X-Auth-Token": bmc.token or ""}, ssl=False) as response:
            assert (await response.text()).splitlines() == ["a line on the console"]
        action = f"{MANAGER}/Oem/Dell/DellLCService/Actions/DellLCService.GetRemoteServicesAPIStatus"
        ready = (await bmc.call("POST", action, {}))[1]
        assert (ready["LCStatus"], ready["ServerStatus"]) == ("Ready", "PoweredOff")


async def test_virtual_media() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        medium = f"{SYSTEM}/VirtualMedia/1"
        insert, eject = (f"{medium}/Actions/VirtualMedia.{verb}" for verb in ("InsertMedia", "EjectMedia"))
        assert (await bmc.call("POST", insert, {}))[0] == 400
        assert (await bmc.call("POST", insert, {"Image": "http://127.0.0.1/x.iso"}))[0] == 204
        assert (await bmc.get(medium))["Inserted"]
        assert (await bmc.call("POST", insert, {"Image": "http://127.0.0.1/x.iso"}))[0] == 409
        assert [(await bmc.call("POST", eject, {}))[0] for _ in range(2)] == [204, 409]


async def test_accounts_are_slots_and_the_password_changes() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        accounts = "/redfish/v1/AccountService/Accounts"
        assert (await bmc.call("PATCH", f"{accounts}/3", {"UserName": "second", "Enabled": True}))[0] == 200
        assert (await bmc.get(f"{accounts}/3"))["UserName"] == "second"
        assert (await bmc.call("GET", f"{accounts}/17"))[0] == 404
        assert (await bmc.call("PATCH", f"{accounts}/2", {"Password": "new"}))[0] == 200
        other = lab.redfish()
        assert await other.login() == 401 and await other.login("new") == 201
        await bmc.get(SYSTEM)  # the old session lives on


async def test_attributes_are_set_at_once_and_unknown_ones_are_refused() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        path = f"{MANAGER}/Oem/Dell/DellAttributes/System.Embedded.1"
        name = {"ServerTopology.1.RackName": "A01"}
        assert (await bmc.call("PATCH", path, {"Attributes": name}))[0] == 200
        assert (await bmc.get(path))["Attributes"]["ServerTopology.1.RackName"] == "A01"
        for wrong in ({}, {"Attributes": {"No.1.Such": "x"}}, {"Attributes": {"ServerTopology.1.RackName": []}}):
            assert (await bmc.call("PATCH", path, wrong))[0] == 400
        servers = {"NTP": {"ProtocolEnabled": False, "NTPServers": ["127.0.0.1"]}}
        assert (await bmc.call("PATCH", f"{MANAGER}/NetworkProtocol", servers))[0] == 200
        assert (await bmc.get(f"{MANAGER}/NetworkProtocol"))["NTP"]["NTPServers"] == ["127.0.0.1", ""]


async def test_logs_can_be_cleared_and_their_ids_only_rise() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        log = f"{MANAGER}/LogServices/Sel"
        before = (await bmc.get(f"{log}/Entries"))["Members"][0]
        assert (await bmc.call("POST", f"{log}/Actions/LogService.ClearLog", {}))[0] == 200
        (after,) = (await bmc.get(f"{log}/Entries"))["Members"]
        assert int(after["Id"]) > int(before["Id"]) and await bmc.get(f"{log}/Entries/{after['Id']}") == after


async def test_every_link_of_the_tree_leads_somewhere() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        assert await bmc.http_uri("http://127.0.0.1/x") == 202
        seen: set[str] = set()
        waiting = ["/redfish", "/redfish/v1/", "/redfish/v1/odata"]
        while waiting:
            path = waiting.pop()
            answer = (await bmc.call("GET", path))[:2]
            assert answer[0] in (200, 202), path
            assert answer[1].get("@odata.id", path).rstrip("/") == path.rstrip("/")
            fresh = links(answer[1]) - seen
            seen |= fresh
            waiting += fresh
        assert len(seen) > 200


def links(value: object) -> set[str]:
    """All that a resource points to."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    found = {path for one in inner for path in links(one)}
    if isinstance(value, dict) and isinstance(value.get("@odata.id"), str):
        found.add(value["@odata.id"])
    return found


async def test_expanding_one_resource_follows_its_links_once() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        chassis = await bmc.get(f"{CHASSIS}{EXPAND}")
        assert len(chassis["NetworkAdapters"]["Members"]) == 9 and "PowerSupplies" in chassis["PowerSubsystem"]
        assert set(chassis["Links"]["ManagedBy"][0]) == {"@odata.id"}


async def test_answers_may_take_their_time() -> None:
    async with running(hosts=1, latency_ms=50) as lab:
        begun = asyncio.get_running_loop().time()
        await lab.redfish().get("/redfish/v1/")
        assert asyncio.get_running_loop().time() - begun >= 0.05
