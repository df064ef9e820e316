"""BIOS settings: what holds, what is pending, and the job that brings the one to the other."""

from typing import Any

from provisioning.simulator import jobs, reference, safety
from provisioning.simulator.http1 import Response
from provisioning.simulator.messages import RedfishError, success
from provisioning.simulator.redfish.odata import SYSTEM, Answer, Call, Json, link, resource, route

BIOS = f"{SYSTEM}/Bios"
APPLY_TIMES = ("OnReset", "Immediate", "AtMaintenanceWindowStart", "InMaintenanceWindowOnReset")


def attributes(call: Call) -> Json:
    """All settings as they hold now."""
    host = call.host
    fixed = {
        "SystemModelName": reference.MODEL,
        "SystemBiosVersion": host.bios_version,
        "SystemServiceTag": host.tag,
        "SystemManufacturer": reference.MANUFACTURER,
    }
    return {**fixed, **reference.BIOS_SETTINGS, **host.bios}


@route("GET", BIOS)
def show(call: Call) -> Answer:
    """Settings as they hold now."""
    return {
        **resource(
            BIOS,
            "Bios.v1_2_1",
            "BIOS Configuration Current Settings",
            AttributeRegistry="BiosAttributeRegistry.v1_0_0",
            Attributes=attributes(call),
            Actions={"#Bios.ResetBios": {"target": f"{BIOS}/Actions/Bios.ResetBios"}},
        ),
        "@Redfish.Settings": {
            "@odata.type": "#Settings.v1_3_5.Settings",
            "SettingsObject": link(f"{BIOS}/Settings"),
            "SupportedApplyTimes": list(APPLY_TIMES),
        },
    }


@route("GET", f"{BIOS}/Settings")
def pending(call: Call) -> Answer:
    """Settings that wait for a reset."""
    waiting: Json = {}
    for job in jobs.open_jobs(call.host):
        waiting.update(job.settings)
    return resource(f"{BIOS}/Settings", "Bios.v1_2_1", "BIOS Configuration Pending Settings", Attributes=waiting)


@route("PATCH", f"{BIOS}/Settings")
def change(call: Call) -> Answer:
    """One job at a time; the same values again make none [q:pending-committed, q:bios-no-job]."""
    wanted = call.body.get("Attributes")
    if not isinstance(wanted, dict) or not wanted:
        raise RedfishError("PropertyValueTypeError", wanted, "Attributes", properties=("Attributes",))
    apply_time = (call.body.get("@Redfish.SettingsApplyTime") or {}).get("ApplyTime")
    if apply_time is not None and apply_time not in APPLY_TIMES:
        raise RedfishError("PropertyValueNotInList", apply_time, "ApplyTime", properties=("ApplyTime",))
    for name, value in wanted.items():
        _check(name, value)
    safety.check_write(call.host, "BIOS settings", call.intent)
    waiting = [job for job in jobs.open_jobs(call.host) if job.part == "config"]
    if waiting and waiting[0].settings == wanted:
        return success()
    if waiting:
        name = next(iter(wanted))
        raise RedfishError("SYS011", name, properties=(f"Attributes/{name}",))
    job = jobs.configure(call.host, wanted)
    return Response(202, b"", (f"Location: /redfish/v1/TaskService/Tasks/{job.id}",))


def _check(name: str, value: Any) -> None:
    if name in reference.BIOS_READ_ONLY or name not in reference.BIOS_SETTINGS:
        raise RedfishError("SYS428", name, properties=(f"Attributes/{name}",))
    if not isinstance(value, str | int):
        raise RedfishError("PropertyValueTypeError", value, name, properties=(f"Attributes/{name}",))


@route("POST", f"{BIOS}/Actions/Bios.ResetBios")
def reset(call: Call) -> Answer:
    """Back to the defaults at the next reset."""
    safety.check_write(call.host, "BIOS reset", call.intent)
    jobs.configure(call.host, dict(reference.BIOS_SETTINGS))
    return success()
