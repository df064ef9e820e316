"""BMCs that are no Dell: discovered from the root, driven by what they advertise."""

from datetime import UTC, datetime

import pytest

from provisioning.bmc import BmcBusy, BmcUnsupported, HttpBoot
from tests.provisioning.bmc import fake as shapes
from tests.provisioning.bmc.fake import PERMIT, FakeBmc, collection

S, M, C = "/redfish/v1/Systems/1", "/redfish/v1/Managers/bmc", "/redfish/v1/Chassis/chassis"


@pytest.fixture
def generic(fake: FakeBmc) -> FakeBmc:
    """The fake as a plain Redfish BMC, with a GPU board beside the host."""
    root = {key: value for key, value in shapes.root().items() if key not in ("Vendor", "Product", "Oem")}
    system = shapes.system()
    links = {"ManagedBy": [{"@odata.id": M}], "Chassis": [{"@odata.id": f"{C}/"}]}
    actions = {"#ComputerSystem.Reset": {"target": f"{S}/Actions/Reset"}}
    system.update({"@odata.id": S, "Bios": {"@odata.id": f"{S}/BIOS"}, "Links": links, "Actions": actions})
    system["Boot"]["HttpBootUri"] = None
    fake.resources = {
        "/redfish/v1": root,
        "/redfish/v1/Systems": collection([{"@odata.id": "/redfish/v1/Systems/HGX_Baseboard_0"}, {"@odata.id": S}]),
        S: system,
        f"{S}/BIOS": {"Attributes": {"BootMode": "Uefi"}},
        M: {"FirmwareVersion": "1.2", "DateTime": "2026-11-02T10:11:12+00:00"},
        C: {"IndicatorLED": "Off"},
    }
    return fake


async def test_the_host_is_found_beside_its_gpu_board(generic, bmc):
    assert (await bmc.system()).power == "On"
    assert generic.sent("GET", S) and not generic.sent("GET", "/redfish/v1/Systems/HGX_Baseboard_0")
    assert await bmc.bios() == {"BootMode": "Uefi"}


async def test_the_tag_is_the_serial_number(generic, bmc):
    assert (await bmc.system()).tag == "CNFCP0035200EZ"


async def test_no_system_yet_is_not_ready(generic, bmc):
    """An empty collection after a reset is no bare chassis (quirk empty-members-after-reset)."""
    generic.resources["/redfish/v1/Systems"] = collection([])
    with pytest.raises(BmcBusy) as caught:
        await bmc.system()
    assert caught.value.code == "not_ready"


async def test_actions_go_where_they_are_advertised(generic, bmc):
    await bmc.reset(PERMIT, "ForceRestart")
    assert generic.calls[-1].path == f"{S}/Actions/Reset"


async def test_ready_by_the_manager(generic, bmc):
    await bmc.ready()
    generic.resources[M]["Status"] = {"State": "Starting"}
    with pytest.raises(BmcBusy):
        await bmc.ready()


async def test_http_boot_by_its_uri(generic, bmc):
    assert (await bmc.http_boot()).uri is None
    await bmc.set_http_boot(PERMIT, "http://boot/x", "NIC.1")
    assert (generic.calls[-1].path, generic.calls[-1].body) == (S, {"Boot": {"HttpBootUri": "http://boot/x"}})
    generic.resources[S]["Boot"]["HttpBootUri"] = "http://boot/x"
    uri = "http://boot/x"
    assert await bmc.http_boot() == HttpBoot(uri, True, None, uri, True, None)


async def test_http_boot_where_there_is_none(generic, bmc):
    del generic.resources[S]["Boot"]["HttpBootUri"]
    with pytest.raises(BmcUnsupported):
        await bmc.set_http_boot(PERMIT, "http://boot/x", "NIC.1")


async def test_clock_by_its_date(generic, bmc):
    await bmc.set_clock(PERMIT, datetime(2026, 11, 2, 10, 0, tzinfo=UTC))
    assert generic.calls[-1].path == M
    assert generic.calls[-1].body == {"DateTime": "2026-11-02T10:00:00+00:00", "DateTimeLocalOffset": "+00:00"}


@pytest.mark.parametrize(
    ("shown", "sent"),
    [
        ({"IndicatorLED": "Off"}, {"IndicatorLED": "Blinking"}),
        ({"LocationIndicatorActive": False}, {"LocationIndicatorActive": True}),
    ],
)
async def test_the_lamp_by_the_name_that_is_shown(generic, bmc, shown, sent):
    generic.resources[C] = shown
    await bmc.set_led(PERMIT, True)
    assert (generic.calls[-1].path, generic.calls[-1].body) == (C, sent)


async def test_no_console(generic, bmc):
    assert await bmc.console_tail() == ()


async def test_a_vendor_that_wants_the_mode_gets_it(generic, bmc):
    """Without the mode it puts back its own (quirk mode-must-be-sent)."""
    generic.resources["/redfish/v1"]["Vendor"] = "Supermicro"
    await bmc.set_boot_once(PERMIT, "Pxe")
    assert generic.calls[-1].body["Boot"]["BootSourceOverrideMode"] == "UEFI"
