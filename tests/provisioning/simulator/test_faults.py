"""Every fault shows as its row of the table says, and can be mended."""

import asyncio

import aiohttp
import pytest

from provisioning.simulator import faults, reference
from provisioning.simulator.faults import Fault
from tests.provisioning.simulator.lab import CHASSIS, MANAGER, SYSTEM, Lab, Redfish, eventually, running

pytestmark = pytest.mark.workers
EXPAND = "?$expand=*($levels=1)"
BURN_IN = {"mode": "burn-in", "operation": 1, "step": 1, "tests": [{"name": "gpu_compare", "minutes": 1}]}


async def members(bmc: Redfish, path: str) -> dict[str, dict]:
    return {row["Id"]: row for row in (await bmc.get(path + EXPAND))["Members"]}


async def install(lab: Lab, name: str = "host-001") -> Redfish:
    """Ask a host to install itself."""
    lab.boot.install()
    bmc = await lab.logged_in(name)
    await lab.boot_by_http(bmc)
    return bmc


def test_the_table_is_complete() -> None:
    assert len(faults.KINDS) == 25
    assert {kind.state for kind in faults.KINDS.values()} == {"quarantined", "in_service"}
    for name, kind in faults.KINDS.items():
        told = Fault(name, seed=1, host="h").truth()
        assert told["fault"] == name and told["expected"] == {"state": kind.state, "cause": kind.cause}


async def test_bmc_unreachable_never_answers_until_mended() -> None:
    async with running(hosts=1, faults={"host-001": "bmc_unreachable"}) as lab:
        with pytest.raises(aiohttp.ClientError):
            await lab.redfish().get("/redfish/v1/")
        assert lab.host.mend() == "bmc_unreachable"
        await lab.redfish().get("/redfish/v1/")


async def test_bmc_credentials_refuses_the_known_login() -> None:
    async with running(hosts=1, faults={"host-001": "bmc_credentials"}) as lab:
        assert await lab.redfish().login() == 401
        assert lab.journal("fault_fired")
        lab.host.mend()
        assert await lab.redfish().login() == 201


async def test_many_wrong_logins_block_the_right_one_for_a_while() -> None:
    async with running(hosts=1, scale=300) as lab:
        for _ in range(5):
            assert await lab.redfish().login("wrong") == 401
        assert await lab.redfish().login() == 401
        await eventually(lambda: not lab.host.bmc.is_blocked())
        assert await lab.redfish().login() == 201


async def test_wrong_serial_is_another_machine() -> None:
    async with running(hosts=1, faults={"host-001": "wrong_serial"}) as lab:
        bmc = await lab.logged_in()
        root, system = await bmc.get("/redfish/v1/"), await bmc.get(SYSTEM)
        assert root["Oem"]["Dell"]["ServiceTag"] == system["SKU"] != lab.host.plan.tag
        ports = await members(bmc, f"{SYSTEM}/EthernetInterfaces")
        assert lab.host.plan.boot_mac not in {port["MACAddress"] for port in ports.values()}


@pytest.mark.parametrize(
    ("fault", "path"),
    [
        ("psu_dead", f"{CHASSIS}/PowerSubsystem/PowerSupplies"),
        ("gpu_missing", f"{SYSTEM}/Processors"),
        ("hca_missing", f"{CHASSIS}/NetworkAdapters"),
        ("nvme_missing", f"{SYSTEM}/Storage/CPU.1/Drives"),
        ("dimm_missing", f"{SYSTEM}/Memory"),
    ],
)
async def test_a_part_is_absent_failed_or_not_there(fault: str, path: str) -> None:
    async with running(hosts=3, faults=dict.fromkeys(("host-001", "host-002", "host-003"), fault)) as lab:
        for name, host in lab.fleet.hosts.items():
            assert host.fault is not None
            slot, how = host.fault.slot, host.fault.how
            bmc = await lab.logged_in(name)
            path_members = await (members(bmc, path) if "Drives" not in path else drives(bmc))
            row = path_members.get(str(slot))
            if how == "unlisted":
                assert row is None
            elif how == "absent":
                assert row is not None and row["Status"]["State"] == "Absent"
            else:
                assert row is not None and row["Status"]["Health"] == "Critical"
                assert (await bmc.get(SYSTEM))["Status"]["HealthRollup"] == "Critical"
            host.mend()
            again = await (members(bmc, path) if "Drives" not in path else drives(bmc))
            assert again[str(slot)]["Status"]["Health"] == "OK"


async def drives(bmc: Redfish) -> dict[str, dict]:
    return {row["Id"]: row for row in (await bmc.get(f"{SYSTEM}/Storage/CPU.1{EXPAND}"))["Drives"]}


async def test_pcie_degraded_shows_in_the_bmc_and_in_the_ramdisk() -> None:
    async with running(hosts=1, faults={"host-001": "pcie_degraded"}) as lab:
        lab.boot.orders = {"mode": "inspect", "step": 1}
        bmc = await lab.logged_in()
        devices = (await members(bmc, f"{CHASSIS}/PCIeDevices")).values()
        bad = [
            row
            for row in devices
            if row["PCIeInterface"]["LanesInUse"] != 16 or row["PCIeInterface"]["PCIeType"] != "Gen5"
        ]
        assert [row["Description"] for row in bad] == [lab.host.fault.slot if lab.host.fault else None]
        await lab.boot_by_http(bmc)
        await eventually(lambda: "inventory" in lab.boot.stages())
        found = lab.boot.events[-1]["data"]
        slow = [row for row in found["gpus"] + found["hcas"] if (row["pcie_width"], row["pcie_gen"]) != (16, 5)]
        assert [row["serial"] for row in slow] == [bad[0]["SerialNumber"]]


async def test_firmware_faults_show_an_older_version_in_one_row() -> None:
    healthy = {"BIOS": reference.BIOS_VERSION, "iDRAC": reference.BMC_VERSION, "CPLD": reference.CPLD_VERSION}
    async with running(faults={"host-001": "bios_wrong", "host-002": "firmware_wrong"}) as lab:
        told = []
        for name in ("host-001", "host-002", "host-003"):
            bmc = await lab.logged_in(name)
            rows = await members(bmc, "/redfish/v1/UpdateService/FirmwareInventory")
            told.append({key.rpartition("__")[2]: row["Version"] for key, row in rows.items() if "Previous" not in key})
        good = told[2]
        assert {fqdd.split(".")[0]: good[fqdd] for fqdd in good if fqdd.split(".")[0] in healthy} == healthy
        for index, name in enumerate(("host-001", "host-002")):
            fault = lab.fleet.hosts[name].fault
            assert fault is not None and {fqdd for fqdd in good if told[index][fqdd] != good[fqdd]} == {fault.slot}


async def test_the_clock_is_years_off_and_can_be_set_or_not() -> None:
    async with running(faults={"host-001": "clock_wrong", "host-002": "clock_refused"}) as lab:
        for name, worked in (("host-001", True), ("host-002", False)):
            host, bmc = lab.fleet.hosts[name], await lab.logged_in(name)
            assert (await bmc.get(MANAGER))["DateTime"] < "2020" and "201" in (await bmc.call("GET", SYSTEM))[2]["Date"]
            action = f"{MANAGER}/Oem/Dell/DellTimeService/Actions/DellTimeService.ManageTime"
            ntp = {"Attributes": {"NTPConfigGroup.1.NTPEnable": "Enabled"}}
            at = lab.fleet.hosts["host-003"].bmc.now().isoformat()
            ways = [
                bmc.call("PATCH", MANAGER, {"DateTime": at}),
                bmc.call("POST", action, {"GetRequest": False, "TimeData": at}),
                bmc.call("PATCH", f"{MANAGER}/Oem/Dell/DellAttributes/iDRAC.Embedded.1", ntp),
                bmc.call("PATCH", f"{MANAGER}/NetworkProtocol", {"NTP": {"ProtocolEnabled": True}}),
            ]
            assert [status for status, _, _ in [await way for way in ways]] == [200 if worked else 400] * 4
            assert (abs(host.bmc.clock_offset_s) < 60) is worked


async def test_ethernet_unplugged_never_asks_the_boot_service() -> None:
    async with running(hosts=1, faults={"host-001": "ethernet_unplugged"}) as lab:
        await install(lab)
        await eventually(lambda: lab.host.phase == "no_boot_device")
        assert not lab.boot.gets


async def test_boot_loop_asks_again_and_again_and_never_claims() -> None:
    async with running(hosts=1, faults={"host-001": "boot_loop"}) as lab:
        await install(lab)
        await eventually(lambda: len(lab.boot.script_queries) >= 4)
        assert not lab.boot.claims and lab.host.boots == 2


async def test_post_hang_stays_on_in_post() -> None:
    async with running(hosts=1, faults={"host-001": "post_hang"}) as lab:
        bmc = await install(lab)
        await eventually(lambda: lab.journal("fault_fired"))
        await asyncio.sleep(0.5)
        system = await bmc.get(SYSTEM)
        assert (system["PowerState"], system["BootProgress"]["LastState"]) == ("On", "PCIResourceConfigStarted")
        assert not lab.boot.gets
        lab.host.mend()
        assert await bmc.reset("ForceRestart", 2) == 204
        await eventually(lambda: lab.host.agent_is_up)


async def test_disk_readonly_fails_with_its_code_and_last_lines_and_powers_off() -> None:
    async with running(hosts=1, faults={"host-001": "disk_readonly"}) as lab:
        await install(lab)
        await eventually(lambda: lab.boot.logs)
        assert lab.boot.stages()[-2:] == ["write", "failed"]
        assert lab.boot.events[-1]["data"] == {"code": "image_write"}
        assert any("write protected" in line for line in lab.boot.logs[0])
        await eventually(lambda: lab.host.power == "Off")
        assert lab.host.system is None


async def test_no_phone_home_is_installed_and_mute() -> None:
    async with running(hosts=1, faults={"host-001": "no_phone_home"}) as lab:
        await install(lab)
        await eventually(lambda: lab.host.phase == "os_mute")
        assert lab.boot.stages()[-1] == "rebooting" and not lab.boot.phone_homes
        with pytest.raises(aiohttp.ClientError):
            await lab.http.get(lab.agent_url(lab.host, "facts"))


async def test_gpu_wrong_sums_fails_the_compare_and_names_the_gpu() -> None:
    async with running(hosts=1, faults={"host-001": "gpu_wrong_sums"}) as lab:
        lab.boot.orders = BURN_IN
        await lab.boot_by_http(await lab.logged_in())
        await eventually(lambda: "tested" in lab.boot.stages())
        (result,) = lab.boot.events[-1]["data"]["results"]
        assert not result["passed"] and str(lab.host.fault and lab.host.fault.slot) in result["words"]


async def test_bios_slow_is_an_older_bios_on_which_one_test_misses_its_limit() -> None:
    async with running(hosts=1, faults={"host-001": "bios_slow"}) as lab:
        lab.boot.orders = {
            **BURN_IN,
            "tests": [{"name": "host_to_device", "minutes": 1}, {"name": "nvlink", "minutes": 1}],
        }
        await lab.boot_by_http(await lab.logged_in())
        await eventually(lambda: "tested" in lab.boot.stages())
        slow, fine = lab.boot.events[-1]["data"]["results"]
        assert not slow["passed"] and slow["value"] < slow["limit"] and fine["passed"]
        assert lab.host.bios_version == "2.1.4"


async def test_once_ignored_drops_the_first_override_only() -> None:
    async with running(hosts=1, faults={"host-001": "once_ignored"}) as lab:
        bmc = await install(lab)
        await eventually(lambda: lab.host.phase == "no_boot_device")
        assert not lab.boot.gets
        assert (await bmc.get(SYSTEM))["Boot"]["BootSourceOverrideEnabled"] == "Disabled"
        assert await bmc.boot_once("UefiHttp") == 204
        assert await bmc.reset("ForceRestart", 2) == 204
        await eventually(lambda: lab.host.agent_is_up)


async def test_power_noop_drops_the_first_reset_only() -> None:
    async with running(hosts=1, faults={"host-001": "power_noop"}) as lab:
        bmc = await lab.logged_in()
        assert await bmc.reset("On", 1) == 204
        await asyncio.sleep(0.3)
        assert lab.host.power == "Off" and lab.host.resets == 0
        assert await bmc.reset("On", 2) == 204
        await eventually(lambda: lab.host.power == "On")


async def test_bmc_busy_says_so_for_some_requests() -> None:
    async with running(hosts=1, faults={"host-001": "bmc_busy"}) as lab:
        bmc = await lab.logged_in()
        answers = [await bmc.call("GET", SYSTEM) for _ in range(60)]
        busy = [index for index, (status, _, _) in enumerate(answers) if status == 503]
        assert 4 <= len(busy) <= 9 and busy == list(range(busy[0], busy[0] + len(busy))) and busy[0] >= 5
        assert answers[busy[0]][2]["Retry-After"] == "30"


async def test_slow_post_takes_the_first_time_far_longer() -> None:
    async with running(hosts=1, faults={"host-001": "slow_post"}) as lab:
        bmc = await lab.logged_in()
        assert await bmc.reset("On", 1) == 204
        await eventually(lambda: lab.host.phase == "no_boot_device")
        assert await bmc.reset("ForceRestart", 2) == 204
        await eventually(lambda: lab.host.boots == 2 and lab.host.phase == "no_boot_device")
        first, second = [line["planned_s"] for line in lab.journal("phase") if line["phase"] == "post"]
        assert first == round(2.2 * 900) and second <= 900 * 1.3


async def test_bmc_reboot_mid_install_loses_the_session_and_nothing_else() -> None:
    async with running(hosts=1, faults={"host-001": "bmc_reboot_mid_install"}) as lab:
        bmc = await install(lab)
        await eventually(lambda: lab.journal("bmc_restart"))
        await eventually(lambda: lab.host.agent_is_up and lab.host.bmc.is_ready())
        assert (await bmc.call("GET", SYSTEM))[0] == 401 and await bmc.login() == 201
        assert len(lab.journal("bmc_restart")) == 1


async def test_dhcp_slow_is_late_or_fails_once() -> None:
    names = [f"host-{number:03d}" for number in range(1, 7)]
    async with running(hosts=6, faults=dict.fromkeys(names, "dhcp_slow")) as lab:
        lab.boot.install()
        for name in names:
            await lab.boot_by_http(await lab.logged_in(name))
        await eventually(lambda: all(host.agent_is_up for host in lab.fleet.hosts.values()))
        tries = [len([x for x in lab.journal("boot_device", name) if x["device"] == "UefiHttp"]) for name in names]
        assert set(tries) == {1, 2}, "some were late, some failed their first try"


@pytest.mark.parametrize("fault", sorted(faults.KINDS))
async def test_a_mended_host_installs(fault: str) -> None:
    """Whatever it was, hands can mend it."""
    async with running(hosts=1, faults={"host-001": fault}, delays=False) as lab:
        assert lab.host.mend() == fault and lab.host.truth()["fault"] is None
        await install(lab)
        await eventually(lambda: lab.host.agent_is_up)
