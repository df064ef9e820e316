"""The parts of a host from an iDRAC's answers."""

import pytest

from provisioning.bmc import BmcBusy
from tests.provisioning.bmc.fake import OK, C, Reply, S, adapter, collection, extended

HGX = "/redfish/v1/Systems/HGX_Baseboard_0/Processors"
LANES = {"LanesInUse": 4, "MaxLanes": 16, "PCIeType": "Gen5", "MaxPCIeType": "Gen5"}


async def test_a_healthy_host(bmc):
    found = await bmc.inventory()
    assert [row.slot for row in found.cpus] == ["CPU.Socket.1"]
    assert (found.dimms[0].serial, found.dimms[0].size_bytes) == ("D1", 64 * 2**30)
    assert (found.drives[0].slot, found.drives[0].size_bytes) == ("Disk.Bay.0", 3_840_755_982_336)
    assert [(row.serial, row.pcie_width, row.pcie_gen) for row in found.gpus] == [("G21", 16, 5), ("G22", 16, 5)]
    assert [row.slot for row in found.nvswitches] == [f"HGX_NVSwitch_{n}" for n in range(4)]
    assert [(row.name, row.node_guid) for row in found.hcas] == [
        ("InfiniBand.Slot.9", "0xb83fd20300000009"),
        ("InfiniBand.Slot.40", "0xb83fd20300000028"),
    ]
    assert (found.hcas[0].pcie_width, found.hcas[0].firmware) == (16, "28.39.1002")
    assert [(row.name, row.mac, row.speed_gbps) for row in found.nics] == [
        ("NIC.Embedded.1-1-1", "b0:26:28:00:00:01", 25),
        ("NIC.Slot.10-1-1", "b0:26:28:00:00:0a", None),
    ]
    assert [row.present for row in found.psus] == [True, False]
    assert found.unread == ()


async def test_what_the_bmc_does_not_have_is_unknown_not_missing(fake, bmc):
    for path in (f"{S}/Memory", f"{C}/PCIeDevices", f"{C}/NetworkAdapters"):
        del fake.resources[path]
    found = await bmc.inventory()
    assert found.unread == ("dimms", "hcas", "pcie")
    assert found.dimms == () and len(found.gpus) == 2 and found.gpus[0].pcie_width is None


async def test_a_bmc_that_is_not_ready_ends_the_reading(fake, bmc):
    fake.replies[f"GET {S}/Memory"] = Reply(503, extended("SYS518"))
    with pytest.raises(BmcBusy):
        await bmc.inventory()


async def test_lanes_of_the_part_itself_win(fake, bmc):
    row = adapter("InfiniBand.Slot.40", 40)
    row["Controllers"][0]["PCIeInterface"] = LANES
    fake.resources[f"{C}/NetworkAdapters"] = collection([row])
    found = (await bmc.inventory()).hcas[0]
    assert (found.pcie_width, found.pcie_max_width, found.pcie_gen) == (4, 16, 5)


async def test_an_absent_gpu_counts_once(fake, bmc):
    absent = {"Status": {"State": "Absent", "Health": None}, "SerialNumber": ""}
    fake.resources[f"{S}/Processors"]["Members"][1].update(absent)
    fake.resources["/redfish/v1/Chassis"]["Members"][-1].update(absent)
    found = (await bmc.inventory()).gpus
    assert [(row.slot, row.present) for row in found] == [("Video.Slot.21-1", False), ("Video.Slot.22-1", True)]


async def test_gpus_of_the_board_where_the_system_lists_none(fake, bmc):
    del fake.resources[f"{S}/Processors"]["Members"][1:]
    fake.resources[HGX] = collection(
        [
            {
                "Id": f"GPU_SXM_{n}",
                "ProcessorType": "GPU",
                "SerialNumber": f"G{n + 20}",
                "SystemInterface": {"InterfaceType": "PCIe", "PCIe": LANES},
                "Status": OK,
            }
            for n in range(1, 9)
        ]
    )
    found = (await bmc.inventory()).gpus
    assert len(found) == 8 and found[0].pcie_width == 4


async def test_gpus_of_the_board_by_its_chassis_alone(fake, bmc):
    del fake.resources[f"{S}/Processors"]["Members"][1:]
    found = await bmc.inventory()
    assert [row.slot for row in found.gpus] == ["HGX_GPU_SXM_1"] and found.unread == ("gpus",)


async def test_a_gpu_that_only_the_board_shows_is_counted(fake, bmc):
    fake.resources["/redfish/v1/Chassis"]["Members"].append({"Id": "HGX_GPU_SXM_8", "SerialNumber": "G28"})
    assert {row.serial for row in (await bmc.inventory()).gpus} == {"G21", "G22", "G28"}


async def test_an_adapter_is_infiniband_by_what_it_does(fake, bmc):
    row = adapter("NIC.Slot.7", 7)
    fake.resources[f"{C}/NetworkAdapters"] = collection([row, adapter("NIC.Slot.8", 8)])
    path = row["NetworkDeviceFunctions"]["@odata.id"]
    fake.resources[path] = collection([{"Id": "NIC.Slot.7-1", "InfiniBand": {"NodeGUID": "0xb83fd20300000007"}}])
    assert [row.name for row in (await bmc.inventory()).hcas] == ["NIC.Slot.7"]


async def test_a_bmc_that_cannot_expand_is_asked_row_by_row(fake, bmc):
    del fake.resources["/redfish/v1"]["ProtocolFeaturesSupported"]
    path = f"{S}/Memory"
    fake.resources[path] = collection([{"@odata.id": f"{path}/A{n}"} for n in (1, 2, 3)])
    fake.resources[f"{path}/A1"] = {"Id": "A1", "CapacityMiB": None}
    fake.resources[f"{path}/A2"] = {"Id": "A2", "CapacityMiB": "1024"}
    found = (await bmc.inventory()).dimms
    assert [(row.slot, row.size_bytes) for row in found] == [("A1", None), ("A2", 2**30)]
    assert all("expand" not in call.path for call in fake.calls)
