"""Dell iDRAC: fixed paths, readiness of the Lifecycle Controller, HTTP boot by BIOS attributes, firmware ids."""

from datetime import datetime
from typing import Final

from provisioning.bmc import fields
from provisioning.bmc.fields import Json
from provisioning.bmc.paths import Paths
from provisioning.bmc.types import HttpBoot

_SYSTEM: Final = "/redfish/v1/Systems/System.Embedded.1"
_MANAGER: Final = "/redfish/v1/Managers/iDRAC.Embedded.1"

PATHS: Final = Paths(
    system=_SYSTEM,
    manager=_MANAGER,
    chassis="/redfish/v1/Chassis/System.Embedded.1",
    reset=f"{_SYSTEM}/Actions/ComputerSystem.Reset",
    bios=f"{_SYSTEM}/Bios",
    bios_settings=f"{_SYSTEM}/Bios/Settings",
    processors=f"{_SYSTEM}/Processors",
    memory=f"{_SYSTEM}/Memory",
    storage=f"{_SYSTEM}/Storage",
    ethernet=f"{_SYSTEM}/EthernetInterfaces",
    updates="/redfish/v1/UpdateService",
)
READY: Final = f"{_MANAGER}/Oem/Dell/DellLCService/Actions/DellLCService.GetRemoteServicesAPIStatus"
SET_TIME: Final = f"{_MANAGER}/Oem/Dell/DellTimeService/Actions/DellTimeService.ManageTime"
SERIAL_EXPORT: Final = f"{_MANAGER}/SerialInterfaces/Serial.1/Actions/Oem/DellSerialInterface.SerialDataExport"
_HTTP_DEVICE = "HttpDev1"


def tag_at_root(root: object) -> str | None:
    """Service tag, which iDRAC shows without a login."""
    return fields.text(root, "Oem", "Dell", "ServiceTag")


def mac_at_root(root: object) -> str | None:
    """MAC address of the iDRAC, shown without a login."""
    return fields.mac(fields.at(root, "Oem", "Dell", "ManagerMACAddress"))


def not_ready(status: object) -> str | None:
    """Why writes would fail now, None when all is ready. status: answer of GetRemoteServicesAPIStatus.

    ServerStatus says what the host does and does not count: an off host takes writes.
    """
    parts = {name: fields.text(status, name) for name in ("Status", "LCStatus", "RTStatus")}
    if parts["LCStatus"] == parts["RTStatus"] == "Ready" or parts["Status"] == "Ready":
        return None
    return ", ".join(f"{name} {value or 'missing'}" for name, value in parts.items())


def http_boot(current: object, pending: object) -> HttpBoot:
    """HTTP boot from the attributes of the BIOS and of its Settings. Attributes not in pending stay as they are."""
    values = fields.mapping(current)
    later = {**values, **{key: value for key, value in fields.mapping(pending).items() if value is not None}}
    return HttpBoot(
        uri=fields.text(values, f"{_HTTP_DEVICE}Uri"),
        enabled=fields.flag(values, f"{_HTTP_DEVICE}EnDis") or False,
        interface=fields.text(values, f"{_HTTP_DEVICE}Interface"),
        pending_uri=fields.text(later, f"{_HTTP_DEVICE}Uri"),
        pending_enabled=fields.flag(later, f"{_HTTP_DEVICE}EnDis") or False,
        pending_interface=fields.text(later, f"{_HTTP_DEVICE}Interface"),
    )


def http_boot_patch(uri: str, interface: str) -> Json:
    """One BIOS change with all attributes: there is one job at a time (quirk pending-committed).

    interface: empty leaves the port as it is.
    """
    attributes: Json = {
        f"{_HTTP_DEVICE}EnDis": "Enabled",
        f"{_HTTP_DEVICE}Protocol": "IPv4",
        f"{_HTTP_DEVICE}TlsMode": "OneWay" if uri.startswith("https:") else "None",
        f"{_HTTP_DEVICE}Uri": uri,
    }
    if interface:
        attributes[f"{_HTTP_DEVICE}Interface"] = interface
    return bios_patch(attributes)


def bios_patch(attributes: Json) -> Json:
    """BIOS change at the next reset. Without the apply time it would stay pending for ever (bios-needs-applytime)."""
    return {"@Redfish.SettingsApplyTime": {"ApplyTime": "OnReset"}, "Attributes": attributes}


def time_request(at: datetime) -> Json:
    """Body that sets the clock."""
    return {"GetRequest": False, "TimeData": at.isoformat(timespec="seconds")}


def firmware_key(row_id: str) -> tuple[str, str, str] | None:
    """(state, component, FQDD) of an id `State-component-version__FQDD`, None for ids of another form.

    The id changes with each update (quirk firmware-id-has-version), component and FQDD do not.
    """
    state, _, rest = row_id.partition("-")
    head, separator, fqdd = rest.partition("__")
    component = head.partition("-")[0]
    if state not in ("Installed", "Current", "Previous", "Available") or not separator or not component:
        return None
    return state, component.strip(), fqdd.strip()
