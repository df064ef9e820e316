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
