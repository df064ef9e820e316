"""Hosts boot for real: firmware, ramdisk, installed system, each as the boot service sees it."""

import pytest

from tests.provisioning.simulator.lab import SYSTEM, eventually, running

pytestmark = pytest.mark.workers


async def test_install_by_uefi_http_from_power_on_to_phone_home() -> None:
    async with running() as lab:
        lab.boot.install(serial=lab.host.tag)
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.boot.phone_homes)
        stages = ["kernel", "agent", "network", "inventory", "write", "write", "write", "written", "rebooting"]
        assert lab.boot.stages() == stages
        assert "u/one-time-uri-token-of-64/ipxe.efi" in lab.boot.gets
        assert "u/one-time-uri-token-of-64/autoexec.ipxe" in lab.boot.gets
        assert lab.boot.claims[0]["mac"] == lab.host.plan.boot_mac
        assert lab.boot.claims[0]["boot_id"] != lab.boot.phone_homes[0]["boot_id"] == lab.host.boot_id
        assert lab.boot.ranges == ["bytes=0-65535", f"bytes={262144 - 65536}-262143"]
        system = await bmc.get(SYSTEM)
        assert (system["PowerState"], system["BootProgress"]["LastState"]) == ("On", "OSRunning")
        assert system["Boot"]["BootSourceOverrideEnabled"] == "Disabled"
        headers = {"Authorization": "Bearer agent-token"}
        async with lab.http.get(lab.agent_url(lab.host, "facts"), headers=headers) as response:
            facts = await response.json()
        assert facts["boot_id"] == lab.host.boot_id and facts["hostname"] == "node-1"
        assert lab.fleet.world.journal.violations == 0


async def test_pxe_asks_with_its_identity() -> None:
    async with running(hosts=1) as lab:
        lab.boot.orders = {"mode": "inspect", "operation": 1, "step": 1}
        bmc = await lab.logged_in()
        assert await bmc.boot_once("Pxe") == 204
        assert await bmc.reset("On") == 204
        await eventually(lambda: "inventory" in lab.boot.stages())
        (asked,) = lab.boot.script_queries
        assert asked == {"mac": lab.host.boot_mac, "uuid": lab.host.uuid, "serial": lab.host.tag}
        found = lab.boot.events[-1]["data"]
        counts = {name: len(found[name]) for name in ("cpus", "dimms", "drives", "nics", "hcas", "gpus")}
        assert counts == {"cpus": 2, "dimms": 32, "drives": 10, "nics": 2, "hcas": 8, "gpus": 8}
        assert found["hcas"][5]["node_guid"] == lab.host.plan.node_guids[5]
        assert lab.host.power == "On"


async def test_burn_in_reports_each_test_and_waits() -> None:
    async with running(hosts=1) as lab:
        tests = [
            {"name": "gpu_compare", "minutes": 10},
            {"name": "nvlink", "minutes": 5},
            {"name": "new", "minutes": 1},
        ]
        lab.boot.orders = {"mode": "burn-in", "operation": 1, "step": 9, "tests": tests}
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: "tested" in lab.boot.stages())
        results = [event["data"] for event in lab.boot.events if event["stage"] == "test"]
        assert [result["name"] for result in results] == ["gpu_compare", "nvlink", "new"]
        assert lab.boot.events[-1]["data"] == {"passed": True, "results": results}
        assert all(event["step"] == 9 for event in lab.boot.events)
        assert lab.host.power == "On"


async def test_an_idle_ramdisk_takes_further_orders_without_a_boot() -> None:
    async with running(hosts=1) as lab:
        tests = [{"name": "nvlink", "minutes": 1}]
        lab.boot.orders = {"mode": "burn-in", "operation": 1, "step": 9, "tests": tests}
        await lab.boot_by_http(await lab.logged_in())
        await eventually(lambda: "tested" in lab.boot.stages())
        resets = lab.host.resets
        lab.boot.install()
        await eventually(lambda: lab.boot.phone_homes)
        assert (len(lab.boot.claims), lab.boot.stages().count("tested"), lab.host.resets) == (1, 1, resets)
        assert lab.boot.phone_homes[0]["boot_id"] != lab.boot.claims[0]["boot_id"]


async def test_the_agent_runs_tests_once_an_id() -> None:
    async with running(hosts=1) as lab:
        lab.boot.install()
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.host.agent_is_up)
        good = {"Authorization": "Bearer agent-token"}
        url = lab.agent_url(lab.host, "tests")
        body = {"id": "run-1", "tests": [{"name": "gpu_stress", "minutes": 25}, {"name": "disk", "minutes": 5}]}
        async with lab.http.post(url, json=body) as response:
            assert response.status == 401
        async with lab.http.post(url, json={"id": 1}, headers=good) as response:
            assert response.status == 400
        for _ in range(2):
            async with lab.http.post(url, json=body, headers=good) as response:
                assert (response.status, (await response.json())["state"]) == (202, "running")

        async def state() -> dict:
            async with lab.http.get(f"{url}/run-1", headers=good) as response:
                return await response.json()

        await eventually(lambda: lab.fleet.world.clock.now_s() - lab.host.test_runs["run-1"].started_s > 1801)
        done = await state()
        assert (done["state"], done["done"], done["total"]) == ("done", 2, 2)
        assert [result["name"] for result in done["results"]] == ["gpu_stress", "disk"]
        assert len(lab.journal("tests_started")) == 1


async def test_without_a_token_the_ramdisk_only_shows_words_and_powers_off() -> None:
    async with running(hosts=1) as lab:
        lab.boot.script_token = None
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.journal("phase") and lab.host.phase == "diagnostic")
        await eventually(lambda: lab.host.power == "Off")
        assert not lab.boot.claims and not lab.boot.events


async def test_a_refused_claim_ends_the_boot() -> None:
    async with running(hosts=1) as lab:
        lab.boot.refuse["claim"] = 403
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.journal("gave_up"))
        await eventually(lambda: lab.host.power == "Off")
        assert lab.boot.gets.count("claim") == 1 and not lab.boot.events


async def test_a_refused_script_leads_to_the_next_device_and_again() -> None:
    async with running(hosts=1) as lab:
        lab.boot.refuse["ipxe.efi"] = 410
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: len([line for line in lab.journal("boot_device") if line["device"] == "Hdd"]) > 1)
        assert lab.host.phase in ("no_boot_device", "network_boot") and lab.host.power == "On"
        assert "No boot device available." in lab.host.console


async def test_a_service_that_restarts_is_asked_again() -> None:
    async with running(hosts=1) as lab:
        lab.boot.install()
        lab.boot.fail_first = dict.fromkeys(("ipxe.efi", "claim", "orders", "event", "phone-home"), 2)
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.host.agent_is_up)
        assert len(lab.boot.claims) == len(lab.boot.phone_homes) == 1


async def test_one_host_of_many_checks_the_whole_image() -> None:
    async with running(hosts=1, whole_image_share=1) as lab:
        lab.boot.install(image={"sha256": "0" * 64, "size_bytes": 262144, "url": f"{lab.boot.url}/image/x"})
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.boot.logs)
        failed = lab.boot.events[-1]
        assert (failed["stage"], failed["data"]["code"]) == ("failed", "image_digest")
        await eventually(lambda: lab.host.power == "Off")


async def test_orders_that_fit_no_disk_fail() -> None:
    async with running(hosts=1) as lab:
        lab.boot.install(disk={"serial": "NOT-HERE"})
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: "failed" in lab.boot.stages())
        assert lab.boot.events[-1]["data"] == {"code": "disk"}


async def test_without_delays_a_host_is_installed_at_once() -> None:
    async with running(hosts=1, delays=False) as lab:
        lab.boot.install()
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.host.agent_is_up, within_s=10)
        assert lab.host.boots == 3, "power on, reset after the BIOS job, boot from disk"
