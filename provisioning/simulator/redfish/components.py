"""What is in the system: processors and GPUs, memory, drives, Ethernet ports."""

from provisioning.simulator import parts, reference
from provisioning.simulator.messages import RedfishError
from provisioning.simulator.parts import Part
from provisioning.simulator.redfish.odata import SYSTEM, Call, Collection, Json, collection, links, resource


def status(part: Part) -> Json:
    """A part's state and health."""
    return {"Health": part.health, "HealthRollup": part.health, "State": part.state}


@collection(f"{SYSTEM}/Processors")
def processors(call: Call) -> Collection:
    """CPUs and GPUs."""
    members = [_cpu(part) for part in parts.of(call.host, "cpu")] + [_gpu(part) for part in parts.of(call.host, "gpu")]
    return Collection(f"{SYSTEM}/Processors", "ProcessorCollection", "Processors Collection", members)


def _cpu(part: Part) -> Json:
    return resource(
        f"{SYSTEM}/Processors/{part.slot}",
        "Processor.v1_18_0",
        f"CPU {part.number + 1}",
        ProcessorType="CPU",
        Manufacturer="Intel",
        Model=reference.CPU_MODEL,
        Socket=part.slot,
        TotalCores=reference.CPU_CORES,
        TotalThreads=reference.CPU_THREADS,
        Status=status(part),
    )


def _gpu(part: Part) -> Json:
    return resource(
        f"{SYSTEM}/Processors/{part.slot}",
        "Processor.v1_18_0",
        f"GPU SXM {part.number + 1}",
        ProcessorType="GPU",
        Manufacturer="NVIDIA Corporation",
        Model=reference.GPU_MODEL,
        SerialNumber=part.serial,
        PartNumber="2330-885-A1",
        FirmwareVersion=reference.GPU_VBIOS,
        Location={"PartLocation": {"LocationType": "Slot", "ServiceLabel": f"GPU SXM {part.number + 1}"}},
        SystemInterface={
            "InterfaceType": "PCIe",
            "PCIe": {
                "LanesInUse": part.width,
                "MaxLanes": reference.PCIE_WIDTH,
                "MaxPCIeType": f"Gen{reference.PCIE_GENERATION}",
                "PCIeType": f"Gen{part.generation}",
            },
        },
        Status=status(part),
    )


# DIMMs


@collection(f"{SYSTEM}/Memory")
def memory(call: Call) -> Collection:
    """DIMMs."""
    members = [_dimm(part) for part in parts.of(call.host, "dimm")]
    return Collection(f"{SYSTEM}/Memory", "MemoryCollection", "Memory Devices Collection", members)


def _dimm(part: Part) -> Json:
    return resource(
        f"{SYSTEM}/Memory/{part.slot}",
        "Memory.v1_17_0",
        part.slot.replace("DIMM.Socket.", "DIMM "),
        CapacityMiB=reference.DIMM_GIB * 1024 if part.state == "Enabled" else None,
        DeviceLocator=part.slot.removeprefix("DIMM.Socket."),
        Manufacturer="Hynix Semiconductor",
        MemoryDeviceType="DDR5",
        MemoryType="DRAM",
        OperatingSpeedMhz=reference.DIMM_MHZ,
        PartNumber=reference.DIMM_PART,
        RankCount=2,
        SerialNumber=part.serial,
        Status=status(part),
    )


# Storage


_CONTROLLERS = {
    reference.OS_CONTROLLER: ("os_drive", "BOSS-N1 Monolithic"),
    reference.DATA_CONTROLLER: ("drive", "PCIe SSD Subsystem"),
}


@collection(f"{SYSTEM}/Storage")
def storage(call: Call) -> Collection:
    """The controller of the boot drives and that of the data drives."""
    members = [_controller(call, name) for name in _CONTROLLERS]
    return Collection(f"{SYSTEM}/Storage", "StorageCollection", "Storage Collection", members)


def _controller(call: Call, name: str) -> Json:
    return resource(
        f"{SYSTEM}/Storage/{name}",
        "Storage.v1_15_1",
        _CONTROLLERS[name][1],
        Drives=links(drives(call, name).members),
        Status={"Health": "OK", "HealthRollup": "OK", "State": "Enabled"},
    )


@collection(f"{SYSTEM}/Storage/*/Drives")
def drives(call: Call, name: str) -> Collection:
    """Drives of a controller."""
    path = f"{SYSTEM}/Storage/{name}/Drives"
    if name not in _CONTROLLERS:
        raise RedfishError("SYS403", path)
    members = [_drive(path, part) for part in parts.of(call.host, _CONTROLLERS[name][0])]
    return Collection(path, "DriveCollection", "Drives Collection", members)


def _drive(path: str, part: Part) -> Json:
    is_os = part.kind == "os_drive"
    size_gb = reference.OS_DRIVE_GB if is_os else reference.DATA_DRIVE_GB
    return resource(
        f"{path}/{part.slot}",
        "Drive.v1_17_0",
        f"{'SSD' if is_os else 'PCIe SSD in Slot'} {part.number}",
        CapacityBytes=size_gb * 10**9 if part.state == "Enabled" else None,
        Manufacturer="DELL",
        MediaType="SSD",
        Model=reference.OS_DRIVE_MODEL if is_os else reference.DATA_DRIVE_MODEL,
        Protocol="NVMe",
        FailurePredicted=False,
        PredictedMediaLifeLeftPercent=100,
        Revision=reference.OS_DRIVE_VERSION if is_os else reference.DATA_DRIVE_VERSION,
        SerialNumber=part.serial,
        Status=status(part),
    )


@collection(f"{SYSTEM}/EthernetInterfaces")
def interfaces(call: Call) -> Collection:
    """Ports of the Ethernet adapter as the system sees them."""
    host = call.host
    members = [
        resource(
            f"{SYSTEM}/EthernetInterfaces/{name}",
            "EthernetInterface.v1_10_0",
            "System Ethernet Interface",
            MACAddress=address,
            PermanentMACAddress=address,
            SpeedMbps=reference.ETHERNET_GBPS * 1000,
            LinkStatus="LinkDown" if host.has("ethernet_unplugged") or index else "LinkUp",
            InterfaceEnabled=True,
            Status={"Health": "OK", "State": "Enabled"},
        )
        for index, (name, address) in enumerate(zip(reference.ETHERNET_PORTS, parts.ethernet_macs(host), strict=True))
    ]
    path = f"{SYSTEM}/EthernetInterfaces"
    return Collection(path, "EthernetInterfaceCollection", "System Ethernet Interface Collection", members)
