"""The BMC itself: clock, restart, network, attributes, console."""

from datetime import UTC, datetime
from typing import Any

from provisioning.simulator import reference, safety
from provisioning.simulator.http1 import Response
from provisioning.simulator.messages import RedfishError, success
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

NTP_SETTLES_S = 60.0
ATTRIBUTES = f"{MANAGER}/Oem/Dell/DellAttributes"
TIME_SERVICE = f"{MANAGER}/Oem/Dell/DellTimeService"
LC_SERVICE = f"{MANAGER}/Oem/Dell/DellLCService"
CONSOLE = f"{MANAGER}/SerialInterfaces/Serial.1"
_NTP = "NTPConfigGroup.1.NTPEnable"

# Attributes of the three parts of the BMC, with the values of a new machine.
DEFAULTS: dict[str, dict[str, Any]] = {
    "iDRAC.Embedded.1": {
        _NTP: "Disabled",
        "NTPConfigGroup.1.NTP1": "",
        "NTPConfigGroup.1.NTP2": "",
        "Time.1.Timezone": "UTC",
        "IPMILan.1.Enable": "Disabled",
        "IPMILan.1.AlertEnable": "Disabled",
        "Lockdown.1.SystemLockdown": "Disabled",
        "SerialCapture.1.Enable": "Enabled",
        "VirtualMedia.1.Attached": "AutoAttach",
        "WebServer.1.HostHeaderCheck": "Enabled",
        "Users.2.Enable": "Enabled",
    },
    "System.Embedded.1": {
        "ServerTopology.1.DataCenterName": "",
        "ServerTopology.1.RackName": "",
        "ServerTopology.1.RackSlot": 1,
        "ServerPwr.1.PSRedPolicy": "A/B Grid Redundant",
    },
    "LifecycleController.Embedded.1": {
        "LCAttributes.1.CollectSystemInventoryOnRestart": "Enabled",
        "LCAttributes.1.LifecycleControllerState": "Enabled",
        "LCAttributes.1.AutoUpdate": "Disabled",
    },
}


@collection(f"{ROOT}/Managers")
def managers(call: Call) -> Collection:
    """The one BMC."""
    return Collection(f"{ROOT}/Managers", "ManagerCollection", "Manager", [show(call)])


@route("GET", MANAGER)
def show(call: Call) -> Json:
    """The BMC."""
    bmc = call.host.bmc
    reset = {"target": f"{MANAGER}/Actions/Manager.Reset", "ResetType@Redfish.AllowableValues": ["GracefulRestart"]}
    return resource(
        MANAGER,
        "Manager.v1_17_0",
        "Manager",
        ManagerType="BMC",
        Model="16G Monolithic",
        Manufacturer=reference.MANUFACTURER,
        FirmwareVersion=call.host.firmware("iDRAC.Embedded.1-1", reference.BMC_VERSION),
        UUID=call.host.uuid,
        DateTime=bmc.now().isoformat(timespec="seconds"),
        DateTimeLocalOffset="+00:00",
        PowerState="On",
        Status={"Health": "OK", "State": "Enabled"},
        EthernetInterfaces=link(f"{MANAGER}/EthernetInterfaces"),
        LogServices=link(f"{MANAGER}/LogServices"),
        NetworkProtocol=link(f"{MANAGER}/NetworkProtocol"),
        SerialInterfaces=link(f"{MANAGER}/SerialInterfaces"),
        Links={
            "ManagerForServers": [link(SYSTEM)],
            "ManagerForChassis": [link(CHASSIS)],
            "Oem": {
                "Dell": {
                    "DellAttributes": [link(f"{ATTRIBUTES}/{name}") for name in DEFAULTS],
                    "DellJobService": link(f"{MANAGER}/Oem/Dell/DellJobService"),
                    "DellLCService": link(LC_SERVICE),
                    "DellTimeService": link(TIME_SERVICE),
                    "Jobs": link(f"{MANAGER}/Oem/Dell/Jobs"),
                }
            },
        },
        Actions={"#Manager.Reset": reset},
    )


@route("PATCH", MANAGER)
def change(call: Call) -> Answer:
    """DateTime is read-only while NTP is on [q:ntp-readonly]."""
    for name in call.body:
        if name not in ("DateTime", "DateTimeLocalOffset"):
            raise RedfishError("PropertyUnknown", name, properties=(name,))
    if "DateTime" in call.body:
        if call.host.bmc.ntp:
            raise RedfishError("PropertyNotWritable", "DateTime", properties=("DateTime",))
        _set_clock(call, call.body["DateTime"], "DateTime")
    return success()


def _set_clock(call: Call, text: object, name: str) -> None:
    if call.host.fire("clock_refused", way=name):
        raise RedfishError("SYS426", properties=(name,))
    try:
        at = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError as error:
        raise RedfishError("PropertyValueTypeError", text, name, properties=(name,)) from error
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    call.host.bmc.set_clock(at)
    call.host.world.journal.write("clock_set", call.host.name, to=at.isoformat(), intent=call.intent)


@route("POST", f"{MANAGER}/Actions/Manager.Reset")
def reset(call: Call) -> Answer:
    """The BMC restarts; it is away for minutes and its sessions are gone."""
    kind = call.body.get("ResetType", "GracefulRestart")
    if kind != "GracefulRestart":
        raise RedfishError("ActionParameterValueNotInList", kind, "ResetType", "Manager.Reset")
    safety.check_write(call.host, "BMC reset", call.intent)
    call.host.world.clock.at(1, call.host.bmc.restart, "asked to")
    return Response(204)


@collection(f"{MANAGER}/EthernetInterfaces")
def interfaces(call: Call) -> Collection:
    """The BMC's own Ethernet port."""
    plan = call.host.plan
    path = f"{MANAGER}/EthernetInterfaces"
    members = [
        resource(
            f"{path}/NIC.1",
            "EthernetInterface.v1_10_0",
            "Manager Ethernet Interface",
            MACAddress=call.host.bmc_mac,
            PermanentMACAddress=call.host.bmc_mac,
            HostName=f"idrac-{call.host.tag}",
            IPv4Addresses=[{"Address": plan.bmc_address, "SubnetMask": "255.0.0.0", "AddressOrigin": "Static"}],
            SpeedMbps=1000,
            InterfaceEnabled=True,
            Status={"Health": "OK", "State": "Enabled"},
        )
    ]
    return Collection(path, "EthernetInterfaceCollection", "Ethernet Network Interface Collection", members)


# Network protocols and attributes: two ways to NTP


@route("GET", f"{MANAGER}/NetworkProtocol")
def protocols(call: Call) -> Answer:
    """Services of the BMC, NTP among them."""
    values = _values(call, "iDRAC.Embedded.1")
    servers = [values["NTPConfigGroup.1.NTP1"], values["NTPConfigGroup.1.NTP2"]]
    return resource(
        f"{MANAGER}/NetworkProtocol",
        "ManagerNetworkProtocol.v1_9_1",
        "Manager Network Protocol",
        HostName=f"idrac-{call.host.tag}",
        HTTPS={"Port": 443, "ProtocolEnabled": True},
        IPMI={"Port": 623, "ProtocolEnabled": False},
        NTP={"ProtocolEnabled": call.host.bmc.ntp, "NTPServers": servers},
        SSH={"Port": 22, "ProtocolEnabled": True},
        Status={"Health": "OK", "State": "Enabled"},
    )


@route("PATCH", f"{MANAGER}/NetworkProtocol")
def change_protocols(call: Call) -> Answer:
    """NTP."""
    wanted = call.body.get("NTP") or {}
    values: Json = {}
    if "ProtocolEnabled" in wanted:
        values[_NTP] = "Enabled" if wanted["ProtocolEnabled"] else "Disabled"
    for number, server in enumerate(wanted.get("NTPServers") or (), start=1):
        values[f"NTPConfigGroup.1.NTP{number}"] = server
    _change(call, "iDRAC.Embedded.1", values)
    return success()


@collection(ATTRIBUTES)
def all_attributes(call: Call) -> Collection:
    """Attributes of BMC, system and lifecycle controller."""
    members = [_attributes(call, name) for name in DEFAULTS]
    return Collection(ATTRIBUTES, "DellAttributesCollection", "Dell Attributes Collection", members)


@route("PATCH", f"{ATTRIBUTES}/*")
def change_attributes(call: Call, name: str) -> Answer:
    """These take effect at once."""
    one(all_attributes(call), name)
    wanted = call.body.get("Attributes")
    if not isinstance(wanted, dict) or not wanted:
        raise RedfishError("PropertyValueTypeError", wanted, "Attributes", properties=("Attributes",))
    _change(call, name, wanted)
    return success()


def _attributes(call: Call, name: str) -> Json:
    values = _values(call, name)
    return resource(f"{ATTRIBUTES}/{name}", "DellAttributes.v1_0_0", "Dell Attributes", Attributes=values)


def _values(call: Call, name: str) -> Json:
    changed = call.host.bmc.attributes
    return {key: changed.get(f"{name}#{key}", value) for key, value in DEFAULTS[name].items()}


def _change(call: Call, name: str, wanted: Json) -> None:
    bmc = call.host.bmc
    for key, value in wanted.items():
        if key not in DEFAULTS[name]:
            raise RedfishError("SYS428", key, properties=(f"Attributes/{key}",))
        if not isinstance(value, str | int):
            raise RedfishError("PropertyValueTypeError", value, key, properties=(f"Attributes/{key}",))
    if wanted.get(_NTP) == "Enabled" and call.host.fire("clock_refused", way="NTP"):
        raise RedfishError("SYS426", properties=(f"Attributes/{_NTP}",))
    for key, value in wanted.items():
        bmc.attributes[f"{name}#{key}"] = value
    if _NTP in wanted:
        bmc.ntp = wanted[_NTP] == "Enabled"
        if bmc.ntp:
            call.host.world.clock.at(NTP_SETTLES_S, bmc.follow_ntp)


# Dell's services


@route("POST", f"{LC_SERVICE}/Actions/DellLCService.GetRemoteServicesAPIStatus")
def readiness(call: Call) -> Answer:
    """Whether writes would be taken now."""
    ready = "Ready" if call.host.bmc.is_ready() else "NotReady"
    progress = call.host.boot_progress
    server = "PoweredOff" if call.host.power == "Off" else "OutOfPOST" if progress.startswith("OS") else "InPOST"
    return {**success(), "LCStatus": ready, "RTStatus": ready, "Status": ready, "ServerStatus": server}


@route("GET", LC_SERVICE)
def lifecycle_service(call: Call) -> Answer:
    """What the lifecycle controller offers."""
    target = f"{LC_SERVICE}/Actions/DellLCService.GetRemoteServicesAPIStatus"
    actions = {"#DellLCService.GetRemoteServicesAPIStatus": {"target": target}}
    return resource(LC_SERVICE, "DellLCService.v1_6_0", "DellLCService", Actions=actions)


@route("GET", TIME_SERVICE)
def time_service(call: Call) -> Answer:
    """What can be done with the clock."""
    actions = {"#DellTimeService.ManageTime": {"target": f"{TIME_SERVICE}/Actions/DellTimeService.ManageTime"}}
    return resource(TIME_SERVICE, "DellTimeService.v1_1_0", "DellTimeService", Actions=actions)


@route("POST", f"{TIME_SERVICE}/Actions/DellTimeService.ManageTime")
def manage_time(call: Call) -> Answer:
    """Reads the clock, or sets it."""
    if call.body.get("GetRequest", True):
        return {**success(), "TimeData": call.host.bmc.now().isoformat(timespec="seconds")}
    if "TimeData" not in call.body:
        raise RedfishError("ActionParameterMissing", "DellTimeService.ManageTime", "TimeData")
    if call.host.bmc.ntp:
        raise RedfishError("PropertyNotWritable", "TimeData", properties=("TimeData",))
    _set_clock(call, call.body["TimeData"], "TimeData")
    return success()


@collection(f"{MANAGER}/SerialInterfaces")
def serial_interfaces(call: Call) -> Collection:
    """The host's console."""
    target = f"{CONSOLE}/Actions/Oem/DellSerialInterface.SerialDataExport"
    members = [
        resource(
            CONSOLE,
            "SerialInterface.v1_1_8",
            "Serial Interface 1",
            BitRate="115200",
            InterfaceEnabled=True,
            Actions={"Oem": {"#DellSerialInterface.SerialDataExport": {"target": target}}},
        )
    ]
    path = f"{MANAGER}/SerialInterfaces"
    return Collection(path, "SerialInterfaceCollection", "Serial Interface Collection", members)


@route("POST", f"{CONSOLE}/Actions/Oem/DellSerialInterface.SerialDataExport")
def export_console(call: Call) -> Answer:
    """The last lines of the console, as text."""
    text = "\r\n".join([*call.host.console, ""])
    return Response(200, text.encode(), ("Content-Type: text/plain",))
