"""Power: accepted is not applied, already there is a conflict, and every reset is on record once."""

import asyncio

import pytest

from tests.provisioning.simulator.lab import CHASSIS, SYSTEM, eventually, running

pytestmark = pytest.mark.workers


async def test_a_reset_is_seen_only_after_its_lag() -> None:
    async with running(hosts=1, scale=30) as lab:
        bmc = await lab.logged_in()
        assert await bmc.reset("On") == 204
        assert (await bmc.get(SYSTEM))["PowerState"] == "Off"
        await eventually(lambda: lab.host.power == "On")
        (asked,) = lab.journal("request")[-1:]
        (applied,) = lab.journal("reset_applied")
        assert (applied["kind"], applied["intent"], asked["intent"]) == ("On", "1", "1")
        assert 0.9 <= applied["sim_s"] - asked["sim_s"] <= 30


async def test_already_there_is_a_conflict() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        for kind in ("ForceOff", "ForceRestart", "GracefulShutdown", "PowerCycle"):
            assert await bmc.reset(kind) == 409
        assert await bmc.reset("On") == 204
        await eventually(lambda: lab.host.power == "On")
        assert await bmc.reset("On") == 409
        assert await bmc.reset("ForceOff", 2) == 204
        await eventually(lambda: lab.host.power == "Off")
        assert (await bmc.get(SYSTEM))["BootProgress"]["LastState"] == "None"


async def test_every_real_reset_moves_the_time_of_the_last_one_and_the_boot_id() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        seen = set()
        for intent, kind in enumerate(("On", "ForceRestart", "PowerCycle"), start=1):
            boots = lab.host.boots
            assert await bmc.reset(kind, intent) == 204
            await eventually(lambda boots=boots: lab.host.boots > boots and lab.host.power == "On")
            seen.add(((await bmc.get(SYSTEM))["LastResetTime"], lab.host.boot_id))
        assert len({at for at, _ in seen}) == len({boot_id for _, boot_id in seen}) == 3
        assert [line["kind"] for line in lab.journal("reset_applied")] == ["On", "ForceRestart", "PowerCycle"]
        assert lab.fleet.world.journal.violations == 0


async def test_one_intent_for_two_resets_is_a_violation() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        assert await bmc.reset("On", 7) == 204
        await eventually(lambda: lab.host.power == "On")
        assert await bmc.reset("ForceRestart", 7) == 204
        await eventually(lambda: lab.journal("violation"))
        assert lab.journal("violation")[0]["rule"] == "intent_twice"


async def test_two_resets_asked_for_at_once_are_applied_once() -> None:
    async with running(hosts=1, scale=10) as lab:
        bmc = await lab.logged_in()
        assert await asyncio.gather(bmc.reset("On", 1), bmc.reset("On", 2)) == [204, 204]
        await eventually(lambda: lab.journal("reset_moot"))
        assert lab.host.resets == 1


async def test_a_shutdown_needs_a_running_system() -> None:
    async with running(hosts=1) as lab:
        lab.boot.install()
        bmc = await lab.logged_in()
        await lab.boot_by_http(bmc)
        await eventually(lambda: lab.host.phase == "post")
        assert await bmc.reset("GracefulShutdown", 2) == 204
        await eventually(lambda: lab.journal("shutdown_ignored"))
        await eventually(lambda: lab.host.agent_is_up)
        first = lab.host.boot_id
        assert await bmc.reset("GracefulRestart", 3) == 204
        await eventually(lambda: lab.host.boot_id != first and lab.host.agent_is_up)
        assert len(lab.boot.phone_homes) == 1, "the token of the first boot is used up"
        assert await bmc.reset("GracefulShutdown", 4) == 204
        await eventually(lambda: lab.host.power == "Off")


async def test_the_power_button_and_the_chassis_move_power_too() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        assert await bmc.reset("PushPowerButton", 1) == 204
        await eventually(lambda: lab.host.power == "On")
        chassis = f"{CHASSIS}/Actions/Chassis.Reset"
        assert (await bmc.call("POST", chassis, {"ResetType": "On"}))[0] == 409
        assert (await bmc.call("POST", chassis, {"ResetType": "Nmi"}))[0] == 400
        assert await bmc.reset("Nmi", 2) == 204
        await eventually(lambda: any("NMI" in line for line in lab.host.console))
        assert (await bmc.call("POST", chassis, {"ResetType": "ForceOff"}))[0] == 204
        await eventually(lambda: lab.host.power == "Off")


async def test_bios_setup_and_an_empty_drive_are_boot_targets_as_well() -> None:
    async with running(hosts=1) as lab:
        bmc = await lab.logged_in()
        assert await bmc.boot_once("BiosSetup") == 204
        assert await bmc.reset("On", 1) == 204
        await eventually(lambda: lab.host.boot_progress == "SetupEntered")
        assert await bmc.boot_once("Cd") == 204
        assert await bmc.reset("ForceRestart", 2) == 204
        await eventually(lambda: lab.host.phase == "no_boot_device")
        assert [line["device"] for line in lab.journal("boot_device")][-2:] == ["Cd", "Hdd"]
