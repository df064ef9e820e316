"""The chassis: network adapters, PCIe devices, power supplies, LED, the virtual AC cycle, the HGX board."""

from provisioning.simulator import parts, power, reference, safety
from provisioning.simulator.http1 import Response
from provisioning.simulator.messages import RedfishError
from provisioning.simulator.parts import Part
from provisioning.simulator.redfish.components import status
from provisioning.simulator.redfish.odata import (
    CHASSIS,
    MANAGER,
    ROOT,
    SYSTEM,
    Answer,
    Call,
    Collection,
    Json,
    collection,
    link,
    one,
    resource,
    route,
)

ALL = f"{ROOT}/Chassis"
ADAPTERS = f"{CHASSIS}/NetworkAdapters"
DEVICES = f"{CHASSIS}/PCIeDevices"
SUPPLIES = f"{CHASSIS}/PowerSubsystem/PowerSupplies"
AC_CYCLE = f"{CHASSIS}/Actions/Oem/DellOemChassis.ExtendedReset"
_OK = {"Health": "OK", "HealthRollup": "OK", "State": "Enabled"}


@collection(ALL)
def all_chassis(call: Call) -> Collection:
    """The server and the modules of its HGX board."""
    return Collection(ALL, "ChassisCollection", "Chassis Collection", [show(call), *_board(call)])


@route("GET", CHASSIS)
def show(call: Call) -> Json:
    """The server."""
    host = call.host
    return resource(
        CHASSIS,
        "Chassis.v1_25_0",
        "Computer System Chassis",
        ChassisType="RackMount",
        Manufacturer=reference.MANUFACTURER,
        Model=reference.MODEL,
        SKU=host.tag,
        SerialNumber=f"CNFCP00{host.serial('board')[:8]}",
        PowerState="On" if host.power in ("On", "PoweringOn") else "Off",
        LocationIndicatorActive=host.bmc.led,
        IndicatorLED="Blinking" if host.bmc.led else "Lit",
        NetworkAdapters=link(ADAPTERS),
        PCIeDevices=link(DEVICES),
        PowerSubsystem=link(f"{CHASSIS}/PowerSubsystem"),
        Links={"ComputerSystems": [link(SYSTEM)], "ManagedBy": [link(MANAGER)]},
        Status=_OK,
        Actions={
            "#Chassis.Reset": {
                "target": f"{CHASSIS}/Actions/Chassis.Reset",
                "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "PowerCycle"],
            },
            "Oem": {
                "#DellOemChassis.ExtendedReset": {
                    "target": AC_CYCLE,
                    "ResetType@Redfish.AllowableValues": ["PowerCycle"],
                    "FinalPowerState@Redfish.AllowableValues": ["On", "Off"],
                }
            },
        },
    )


@route("PATCH", CHASSIS)
def change(call: Call) -> Answer:
    """The LED."""
    for name in call.body:
        if name not in ("LocationIndicatorActive", "IndicatorLED"):
            raise RedfishError("PropertyUnknown", name, properties=(name,))
    if "LocationIndicatorActive" in call.body:
        call.host.bmc.led = bool(call.body["LocationIndicatorActive"])
    if "IndicatorLED" in call.body:
        call.host.bmc.led = call.body["IndicatorLED"] == "Blinking"
    return Response(204)


@route("POST", f"{CHASSIS}/Actions/Chassis.Reset")
def reset(call: Call) -> Answer:
    """Power through the chassis: the same actions as the system's."""
    kind = call.body.get("ResetType")
    if kind not in ("On", "ForceOff", "PowerCycle"):
        raise RedfishError("ActionParameterValueNotInList", kind, "ResetType", "Chassis.Reset")
    standing = power.conflict(call.host, kind)
    if standing:
        raise RedfishError("PSU501", standing)
    power.ask(call.host, kind, call.intent)
    return Response(204)


@route("POST", AC_CYCLE)
def ac_cycle(call: Call) -> Answer:
    """The equal of pulling the cords: the host must be off, the BMC goes away [q:ac-cycle-needs-off]."""
    final = call.body.get("FinalPowerState", "On")
    if call.body.get("ResetType") != "PowerCycle" or final not in ("On", "Off"):
        raise RedfishError("ActionParameterValueNotInList", call.body.get("ResetType"), "ResetType", "ExtendedReset")
    if call.host.power != "Off":
        raise RedfishError("SYS404")
    safety.check_write(call.host, "AC cycle", call.intent)
    call.host.world.clock.at(1, _drain, call, final)
    return Response(204)


def _drain(call: Call, final: str) -> None:
    power.ac_cycle(call.host, final_on=final == "On", intent=call.intent)


# Network adapters


@collection(ADAPTERS)
def adapters(call: Call) -> Collection:
    """Eight InfiniBand adapters and one for Ethernet."""
    members = [_hca(call, part) for part in parts.of(call.host, "hca")]
    members.append(_ethernet(call))
    return Collection(ADAPTERS, "NetworkAdapterCollection", "Network Adapter Collection", members)


def _hca(call: Call, part: Part) -> Json:
    version = call.host.firmware(f"{part.slot}-1", reference.HCA_VERSION)
    controller = {"FirmwarePackageVersion": version, "PCIeInterface": _lanes(part)}
    return _adapter(part.slot, reference.HCA_MODEL, part.serial, controller, status(part))


def _ethernet(call: Call) -> Json:
    lanes = {"LanesInUse": 16, "MaxLanes": 16, "MaxPCIeType": "Gen4", "PCIeType": "Gen4"}
    controller = {"FirmwarePackageVersion": reference.ETHERNET_VERSION, "PCIeInterface": lanes}
    serial = call.host.serial("ethernet")
    return _adapter(reference.ETHERNET, reference.ETHERNET_MODEL, serial, controller, dict(_OK))


def _adapter(name: str, model: str, serial: str, controller: Json, state: Json) -> Json:
    path = f"{ADAPTERS}/{name}"
    return resource(
        path,
        "NetworkAdapter.v1_9_0",
        "Network Adapter View",
        Manufacturer="Mellanox Technologies",
        Model=model,
        SerialNumber=serial,
        PartNumber="0DXDG3",
        Controllers=[controller],
        NetworkDeviceFunctions=link(f"{path}/NetworkDeviceFunctions"),
        Ports=link(f"{path}/Ports"),
        Status=state,
    )


@collection(f"{ADAPTERS}/*/Ports")
def ports(call: Call, name: str) -> Collection:
    """Ports of an adapter, with their links."""
    shown = one(adapters(call), name)
    is_hca = name in reference.HCAS
    speed = reference.HCA_GBPS if is_hca else reference.ETHERNET_GBPS
    path = f"{ADAPTERS}/{name}/Ports"
    is_unplugged = call.host.has("ethernet_unplugged") and not is_hca
    members = [
        resource(
            f"{path}/{name}-{number}",
            "Port.v1_9_0",
            f"Port {number}",
            PortId=str(number),
            LinkNetworkTechnology="InfiniBand" if is_hca else "Ethernet",
            CurrentSpeedGbps=speed,
            MaxSpeedGbps=speed,
            LinkStatus="LinkDown" if is_unplugged or number > 1 else "LinkUp",
            Status=shown["Status"],
        )
        for number in ((1,) if is_hca else (1, 2))
    ]
    return Collection(path, "PortCollection", "Port Collection", members)


@collection(f"{ADAPTERS}/*/NetworkDeviceFunctions")
def functions(call: Call, name: str) -> Collection:
    """GUIDs or MAC addresses of an adapter."""
    one(adapters(call), name)
    path = f"{ADAPTERS}/{name}/NetworkDeviceFunctions"
    if name in reference.HCAS:
        guid = _guid(call.host.node_guids[reference.HCAS.index(name)])
        members = [
            resource(
                f"{path}/{name}-1",
                "NetworkDeviceFunction.v1_9_0",
                "Network Device Function View",
                NetDevFuncType="InfiniBand",
                InfiniBand={"NodeGUID": guid, "PermanentNodeGUID": guid, "PortGUID": guid, "PermanentPortGUID": guid},
                Status={"Health": "OK", "State": "Enabled"},
            )
        ]
    else:
        members = [
            resource(
                f"{path}/{fqdd}",
                "NetworkDeviceFunction.v1_9_0",
                "Network Device Function View",
                NetDevFuncType="Ethernet",
                Ethernet={"MACAddress": address, "PermanentMACAddress": address, "MTUSize": 1500},
                Status={"Health": "OK", "State": "Enabled"},
            )
            for fqdd, address in zip(reference.ETHERNET_PORTS, parts.ethernet_macs(call.host), strict=True)
        ]
    return Collection(path, "NetworkDeviceFunctionCollection", "Network Device Function Collection", members)


def _guid(text: str) -> str:
    """A GUID as iDRAC writes one: pairs with colons."""
    digits = text.removeprefix("0x").zfill(16).upper()
    return ":".join(digits[at : at + 2] for at in range(0, 16, 2))


# PCIe devices


@collection(DEVICES)
def devices(call: Call) -> Collection:
    """GPUs and InfiniBand adapters with their PCIe links."""
    found = [*parts.of(call.host, "gpu"), *parts.of(call.host, "hca")]
    members = [_device(part) for part in found if part.state == "Enabled"]
    return Collection(DEVICES, "PCIeDeviceCollection", "PCIeDevice Collection", members)


def _device(part: Part) -> Json:
    """Ids are bus numbers: one bus a device."""
    is_gpu = part.kind == "gpu"
    bus = (0x1B if is_gpu else 0x5D) + 16 * part.number
    return resource(
        f"{DEVICES}/{bus}-0",
        "PCIeDevice.v1_13_0",
        reference.GPU_MODEL if is_gpu else reference.HCA_MODEL,
        Description=part.slot,
        DeviceType="SingleFunction",
        Manufacturer="NVIDIA Corporation" if is_gpu else "Mellanox Technologies",
        Model=reference.GPU_MODEL if is_gpu else reference.HCA_MODEL,
        SerialNumber=part.serial,
        PCIeInterface=_lanes(part),
        Slot={"Lanes": reference.PCIE_WIDTH, "Location": {"PartLocation": {"ServiceLabel": part.slot}}},
        Status=status(part),
    )


def _lanes(part: Part) -> Json:
    return {
        "LanesInUse": part.width,
        "MaxLanes": reference.PCIE_WIDTH,
        "MaxPCIeType": f"Gen{reference.PCIE_GENERATION}",
        "PCIeType": f"Gen{part.generation}",
    }


# Power supplies


@route("GET", f"{CHASSIS}/PowerSubsystem")
def power_subsystem(call: Call) -> Answer:
    """What the supplies can give."""
    path = f"{CHASSIS}/PowerSubsystem"
    return resource(
        path, "PowerSubsystem.v1_1_0", "Power Subsystem", CapacityWatts=19200, PowerSupplies=link(SUPPLIES), Status=_OK
    )


@collection(SUPPLIES)
def supplies(call: Call) -> Collection:
    """Six power supplies."""
    members = [
        resource(
            f"{SUPPLIES}/{part.slot}",
            "PowerSupply.v1_5_1",
            f"PS{part.number + 1} Status",
            Manufacturer="DELL",
            Model=reference.PSU_MODEL,
            PowerCapacityWatts=reference.PSU_WATTS,
            FirmwareVersion=reference.PSU_VERSION,
            LineInputStatus="Normal" if part.is_there else None,
            SerialNumber=part.serial,
            Status=status(part),
        )
        for part in parts.of(call.host, "psu")
    ]
    return Collection(SUPPLIES, "PowerSupplyCollection", "PowerSupply Collection", members)


# The HGX board, in NVIDIA's names


def _board(call: Call) -> list[Json]:
    host = call.host
    plain = [
        _module(name, "Component", host.serial(name), dict(_OK))
        for name in ("HGX_BMC_0", "HGX_Chassis_0", "HGX_FPGA_0")
    ]
    gpus = [_module(f"HGX_GPU_SXM_{p.number + 1}", "Module", p.serial, status(p)) for p in parts.of(host, "gpu")]
    switches = [_module(p.slot, "Module", p.serial, status(p)) for p in parts.of(host, "nvswitch")]
    copying = "InProgress" if host.is_copying() else "Completed"
    erot = {
        **_module("HGX_ERoT_BMC_0", "Component", host.serial("erot"), dict(_OK)),
        "Oem": {"Nvidia": {"BackgroundCopyStatus": copying, "AutomaticBackgroundCopyEnabled": True}},
    }
    return [*plain, erot, *gpus, *switches]


def _module(name: str, kind: str, serial: str, state: Json) -> Json:
    model = reference.GPU_MODEL if "GPU" in name else name.rstrip("_0123456789")
    return resource(
        f"{ALL}/{name}",
        "Chassis.v1_25_0",
        name,
        ChassisType=kind,
        Manufacturer="NVIDIA",
        Model=model,
        SerialNumber=serial,
        Status=state,
    )
