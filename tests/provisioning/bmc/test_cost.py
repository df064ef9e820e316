"""How many requests each method costs. A BMC is slow and shared: the budget is part of the contract."""

from datetime import UTC, datetime

import pytest

from tests.provisioning.bmc.fake import PERMIT, C, S, U, adapter, collection

READS = {
    "first_contact": 1,
    "identity": 3,
    "system": 1,
    "ready": 1,
    "clock": 1,
    "firmware": 1,
    "bios": 1,
    "health": 1,
    "http_boot": 2,
    "led": 1,
    "sel": 1,
    "console_tail": 1,
    "sessions": 1,
}
WRITES = {
    "reset": ("ForceRestart",),
    "set_boot_once": ("UefiHttp",),
    "set_http_boot": ("http://boot/x", "NIC.Slot.39-1-1"),
    "set_led": (True,),
    "set_clock": (datetime(2026, 11, 2, tzinfo=UTC),),
    "bmc_reset": (),
}


async def spent(bmc, call):
    before = bmc.requests
    await call
    return bmc.requests - before


@pytest.mark.parametrize(("name", "budget"), READS.items())
async def test_a_read(fake, bmc, name, budget):
    await bmc.system()
    assert await spent(bmc, getattr(bmc, name)()) == budget
    assert bmc.requests == len(fake.calls)


@pytest.mark.parametrize(("name", "values"), WRITES.items())
async def test_a_write_is_one_request(bmc, name, values):
    await bmc.system()
    assert await spent(bmc, getattr(bmc, name)(PERMIT, *values)) == 1


async def test_the_first_call_costs_the_root_and_the_login(bmc):
    assert await spent(bmc, bmc.system()) == 3


async def test_a_session_taken_over_costs_the_root_only(fake, fleet):
    fake.open["t"] = "/redfish/v1/SessionService/Sessions/9"
    from provisioning.bmc import Session

    bmc = fleet.bmc(fake.target(session=Session("t", fake.open["t"])))
    assert await spent(bmc, bmc.system()) == 2


async def test_inventory_of_a_full_host(fake, bmc):
    """Eight or ten HCAs, two storage controllers, as an XE9680 has."""
    for count in (8, 10):
        rows = [adapter(f"InfiniBand.Slot.{n}", n) for n in range(30, 30 + count)]
        for row in rows:
            path = row["NetworkDeviceFunctions"]["@odata.id"]
            fake.resources[path] = collection([{"Id": f"{row['Id']}-1", "NetDevFuncType": "InfiniBand"}])
        fake.resources[f"{C}/NetworkAdapters"] = collection([*rows, adapter("NIC.Embedded.1", 1)])
        boss = {"@odata.id": f"{S}/Storage/BOSS", "Id": "BOSS", "Drives": [{"@odata.id": f"{S}/Storage/BOSS/Drives/0"}]}
        fake.resources[f"{S}/Storage/BOSS"] = {**boss, "Drives": [{"Id": "Disk.Direct.0", "Status": {}}]}
        fake.resources[f"{S}/Storage"] = collection([fake.resources[f"{S}/Storage"]["Members"][0], boss])
        await bmc.system()
        assert await spent(bmc, bmc.inventory()) == 10 + count
        assert len((await bmc.inventory()).hcas) == count


async def test_enrol_and_install_cost_under_twenty(bmc):
    """The calls that identify and install make, with two looks at the system for each wait."""
    await bmc.first_contact()
    await bmc.identity()
    await bmc.clock()
    await bmc.ready()
    await bmc.system()
    await bmc.http_boot()
    await bmc.set_http_boot(PERMIT, "http://boot/x", "NIC.Slot.39-1-1")
    await bmc.system()
    await bmc.set_boot_once(PERMIT, "UefiHttp")
    await bmc.system()
    await bmc.reset(PERMIT, "ForceRestart")
    await bmc.system()
    await bmc.system()
    assert bmc.requests < 20


async def test_a_log_of_pages_costs_a_request_a_page(fake, bmc):
    await bmc.system()
    path = f"{U}/FirmwareInventory"
    fake.resources[path]["Members@odata.nextLink"] = f"{path}/page2"
    fake.resources[f"{path}/page2"] = collection([])
    assert await spent(bmc, bmc.firmware()) == 2
