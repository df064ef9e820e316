"""What each method makes of an iDRAC's answers, and what it sends."""

from datetime import UTC, datetime, timedelta

import pytest

from provisioning.bmc import BmcBusy, BmcRefused, BmcUnsupported, HttpBoot
from tests.provisioning.bmc.fake import PERMIT, READY, C, M, Reply, S, U, collection, extended, port

RESET = f"POST {S}/Actions/ComputerSystem.Reset"


async def test_identity_is_the_service_tag_not_the_board(bmc):
    """SerialNumber is the board's (quirk serial-in-sku); M37."""
    found = await bmc.identity()
    assert (found.tag, found.serial) == ("7XK2LM4", "CNFCP0035200EZ")
    assert found.boot_macs == ("b0:26:28:00:00:01", "b0:26:28:00:00:0a")
    assert (found.bmc_mac, found.bmc_firmware, found.bios) == ("b0:7b:25:00:00:01", "7.00.60.00", "2.1.3")
    assert found.host_name is None


async def test_boot_macs_leave_out_what_cannot_boot(fake, bmc):
    rows = [
        port("InfiniBand.Slot.9-1", "B0:26:28:00:00:09"),
        port("NIC.Slot.1-1", ""),
        port("usb0", "B0:26:28:00:00:07"),
    ]
    rows.append(port("NIC.Slot.2-1", "02:00:00:00:00:01", PermanentMACAddress="B0:26:28:00:00:02"))
    fake.resources[f"{S}/EthernetInterfaces"] = collection(rows)
    assert (await bmc.identity()).boot_macs == ("b0:26:28:00:00:02",)


async def test_identity_without_ports(fake, bmc):
    del fake.resources[f"{S}/EthernetInterfaces"]
    assert (await bmc.identity()).boot_macs == ()


async def test_system(bmc):
    found = await bmc.system()
    assert (found.power, found.boot_progress, found.health) == ("On", "OSRunning", "warning")
    assert found.last_reset_at == "2026-11-02T10:11:12-06:00"
    assert (found.override.enabled, found.override.target, found.override.mode) == ("Disabled", "None", "UEFI")
    assert "ForceRestart" in found.reset_kinds and "UefiHttp" in found.boot_targets


@pytest.mark.parametrize("power", [None, "", "Paused", "on", 1, ["On"]])
async def test_a_power_state_not_known_is_none(fake, bmc, power):
    """M20: never taken as off."""
    fake.resources[S]["PowerState"] = power
    assert (await bmc.system()).power is None


async def test_old_firmware_without_boot_progress(fake, bmc):
    fake.resources[S].update({"BootProgress": {"LastState": None}, "LastResetTime": ""})
    found = await bmc.system()
    assert found.boot_progress is None and found.last_reset_at is None


async def test_a_system_that_is_not_there_yet_is_busy(fake, bmc):
    """An empty collection or 404 after a reset is a BMC that starts (quirk empty-members-after-reset)."""
    del fake.resources[S]
    with pytest.raises(BmcBusy) as caught:
        await bmc.system()
    assert caught.value.code == "not_ready"


async def test_ready_is_what_the_lifecycle_controller_says(fake, bmc):
    await bmc.ready()
    assert "Muster-Intent" not in fake.calls[-1].headers
    status = {"LCStatus": "InUse", "RTStatus": "Ready", "ServerStatus": "InPOST", "Status": "NotReady"}
    fake.replies[f"POST {READY}"] = Reply(200, status)
    with pytest.raises(BmcBusy) as caught:
        await bmc.ready()
    assert caught.value.code == "not_ready" and "LCStatus InUse" in caught.value.words


async def test_ready_of_old_firmware_is_what_the_manager_says(fake, bmc):
    fake.replies[f"POST {READY}"] = Reply(404)
    await bmc.ready()
    fake.resources[M]["Status"]["State"] = "Starting"
    with pytest.raises(BmcBusy):
        await bmc.ready()


async def test_clock_measures_the_offset(fake, bmc):
    """M33: a clock that is hours off breaks installs in ways that do not look like a clock."""
    fake.resources[M]["DateTime"] = (datetime.now(UTC) - timedelta(hours=6)).isoformat()
    assert (await bmc.clock()).offset_s == pytest.approx(-6 * 3600, abs=600)


async def test_clock_by_the_date_header(fake, bmc):
    fake.resources[M]["DateTime"] = "not yet set"
    assert abs((await bmc.clock()).offset_s) < 600
    fake.replies[f"GET {M}"] = Reply(200, {"Id": "x"}, {"Date": "never"})
    with pytest.raises(BmcUnsupported):
        await bmc.clock()


async def test_set_clock(fake, bmc):
    await bmc.set_clock(PERMIT, datetime(2026, 11, 2, 10, 0, 0, 123, tzinfo=UTC))
    call = fake.calls[-1]
    assert call.path == f"{M}/Oem/Dell/DellTimeService/Actions/DellTimeService.ManageTime"
    assert call.body == {"GetRequest": False, "TimeData": "2026-11-02T10:00:00+00:00"}


async def test_firmware_is_what_is_installed_by_component_and_place(bmc):
    """Ids hold the version and change with each update (quirk firmware-id-has-version)."""
    rows = await bmc.firmware()
    assert [(row.component, row.fqdd, row.version, row.updateable) for row in rows] == [
        ("159", "BIOS.Setup.1-1", "2.1.3", True),
        ("HGX_FW_BMC_0", "", "23.12", False),
    ]


async def test_firmware_over_pages_each_row_once(fake, bmc):
    rows = [{"Id": f"Installed-1-{n}__NIC.Slot.{n}-1-1 ", "Version": ""} for n in range(60)]
    path = f"{U}/FirmwareInventory"
    pages = [collection(rows[:50], **{"Members@odata.nextLink": f"{path}?$skip=50"}), collection(rows[49:])]
    fake.replies[f"GET {path}"] = [Reply(200, page) for page in pages]
    found = await bmc.firmware()
    assert len(found) == 60 and found[0].fqdd == "NIC.Slot.0-1-1" and found[0].version is None


async def test_a_next_link_in_a_circle_ends(fake, bmc):
    path = f"{U}/FirmwareInventory"
    fake.resources[path] = collection([], **{"Members@odata.nextLink": path})
    assert await bmc.firmware() == ()
    assert len(fake.sent("GET", path)) == 20


async def test_bios(fake, bmc):
    fake.resources[f"{S}/Bios"]["Attributes"].update({"Empty": "", "Odd": [1], "On": True})
    found = await bmc.bios()
    assert found["Cores"] == 56 and found["HttpDev1EnDis"] == "Disabled"
    assert found["Empty"] is None and found["Odd"] is None


async def test_health_with_power_supplies(bmc):
    found = await bmc.health(psus=True)
    assert (found.overall, found.processors, found.memory) == ("warning", "ok", "critical")
    supplies = [(row.slot, row.present, row.health) for row in found.psus]
    assert supplies == [("PSU.Slot.1", True, "ok"), ("PSU.Slot.2", False, "unknown")]
    assert (await bmc.health()).psus == ()


async def test_http_boot_now_and_after_the_next_reset(bmc):
    assert await bmc.http_boot() == HttpBoot(
        uri=None,
        enabled=False,
        interface="NIC.Embedded.1-1-1",
        pending_uri="http://boot/x.efi",
        pending_enabled=True,
        pending_interface="NIC.Embedded.1-1-1",
    )


async def test_http_boot_with_nothing_pending(fake, bmc):
    """Some leave Attributes out of Settings when nothing waits."""
    fake.resources[f"{S}/Bios/Settings"] = {"Id": "Settings"}
    fake.resources[f"{S}/Bios"]["Attributes"].update({"HttpDev1EnDis": "Enabled", "HttpDev1Uri": "http://boot/y.efi"})
    found = await bmc.http_boot()
    assert (found.uri, found.enabled) == (found.pending_uri, found.pending_enabled) == ("http://boot/y.efi", True)


@pytest.mark.parametrize(
    ("uri", "tls"), [("http://boot/u/x/ipxe.efi", "None"), ("https://boot/u/x/ipxe.efi", "OneWay")]
)
async def test_set_http_boot_is_one_bios_change(fake, bmc, uri, tls):
    """One job at a time, always with the apply time (quirks pending-committed, bios-needs-applytime)."""
    await bmc.set_http_boot(PERMIT, uri, "NIC.Slot.39-1-1")
    call = fake.calls[-1]
    assert (call.method, call.path) == ("PATCH", f"{S}/Bios/Settings")
    assert call.body == {
        "@Redfish.SettingsApplyTime": {"ApplyTime": "OnReset"},
        "Attributes": {
            "HttpDev1EnDis": "Enabled",
            "HttpDev1Interface": "NIC.Slot.39-1-1",
            "HttpDev1Protocol": "IPv4",
            "HttpDev1TlsMode": tls,
            "HttpDev1Uri": uri,
        },
    }


async def test_no_interface_leaves_the_port_as_it_is(fake, bmc):
    await bmc.set_http_boot(PERMIT, "http://boot/x", "")
    assert "HttpDev1Interface" not in fake.calls[-1].body["Attributes"]


async def test_a_bios_change_that_waits_is_a_conflict(fake, bmc):
    fake.replies[f"PATCH {S}/Bios/Settings"] = Reply(400, extended("SYS011", "Pending values are already committed"))
    with pytest.raises(BmcRefused) as caught:
        await bmc.set_http_boot(PERMIT, "http://boot/x", "NIC.Slot.39-1-1")
    assert caught.value.code == "conflict"


async def test_override_without_mode_when_it_is_right(fake, bmc):
    """Sending the mode again makes a job and a second reboot (quirk mode-patch-makes-job)."""
    await bmc.set_boot_once(PERMIT, "UefiHttp")
    assert fake.calls[-1].body == {
        "Boot": {"BootSourceOverrideEnabled": "Once", "BootSourceOverrideTarget": "UefiHttp"}
    }


async def test_override_with_mode_when_it_differs(fake, bmc):
    fake.resources[S]["Boot"]["BootSourceOverrideMode"] = "Legacy"
    await bmc.set_boot_once(PERMIT, "Pxe")
    assert fake.calls[-1].body["Boot"]["BootSourceOverrideMode"] == "UEFI"


async def test_override_cleared(fake, bmc):
    await bmc.set_boot_once(PERMIT, "None")
    assert fake.calls[-1].body == {
        "Boot": {"BootSourceOverrideEnabled": "Disabled", "BootSourceOverrideTarget": "None"}
    }


async def test_a_target_that_is_not_offered_is_not_sent(fake, bmc):
    fake.resources[S]["Boot"]["BootSourceOverrideTarget@Redfish.AllowableValues"] = ["None", "Pxe"]
    with pytest.raises(BmcUnsupported):
        await bmc.set_boot_once(PERMIT, "UefiHttp")
    assert all(call.method != "PATCH" for call in fake.calls)


async def test_an_error_inside_200_is_a_refusal(fake, bmc):
    fake.replies[f"PATCH {S}"] = Reply(200, extended("SYS428", "The value is not valid."))
    with pytest.raises(BmcRefused) as caught:
        await bmc.set_boot_once(PERMIT, "Pxe")
    assert caught.value.words == "HTTP 200: The value is not valid."


@pytest.mark.parametrize(
    "kind", ["On", "ForceOff", "ForceRestart", "GracefulShutdown", "GracefulRestart", "PowerCycle"]
)
async def test_reset(fake, bmc, kind):
    await bmc.reset(PERMIT, kind)
    call = fake.sent(*RESET.split())[0]
    assert call.body == {"ResetType": kind} and call.headers["Muster-Intent"] == "42"


@pytest.mark.parametrize(("kind", "power"), [("On", "On"), ("ForceOff", "Off"), ("GracefulShutdown", "PoweringOff")])
@pytest.mark.parametrize("message_id", ["PSU501", "ActionParameterValueConflict", "GeneralError"])
async def test_a_conflict_when_the_host_is_there_already_is_success(fake, bmc, kind, power, message_id):
    fake.replies[RESET] = Reply(409, extended(message_id))
    fake.resources[S]["PowerState"] = power
    await bmc.reset(PERMIT, kind)


@pytest.mark.parametrize(("kind", "power"), [("On", "Off"), ("ForceOff", "On"), ("ForceRestart", "On"), ("On", None)])
async def test_a_conflict_when_it_is_not_there_stays_one(fake, bmc, kind, power):
    """409 to On right after off passes by itself (M22): said as passing, not repeated here."""
    fake.replies[RESET] = Reply(409, extended("ActionParameterValueConflict"))
    fake.resources[S]["PowerState"] = power
    with pytest.raises(BmcRefused) as caught:
        await bmc.reset(PERMIT, kind)
    assert (caught.value.code, caught.value.passing, caught.value.retry_after_s) == ("settling", True, 5)
    assert len(fake.sent(*RESET.split())) == 1


async def test_bmc_reset(fake, bmc):
    await bmc.bmc_reset(PERMIT)
    assert (fake.calls[-1].path, fake.calls[-1].body) == (
        f"{M}/Actions/Manager.Reset",
        {"ResetType": "GracefulRestart"},
    )


async def test_lamp(fake, bmc):
    assert await bmc.led() is False
    await bmc.set_led(PERMIT, True)
    assert (fake.calls[-1].path, fake.calls[-1].body) == (C, {"LocationIndicatorActive": True})


@pytest.mark.parametrize(("shown", "lit"), [("Blinking", True), ("Lit", True), ("Off", False), (None, False)])
async def test_lamp_by_its_old_name(fake, bmc, shown, lit):
    fake.resources[C] = {"IndicatorLED": shown}
    assert await bmc.led() is lit


async def test_every_write_carries_its_intent_and_no_read_does(fake, bmc):
    await bmc.identity()
    await bmc.inventory()
    await bmc.ready()
    await bmc.console_tail()
    assert not [call for call in fake.calls if "Muster-Intent" in call.headers]
    writes = [
        bmc.reset(PERMIT, "On"),
        bmc.set_boot_once(PERMIT, "Pxe"),
        bmc.set_http_boot(PERMIT, "http://b/x", "n"),
        bmc.set_led(PERMIT, True),
        bmc.set_clock(PERMIT, datetime.now(UTC)),
        bmc.bmc_reset(PERMIT),
    ]
    for write in writes:
        await write
        assert fake.calls[-1].headers["Muster-Intent"] == "42"


async def test_event_log_newest_first(bmc):
    rows = await bmc.sel()
    assert [row.id for row in rows] == [12, 11, 10, 9, 8]
    assert rows[0].at == datetime(2026, 11, 2, 16, 11, 12, tzinfo=UTC) and rows[0].severity == "ok"
    assert [row.id for row in await bmc.sel(limit=2)] == [12, 11]
    assert [row.id for row in await bmc.sel(after=10)] == [12, 11]


async def test_event_log_pages_until_what_is_known(fake, bmc):
    """Pages overlap when entries arrive meanwhile (quirk page-overlap)."""
    path = f"{M}/LogServices/Sel/Entries"

    def page(first, last, more=True):
        rows = [{"Id": str(n), "Created": "yesterday", "Severity": "Critical"} for n in range(first, last, -1)]
        return Reply(200, collection(rows, **({"Members@odata.nextLink": f"{path}?$skip=50"} if more else {})))

    fake.replies[f"GET {path}"] = [page(100, 50), page(51, 1), page(5, 0)]
    assert len(await bmc.sel(limit=90)) == 90
    fake.replies[f"GET {path}"] = [page(100, 50), page(50, 0), page(5, 0)]
    assert [row.id for row in await bmc.sel(after=40, limit=500)] == list(range(100, 40, -1))
    assert len(fake.replies[f"GET {path}"]) == 1
    fake.replies[f"GET {path}"] = [page(100, 50, more=False)]
    row = (await bmc.sel())[0]
    assert (row.at, row.raw_at, row.severity) == (None, "yesterday", "critical")


async def test_console(fake, bmc):
    path = f"POST {M}/SerialInterfaces/Serial.1/Actions/Oem/DellSerialInterface.SerialDataExport"
    fake.replies[path] = Reply(200, b"\x1b[2JBooting\r\n\r\npanic: \xff here\x00\r\n", {"Content-Type": "text/plain"})
    assert await bmc.console_tail() == ("[2JBooting", "panic: \ufffd here")
    for reply in (Reply(204), Reply(404), Reply(400, extended("SYS999"))):
        fake.replies[path] = reply
        assert await bmc.console_tail() == ()
    fake.replies[path] = Reply(503, extended("SYS518"))
    with pytest.raises(BmcBusy):
        await bmc.console_tail()
