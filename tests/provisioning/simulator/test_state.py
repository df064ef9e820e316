"""What a restart of the simulator must remember of each host."""

from pathlib import Path

import pytest

from provisioning.simulator import state
from tests.provisioning.simulator.lab import SYSTEM, eventually, running

pytestmark = pytest.mark.workers


async def test_installed_hosts_run_on_and_others_boot_anew(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    async with running(hosts=3) as lab:
        lab.boot.install()
        for name in ("host-001", "host-002"):
            await lab.boot_by_http(await lab.logged_in(name))
        await eventually(lambda: lab.host.agent_is_up)
        await eventually(lambda: lab.fleet.hosts["host-002"].agent_is_up)
        bmc = await lab.logged_in("host-002")
        assert await bmc.reset("ForceRestart", 5) == 204
        await eventually(lambda: lab.fleet.hosts["host-002"].phase == "post")
        assert await bmc.boot_once("Hdd") == 204
        boot_ids = {name: host.boot_id for name, host in lab.fleet.hosts.items()}
        state.save(file, lab.fleet, {})
    async with running(hosts=3) as lab:
        assert state.load(file, lab.fleet, {})
        one, two, three = lab.fleet.hosts.values()
        assert one.agent_is_up and one.boot_id == boot_ids["host-001"] and one.resets == 1
        assert (three.power, three.system) == ("Off", None)
        assert not one.bmc.sessions and two.override.target == "Hdd"
        headers = {"Authorization": "Bearer agent-token"}
        async with lab.http.get(lab.agent_url(one, "facts"), headers=headers) as response:
            assert (await response.json())["boot_id"] == one.boot_id
        await eventually(lambda: two.agent_is_up)
        assert two.boot_id != boot_ids["host-002"], "it was in POST, which began again"
        bmc = await lab.logged_in()
        assert (await bmc.get(SYSTEM))["LastResetTime"] and one.bios["HttpDev1EnDis"] == "Enabled"


async def test_other_faults_or_another_seed_start_anew(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    async with running(hosts=1) as lab:
        assert not state.load(file, lab.fleet, {})
        state.save(file, lab.fleet, {})
        assert not state.load(file, lab.fleet, {"host-001": "post_hang"})
        assert state.load(file, lab.fleet, {})
    async with running(hosts=1, seed=2) as lab:
        assert not state.load(file, lab.fleet, {})


async def test_a_ramdisk_goes_on_with_its_session_and_an_unclaimed_boot_begins_anew(tmp_path: Path) -> None:
    file = tmp_path / "state.json"
    tests = [{"name": "gpu_stress", "minutes": 2}, {"name": "disk", "minutes": 600}]
    async with running(hosts=2) as lab:
        lab.boot.orders = {"mode": "burn-in", "operation": 1, "step": 1, "tests": tests}
        await lab.boot_by_http(await lab.logged_in())
        await eventually(lambda: "test" in lab.boot.stages())
        lab.fleet.hosts["host-002"].break_by("boot_loop")
        await lab.boot_by_http(await lab.logged_in("host-002"))
        await eventually(lambda: lab.fleet.hosts["host-002"].phase == "network_boot")
        boot_id, port = lab.host.boot_id, lab.boot.url
        state.save(file, lab.fleet, {})
    text = file.read_text()
    async with running(hosts=2) as lab:
        lab.boot.orders = {"mode": "burn-in", "operation": 1, "step": 1, "tests": tests[:1]}
        file.write_text(text.replace(port, lab.boot.url).replace('"minutes": 600', '"minutes": 1'))
        assert state.load(file, lab.fleet, {})
        assert lab.fleet.hosts["host-002"].mend() == "boot_loop"
        await eventually(lambda: len(lab.boot.claims) == 1 and lab.boot.stages().count("tested") == 2)
        assert lab.boot.claims[0]["serial"] == lab.fleet.hosts["host-002"].tag
        finished = [event["data"]["name"] for event in lab.boot.events if event["stage"] == "test"]
        assert sorted(finished) == ["disk", "gpu_stress"] and lab.host.boot_id == boot_id
