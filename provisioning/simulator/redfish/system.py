"""The system: power, boot override, processors, memory, drives, Ethernet, virtual media."""

from typing import Any

from provisioning.simulator import parts, power, reference
from provisioning.simulator.host import Override
from provisioning.simulator.http1 import Response
from provisioning.simulator.messages import RedfishError
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

ENABLED = ("Once", "Continuous", "Disabled")
TARGETS = ("None", "Pxe", "Cd", "Hdd", "BiosSetup", "Utilities", "UefiTarget", "SDCard", "UefiHttp")
MEDIA = ("1", "2")


@route("GET", f"{ROOT}/Systems")
def systems(call: Call) -> Answer:
    """The one system; none while the BMC is not ready [q:empty-members-after-reset]."""
    members = [show(call)] if call.host.bmc.is_ready() else []
    return Collection(f"{ROOT}/Systems", "ComputerSystemCollection", "Computer System Collection", members)


@route("GET", SYSTEM)
def show(call: Call) -> Json:
    """The system, which is what a driver polls."""
    host = call.host
    rollup = parts.health_rollup(host)
    last_reset = host.last_reset_at.isoformat() if host.last_reset_at else None
    return resource(
        SYSTEM,
        "ComputerSystem.v1_20_1",
        "System",
        Manufacturer=reference.MANUFACTURER,
        Model=reference.MODEL,
        SKU=host.tag,
        SerialNumber=f"CNFCP00{host.serial('board')[:8]}",
        PartNumber="0JRV1YA02",
        UUID=host.uuid,
        HostName=host.system.hostname if host.system else "",
        AssetTag="",
        BiosVersion=host.bios_version,
        SystemType="Physical",
        PowerState=host.power,
        LastResetTime=last_reset,
        BootProgress={"LastState": host.boot_progress},
        LocationIndicatorActive=host.bmc.led,
        IndicatorLED="Blinking" if host.bmc.led else "Lit",
        Status={"Health": "OK" if rollup == "OK" else "Critical", "HealthRollup": rollup, "State": _state(host.power)},
        Boot=_boot(host.override),
        **_summaries(call),
        **{name: link(f"{SYSTEM}/{name}") for name in _BRANCHES},
        Links={"ManagedBy": [link(MANAGER)], "Chassis": [link(CHASSIS)]},
        Actions={
            "#ComputerSystem.Reset": {
                "target": f"{SYSTEM}/Actions/ComputerSystem.Reset",
                "ResetType@Redfish.AllowableValues": list(power.KINDS),
            }
        },
    )


_BRANCHES = (
    "Bios",
    "BootOptions",
    "EthernetInterfaces",
    "Memory",
    "Processors",
    "SecureBoot",
    "Storage",
    "VirtualMedia",
)


def _summaries(call: Call) -> Json:
    status = {"Health": "OK", "State": "Enabled"}
    dimms = sum(part.is_there for part in parts.of(call.host, "dimm"))
    return {
        "MemorySummary": {"TotalSystemMemoryGiB": reference.DIMM_GIB * dimms, "Status": status},
        "ProcessorSummary": {
            "Count": len(reference.CPUS),
            "CoreCount": reference.CPU_CORES * len(reference.CPUS),
            "LogicalProcessorCount": reference.CPU_THREADS * len(reference.CPUS),
            "Model": reference.CPU_MODEL,
            "Status": status,
        },
    }


def _state(power_state: str) -> str:
    return "Enabled" if power_state == "On" else "StandbyOffline"


def _boot(override: Override) -> Json:
    return {
        "BootSourceOverrideEnabled": override.enabled,
        "BootSourceOverrideMode": "UEFI",
        "BootSourceOverrideTarget": override.target,
        "BootSourceOverrideEnabled@Redfish.AllowableValues": list(ENABLED),
        "BootSourceOverrideTarget@Redfish.AllowableValues": list(TARGETS),
        "BootOptions": link(f"{SYSTEM}/BootOptions"),
        "BootOrder": ["Boot0000", "Boot0001"],
        "BootOrder@odata.count": 2,
    }


@route("PATCH", SYSTEM)
def change(call: Call) -> Answer:
    """Boot override, LED, asset tag. The answer says accepted, the read afterwards says what holds."""
    known = {"Boot", "LocationIndicatorActive", "IndicatorLED", "AssetTag"}
    for name in call.body:
        if name not in known:
            raise RedfishError("PropertyUnknown", name, properties=(name,))
    if "Boot" in call.body:
        _change_boot(call, call.body["Boot"])
    if "LocationIndicatorActive" in call.body:
        call.host.bmc.led = bool(call.body["LocationIndicatorActive"])
    if "IndicatorLED" in call.body:
        call.host.bmc.led = call.body["IndicatorLED"] == "Blinking"
    return Response(204)


def _change_boot(call: Call, wanted: Any) -> None:
    if not isinstance(wanted, dict):
        raise RedfishError("PropertyValueTypeError", wanted, "Boot", properties=("Boot",))
    override = call.host.override
    enabled = wanted.get("BootSourceOverrideEnabled", override.enabled)
    target = wanted.get("BootSourceOverrideTarget", override.target)
    choices = (
        ("BootSourceOverrideEnabled", enabled, ENABLED),
        ("BootSourceOverrideTarget", target, TARGETS),
        ("BootSourceOverrideMode", wanted.get("BootSourceOverrideMode", "UEFI"), ("UEFI", "Legacy")),
    )
    for name, value, allowed in choices:
        if value not in allowed:
            raise RedfishError("PropertyValueNotInList", value, name, properties=(f"Boot/{name}",))
    if enabled == "Disabled" or target == "None":
        enabled, target = "Disabled", "None"
    call.host.override = Override(enabled, target)
    call.host.world.journal.write("override", call.host.name, enabled=enabled, target=target, intent=call.intent)


@route("POST", f"{SYSTEM}/Actions/ComputerSystem.Reset")
def reset(call: Call) -> Answer:
    """204: accepted. 409 PSU501: already there [q:power-409-already]."""
    kind = call.body.get("ResetType")
    action = "ComputerSystem.Reset"
    if kind is None:
        raise RedfishError("ActionParameterMissing", action, "ResetType", properties=("ResetType",))
    if kind not in power.KINDS:
        raise RedfishError("ActionParameterValueNotInList", kind, "ResetType", action, properties=("ResetType",))
    standing = power.conflict(call.host, kind)
    if standing:
        raise RedfishError("PSU501", standing)
    power.ask(call.host, kind, call.intent)
    return Response(204)


@route("GET", f"{SYSTEM}/SecureBoot")
def secure_boot(call: Call) -> Answer:
    """Whether Secure Boot is on."""
    return resource(
        f"{SYSTEM}/SecureBoot",
        "SecureBoot.v1_1_0",
        "UEFI Secure Boot",
        SecureBootEnable=False,
        SecureBootCurrentBoot="Disabled",
        SecureBootMode="DeployedMode",
    )


@collection(f"{SYSTEM}/BootOptions")
def boot_options(call: Call) -> Collection:
    """What the firmware could boot."""
    rows = [("Boot0000", "BOSS: OS volume", reference.OS_DRIVES[0]), ("Boot0001", "PXE", "NIC.PxeDevice.1-1")]
    if call.host.bios.get("HttpDev1EnDis") == "Enabled":
        rows.append(("Boot0002", "HTTP Device 1", "NIC.HttpDevice.1-1"))
    members = [
        resource(
            f"{SYSTEM}/BootOptions/{name}",
            "BootOption.v1_0_4",
            "Uefi Boot Option",
            BootOptionReference=name,
            DisplayName=words,
            BootOptionEnabled=True,
            RelatedItem=[],
            UefiDevicePath=device,
        )
        for name, words, device in rows
    ]
    return Collection(f"{SYSTEM}/BootOptions", "BootOptionCollection", "Boot Options Collection", members)


@collection(f"{SYSTEM}/VirtualMedia")
def media(call: Call) -> Collection:
    """Two slots for virtual media."""
    members = [_medium(call, name) for name in MEDIA]
    return Collection(f"{SYSTEM}/VirtualMedia", "VirtualMediaCollection", "Virtual Media Collection", members)


def _medium(call: Call, name: str) -> Json:
    path = f"{SYSTEM}/VirtualMedia/{name}"
    image = call.host.bmc.media.get(name)
    return resource(
        path,
        "VirtualMedia.v1_6_0",
        "Virtual Media",
        Image=image,
        ImageName=image.rpartition("/")[2] if image else None,
        Inserted=image is not None,
        ConnectedVia="URI" if image else "NotConnected",
        MediaTypes=["CD", "DVD", "USBStick"],
        WriteProtected=True if image else None,
        Actions={
            f"#VirtualMedia.{verb}": {"target": f"{path}/Actions/VirtualMedia.{verb}"}
            for verb in ("InsertMedia", "EjectMedia")
        },
    )


@route("POST", f"{SYSTEM}/VirtualMedia/*/Actions/VirtualMedia.InsertMedia")
def insert_medium(call: Call, name: str) -> Answer:
    """Attach an image."""
    one(media(call), name)
    image = call.body.get("Image")
    if not isinstance(image, str) or not image:
        raise RedfishError("ActionParameterMissing", "VirtualMedia.InsertMedia", "Image", properties=("Image",))
    if name in call.host.bmc.media:
        raise RedfishError("VRM0012")
    call.host.bmc.media[name] = image
    return Response(204)


@route("POST", f"{SYSTEM}/VirtualMedia/*/Actions/VirtualMedia.EjectMedia")
def eject_medium(call: Call, name: str) -> Answer:
    """Take the image away."""
    one(media(call), name)
    if call.host.bmc.media.pop(name, None) is None:
        raise RedfishError("VRM0013")
    return Response(204)
