"""System event log and lifecycle log: newest first, 50 a page, ids that only rise."""

from provisioning.simulator.bmc import Entry
from provisioning.simulator.messages import REGISTRY, RedfishError, success
from provisioning.simulator.redfish.odata import (
    MANAGER,
    Answer,
    Call,
    Collection,
    Json,
    collection,
    link,
    resource,
    route,
)

LOGS = f"{MANAGER}/LogServices"
NAMES = {"Sel": "System Event Log", "Lclog": "Lifecycle Controller Log"}


@collection(LOGS)
def services(call: Call) -> Collection:
    """Both logs."""
    members = [
        resource(
            f"{LOGS}/{name}",
            "LogService.v1_4_0",
            words,
            Entries=link(f"{LOGS}/{name}/Entries"),
            DateTime=call.host.bmc.now().isoformat(timespec="seconds"),
            LogEntryType="SEL" if name == "Sel" else "OEM",
            MaxNumberOfRecords=1024 if name == "Sel" else 500_000,
            OverWritePolicy="WrapsWhenFull",
            ServiceEnabled=True,
            Actions={"#LogService.ClearLog": {"target": f"{LOGS}/{name}/Actions/LogService.ClearLog"}},
        )
        for name, words in NAMES.items()
    ]
    return Collection(LOGS, "LogServiceCollection", "Log Service Collection", members)


@collection(f"{LOGS}/*/Entries")
def entries(call: Call, name: str) -> Collection:
    """Pages hold whole entries, asked to expand or not, as iDRAC's do."""
    if name not in NAMES:
        raise RedfishError("SYS403", f"{LOGS}/{name}/Entries")
    log = call.host.bmc.sel if name == "Sel" else call.host.bmc.lclog
    members = [_entry(name, entry) for entry in reversed(log)]
    path = f"{LOGS}/{name}/Entries"
    return Collection(path, "LogEntryCollection", "Log Entry Collection", members, whole=True)


@route("POST", f"{LOGS}/*/Actions/LogService.ClearLog")
def clear(call: Call, name: str) -> Answer:
    """Empty a log; its ids go on."""
    entries(call, name)
    (call.host.bmc.sel if name == "Sel" else call.host.bmc.lclog).clear()
    call.host.bmc.log(name, "LOG006", "The log was cleared.")
    return success()


def _entry(name: str, found: Entry) -> Json:
    return resource(
        f"{LOGS}/{name}/Entries/{found.id}",
        "LogEntry.v1_15_0",
        "Log Entry",
        Created=found.at.isoformat(timespec="seconds"),
        EntryType="SEL" if name == "Sel" else "Oem",
        Message=found.message,
        MessageArgs=[],
        MessageId=REGISTRY + found.message_id,
        Severity=found.severity,
    )
