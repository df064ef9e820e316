"""BIOS settings and firmware go through jobs, and the oracle sees who disturbs them."""

import pytest

from provisioning.simulator import reference
from tests.provisioning.simulator.lab import CHASSIS, MANAGER, SYSTEM, Lab, Redfish, eventually, running

pytestmark = pytest.mark.workers
UPDATE = "/redfish/v1/UpdateService"
JOBS = f"{MANAGER}/Oem/Dell/Jobs"


async def update(lab: Lab, bmc: Redfish, file: str) -> str:
    """Start an update; the path of its task."""
    body = {"ImageURI": f"{lab.boot.url}/files/{file}", "TransferProtocol": "HTTP"}
    status, _, headers = await bmc.call("POST", f"{UPDATE}/Actions/UpdateService.SimpleUpdate", body)
    assert status == 202
    return headers["Location"]


async def versions(bmc: Redfish) -> dict[str, str]:
    rows = (await bmc.get(f"{UPDATE}/FirmwareInventory?$expand=*($levels=1)"))["Members"]
    return {row["Id"].rpartition("__")[2]: row["Version"] for row in rows if not row["Id"].startswith("Previous")}


async def test_bios_settings_wait_for_a_reset_and_take_one_job_at_a_time() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        assert await bmc.http_uri("http://127.0.0.1/a") == 202
        assert await bmc.http_uri("http://127.0.0.1/a") == 200, "the same values make no second job"
        assert await bmc.http_uri("http://127.0.0.1/b") == 400, "SYS011: one job at a time"
        assert (await bmc.get(f"{SYSTEM}/Bios"))["Attributes"]["HttpDev1Uri"] == ""
        assert (await bmc.get(f"{SYSTEM}/Bios/Settings"))["Attributes"]["HttpDev1Uri"] == "http://127.0.0.1/a"
        (job,) = (await bmc.get(f"{JOBS}?$expand=*($levels=1)"))["Members"]
        assert job["JobState"] == "Scheduled"
        assert (await bmc.call("DELETE", f"{JOBS}/{job['Id']}"))[0] == 200
        assert await bmc.http_uri("http://127.0.0.1/b") == 202
        assert await bmc.reset("On") == 204
        await eventually(lambda: lab.host.bios.get("HttpDev1Uri") == "http://127.0.0.1/b")
        assert (await bmc.get(f"{SYSTEM}/Bios/Settings"))["Attributes"] == {}
        assert (await bmc.get(JOBS))["Members@odata.count"] == 1


async def test_a_bios_update_waits_for_the_reset_and_then_runs_the_new_version() -> None:
    async with running(hosts=1, faults={"host-001": "bios_wrong"}) as lab:
        bmc = await lab.logged_in()
        assert (await bmc.get(SYSTEM))["BiosVersion"] == "2.1.4"
        task = await update(lab, bmc, "BIOS_XE9680_2.3.5.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Scheduled"])
        status, shown, _ = await bmc.call("GET", task)
        assert (status, shown["TaskState"]) == (202, "Starting")
        assert await bmc.reset("On") == 204
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Completed"])
        assert (await bmc.get(SYSTEM))["BiosVersion"] == "2.3.5" and lab.host.fault is None
        status, shown, _ = await bmc.call("GET", task)
        assert (status, shown["TaskState"], shown["TaskStatus"]) == (200, "Completed", "OK")
        assert lab.fleet.world.journal.violations == 0


async def test_the_bmc_updates_itself_and_goes_away() -> None:
    async with running(hosts=1, scale=1500) as lab:
        bmc = await lab.logged_in()
        await update(lab, bmc, "iDRAC-with-Lifecycle-Controller_7.20.10.00_A00.EXE")
        await eventually(lambda: lab.journal("bmc_restart"))
        await eventually(lab.host.bmc.is_ready)
        assert await bmc.login() == 201
        assert (await versions(bmc))["iDRAC.Embedded.1-1"] == "7.20.10.00"


async def test_hgx_firmware_runs_only_after_an_ac_cycle_with_the_host_off() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        task = await update(lab, bmc, "HGX_H100_Bundle_24.09.17.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Completed"])
        assert (await bmc.call("GET", task))[1]["Messages"][0]["MessageId"] == "RED030"
        assert (await versions(bmc))["HGX_FW_BMC_0"] == reference.HGX_FIRMWARE["HGX_FW_BMC_0"]
        await eventually(lambda: not lab.host.is_copying())
        cycle = f"{CHASSIS}/Actions/Oem/DellOemChassis.ExtendedReset"
        body = {"ResetType": "PowerCycle", "FinalPowerState": "On"}
        assert (await bmc.call("POST", cycle, body))[0] == 204
        await eventually(lambda: lab.journal("activated"))
        await eventually(lambda: lab.host.power == "On" and lab.host.bmc.is_ready())
        assert await bmc.login() == 201, "the BMC was gone, and its sessions with it"
        assert (await versions(bmc))["HGX_FW_BMC_0"] == "24.09.17"
        assert (await bmc.call("POST", cycle, body))[0] == 409, "the host is on"
        assert lab.fleet.world.journal.violations == 0


async def test_power_that_is_cut_during_a_flash_is_a_violation_and_spoils_it() -> None:
    async with running(hosts=1, scale=1000) as lab:
        bmc = await lab.logged_in()
        await update(lab, bmc, "BIOS_XE9680_2.4.0.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Scheduled"])
        assert await bmc.reset("On", 1) == 204
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Running"])
        assert await bmc.reset("ForceOff", 2) == 204
        await eventually(lambda: lab.journal("violation"))
        (broken,) = lab.journal("violation")
        assert (broken["rule"], broken["intent"]) == ("power_during_job", "2")
        assert (await bmc.get(SYSTEM))["BiosVersion"] == "2.3.5"


async def test_writes_during_an_update_are_violations() -> None:
    async with running(hosts=1, scale=200) as lab:
        bmc = await lab.logged_in()
        await update(lab, bmc, "HGX_H100_Bundle_24.09.17.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Running"])
        await bmc.http_uri("http://127.0.0.1/x")
        await bmc.call(
            "POST",
            f"{MANAGER}/Oem/Dell/DellJobService/Actions/DellJobService.DeleteJobQueue",
            {"JobID": "JID_CLEARALL"},
        )
        await bmc.call("POST", f"{MANAGER}/Actions/Manager.Reset", {"ResetType": "GracefulRestart"})
        assert [line["rule"] for line in lab.journal("violation")] == ["write_during_job"] * 3


async def test_a_package_is_pushed_or_refused_by_its_name() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()

        async def push(name: str) -> int:
            boundary = "b0undary"
            parts = (
                f'--{boundary}\r\nContent-Disposition: form-data; name="UpdateParameters"\r\n\r\n{{"Targets": []}}\r\n',
                f'--{boundary}\r\nContent-Disposition: form-data; name="UpdateFile"; filename="{name}"\r\n\r\n',
                "x" * 200_000 + f"\r\n--{boundary}--\r\n",
            )
            headers = {"X-Auth-Token": bmc.token or "", "Content-Type": f"multipart/form-data; boundary={boundary}"}
            url = f"{bmc.base}{UPDATE}/MultipartUpload"
            async with lab.http.post(url, data="".join(parts), headers=headers, ssl=False) as response:
                return response.status

        assert await push("BIOS_XE9680_2.4.0.EXE") == 202
        assert await push("cat.jpg") == 400
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Scheduled"])


async def test_the_queue_is_cleared_gently_or_by_force() -> None:
    async with running(hosts=1, scale=600) as lab:
        bmc = await lab.logged_in()
        clear = f"{MANAGER}/Oem/Dell/DellJobService/Actions/DellJobService.DeleteJobQueue"
        for name in ("JID_CLEARALL", "one", "JID_CLEARALL_FORCE"):
            assert (await bmc.call("POST", f"{SYSTEM}/Bios/Actions/Bios.ResetBios", {}))[0] == 200
            (job,) = lab.host.bmc.jobs
            asked = job if name == "one" else name
            assert (await bmc.call("POST", clear, {"JobID": asked}))[0] == 200
            assert not lab.host.bmc.jobs
        assert (await bmc.call("GET", JOBS))[0] == 503, "force restarts the lifecycle controller"
        await eventually(lab.host.bmc.is_ready)
        assert (await bmc.call("POST", clear, {"JobID": "JID_1"}))[0] == 404
        assert (await bmc.call("POST", clear, {}))[0] == 400
        assert (await bmc.call("DELETE", f"{JOBS}/JID_1"))[0] == 404


async def test_a_running_job_cannot_be_deleted_and_a_failed_download_says_so() -> None:
    async with running(hosts=1, scale=300) as lab:
        bmc = await lab.logged_in()
        lab.boot.refuse["HGX_1.2.3.EXE"] = 404
        task = await update(lab, bmc, "HGX_1.2.3.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Failed"])
        shown = (await bmc.call("GET", task))[1]
        assert (shown["TaskState"], shown["TaskStatus"]) == ("Completed", "Critical")
        task = await update(lab, bmc, "HGX_1.2.4.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Running"])
        assert (await bmc.call("DELETE", f"{JOBS}/{task.rpartition('/')[2]}"))[0] == 400


async def test_adapters_run_new_firmware_after_a_power_cycle() -> None:
    async with running(hosts=1, scale=6000) as lab:
        bmc = await lab.logged_in()
        await update(lab, bmc, "ConnectX-7_28.41.1000.EXE")
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Scheduled"])
        assert await bmc.reset("On", 1) == 204
        await eventually(lambda: [line for line in lab.journal("job") if line["state"] == "Completed"])
        assert (await versions(bmc))["InfiniBand.Slot.31-1"] == reference.HCA_VERSION
        await eventually(lambda: lab.host.phase == "no_boot_device")
        assert await bmc.reset("PowerCycle", 2) == 204
        await eventually(lambda: lab.journal("activated"))
        assert (await versions(bmc))["InfiniBand.Slot.31-1"] == "28.41.1000"


async def test_a_power_cut_during_the_background_copy_is_a_violation() -> None:
    async with running(hosts=1, scale=300) as lab:
        bmc = await lab.logged_in()
        lab.host.copies_until_s = lab.fleet.world.clock.now_s() + 1e6
        shown = await bmc.get("/redfish/v1/Chassis/HGX_ERoT_BMC_0")
        assert shown["Oem"]["Nvidia"]["BackgroundCopyStatus"] == "InProgress"
        assert await bmc.reset("On", 1) == 204
        await eventually(lambda: lab.journal("violation"))
        assert lab.journal("violation")[0]["rule"] == "power_during_copy"
