"""Firmware inventory, updates, jobs and tasks."""

import json
import re
import urllib.parse
from collections.abc import Iterator

from provisioning.simulator import jobs, reference, safety
from provisioning.simulator.host import Host, older
from provisioning.simulator.http1 import Response
from provisioning.simulator.job import Job
from provisioning.simulator.messages import RedfishError, extended, success
from provisioning.simulator.redfish.odata import (
    MANAGER,
    ROOT,
    UPDATE,
    Answer,
    Call,
    Collection,
    Json,
    collection,
    link,
    resource,
    route,
)

INVENTORY = f"{UPDATE}/FirmwareInventory"
JOBS = f"{MANAGER}/Oem/Dell/Jobs"
JOB_SERVICE = f"{MANAGER}/Oem/Dell/DellJobService"
TASKS = f"{ROOT}/TaskService/Tasks"

# JobState: the task's state and status.
_TASK_STATES = {
    "New": ("New", "OK"),
    "Downloading": ("Running", "OK"),
    "Downloaded": ("Running", "OK"),
    "Scheduled": ("Starting", "OK"),
    "Running": ("Running", "OK"),
    "Completed": ("Completed", "OK"),
    "CompletedWithErrors": ("Completed", "Warning"),
    "Failed": ("Completed", "Critical"),
}


@route("GET", UPDATE)
def service(call: Call) -> Answer:
    """Ways to update."""
    target = f"{UPDATE}/Actions/UpdateService.SimpleUpdate"
    return resource(
        UPDATE,
        "UpdateService.v1_11_3",
        "Update Service",
        FirmwareInventory=link(INVENTORY),
        MultipartHttpPushUri=f"{UPDATE}/MultipartUpload",
        ServiceEnabled=True,
        Actions={
            "#UpdateService.SimpleUpdate": {
                "target": target,
                "TransferProtocol@Redfish.AllowableValues": ["HTTP", "HTTPS", "NFS", "CIFS", "TFTP"],
                "@Redfish.OperationApplyTimeSupport": {"SupportedValues": ["Immediate", "OnReset"]},
            }
        },
    )


def _components(host: Host) -> Iterator[tuple[str, str, str, str]]:
    """(component id, version, name, FQDD) of all that is installed."""
    single = (
        (reference.BIOS_ROW, "BIOS.Setup.1-1"),
        (reference.BMC_ROW, "iDRAC.Embedded.1-1"),
        (reference.CPLD_ROW, "CPLD.Embedded.1"),
    )
    for (component, version, name), fqdd in single:
        yield component, host.firmware(fqdd, version), name, fqdd
    for slot in reference.HCAS:
        fqdd = f"{slot}-1"
        yield "0", host.firmware(fqdd, reference.HCA_VERSION), reference.HCA_MODEL, fqdd
    yield "0", reference.ETHERNET_VERSION, reference.ETHERNET_MODEL, reference.ETHERNET_PORTS[0]
    for slot in reference.PSUS:
        yield "106430", host.firmware(slot, reference.PSU_VERSION), "Power Supply.Slot", slot
    for slot in reference.OS_DRIVES:
        yield "111368", reference.OS_DRIVE_VERSION, reference.OS_DRIVE_MODEL, slot
    for slot in reference.DATA_DRIVES:
        yield "108255", host.firmware(slot, reference.DATA_DRIVE_VERSION), reference.DATA_DRIVE_MODEL, slot


@collection(INVENTORY)
def inventory(call: Call) -> Collection:
    """Installed rows, two Previous ones (BIOS, BMC), and the HGX board's rows by NVIDIA's names."""
    host = call.host
    members = [
        _row(f"Installed-{component}-{version}__{fqdd}", name, version, component)
        for component, version, name, fqdd in _components(host)
    ]
    for component, version, name in (reference.BIOS_ROW, reference.BMC_ROW):
        fqdd = "BIOS.Setup.1-1" if name == "BIOS" else "iDRAC.Embedded.1-1"
        members.append(_row(f"Previous-{component}-{older(version)}__{fqdd}", name, older(version), component))
    for name, version in reference.HGX_FIRMWARE.items():
        members.append(_row(name, name, host.firmware(name, version), ""))
    return Collection(INVENTORY, "SoftwareInventoryCollection", "Software Inventory Collection", members)


def _row(name: str, words: str, version: str, component: str) -> Json:
    return resource(
        f"{INVENTORY}/{name}",
        "SoftwareInventory.v1_10_0",
        words,
        SoftwareId=component,
        Version=version,
        Updateable=not name.startswith("HGX_FW_ERoT"),
        Status={"Health": "OK", "State": "Enabled"},
    )


# Updates


@route("POST", f"{UPDATE}/Actions/UpdateService.SimpleUpdate")
def simple_update(call: Call) -> Answer:
    """The BMC downloads one package [q:one-image-per-call]."""
    uri = call.body.get("ImageURI")
    if not isinstance(uri, str):
        raise RedfishError("ActionParameterMissing", "UpdateService.SimpleUpdate", "ImageURI")
    return _start(call, urllib.parse.urlsplit(uri).path.rpartition("/")[2], uri)


@route("POST", f"{UPDATE}/MultipartUpload")
def upload(call: Call) -> Answer:
    """A package that is pushed; its file name decides [q:upload-name]."""
    head = call.request.body[:65536].decode("latin-1")
    parameters, file = head.find('name="UpdateParameters"'), re.search(r'name="UpdateFile"; filename="([^"]+)"', head)
    if file is None or parameters < 0 or parameters > file.start():
        raise RedfishError("UnrecognizedRequestBody")
    return _start(call, file.group(1), "")


def _start(call: Call, file_name: str, uri: str) -> Response:
    host = call.host
    found = jobs.recognise(file_name)
    if found is None:
        raise RedfishError("RED096", file_name)
    safety.check_write(host, "update", call.intent)
    part, version = found
    job = jobs.add(host, f"Firmware Update: {file_name}", part, version=version)
    host.world.journal.write("update", host.name, job=job.id, part=part, version=version, intent=call.intent)
    host.world.spawn(jobs.update(host, job, uri))
    return Response(202, b"", (f"Location: {TASKS}/{job.id}", "Retry-After: 30"))


# Jobs


@collection(JOBS)
def queue(call: Call) -> Collection:
    """Jobs of the lifecycle controller."""
    members = [
        resource(
            f"{JOBS}/{job.id}",
            "DellJob.v1_4_0",
            job.name,
            JobState=job.state,
            JobType="BIOSConfiguration" if job.part == "config" else "FirmwareUpdate",
            PercentComplete=job.percent,
            Message=job.message,
            MessageId=job.message_id,
            MessageArgs=[],
            StartTime=job.created_at.isoformat(timespec="seconds"),
            CompletionTime=job.ended_at.isoformat(timespec="seconds") if job.ended_at else None,
        )
        for job in call.host.bmc.jobs.values()
    ]
    return Collection(JOBS, "DellJobCollection", "JobQueue", members)


@route("DELETE", f"{JOBS}/*")
def delete_job(call: Call, name: str) -> Answer:
    """Take a job out of the queue, unless it runs."""
    _delete(call, _job(call, name))
    return success()


@route("GET", JOB_SERVICE)
def job_service(call: Call) -> Answer:
    """What can be done with the queue."""
    target = f"{JOB_SERVICE}/Actions/DellJobService.DeleteJobQueue"
    actions = {"#DellJobService.DeleteJobQueue": {"target": target}}
    return resource(JOB_SERVICE, "DellJobService.v1_3_0", "DellJobService", Actions=actions)


@route("POST", f"{JOB_SERVICE}/Actions/DellJobService.DeleteJobQueue")
def delete_queue(call: Call) -> Answer:
    """One job, or all; by force the lifecycle controller restarts [q:force-clear-restarts-lc]."""
    name = call.body.get("JobID")
    if not isinstance(name, str):
        raise RedfishError("ActionParameterMissing", "DellJobService.DeleteJobQueue", "JobID")
    if not name.startswith("JID_CLEARALL"):
        _delete(call, _job(call, name))
        return success()
    safety.check_write(call.host, "queue clear", call.intent)
    for job in list(call.host.bmc.jobs.values()):
        if job.state != "Running":
            del call.host.bmc.jobs[job.id]
    if name == "JID_CLEARALL_FORCE":
        call.host.bmc.be_unready(120.0)
    return success()


def _job(call: Call, name: str) -> Job:
    job = call.host.bmc.jobs.get(name)
    if job is None:
        raise RedfishError("SYS403", f"{JOBS}/{name}")
    return job


def _delete(call: Call, job: Job) -> None:
    if job.state == "Running":
        raise RedfishError("JCP021", job.id)
    call.host.world.journal.write("job_deleted", call.host.name, job=job.id, part=job.part, intent=call.intent)
    del call.host.bmc.jobs[job.id]
    job.state = "Failed"  # a download that is under way sees that nobody wants it


# Tasks: the same jobs in the standard's words


@route("GET", f"{ROOT}/TaskService")
def task_service(call: Call) -> Answer:
    """Where the tasks are."""
    path = f"{ROOT}/TaskService"
    now = call.host.bmc.now().isoformat(timespec="seconds")
    return resource(path, "TaskService.v1_2_0", "Task Service", ServiceEnabled=True, DateTime=now, Tasks=link(TASKS))


@route("GET", TASKS)
def tasks(call: Call) -> Collection:
    """The same jobs as tasks."""
    members = [_task(job) for job in call.host.bmc.jobs.values()]
    return Collection(TASKS, "TaskCollection", "Task Collection", members)


@route("GET", f"{TASKS}/*")
def task(call: Call, name: str) -> Answer:
    """One task; 202 while it is not over."""
    job = _job(call, name)
    content = _task(job)
    if not job.is_open:
        return content
    body = json.dumps(content).encode()
    return Response(202, body, (f"Location: {TASKS}/{name}", "Retry-After: 30"))


def _task(job: Job) -> Json:
    state, status = _TASK_STATES[job.state]
    message = {**extended("Success", []), "Message": job.message, "MessageId": job.message_id}
    return resource(
        f"{TASKS}/{job.id}",
        "Task.v1_7_2",
        job.name,
        TaskState=state,
        TaskStatus=status,
        PercentComplete=job.percent,
        StartTime=job.created_at.isoformat(timespec="seconds"),
        EndTime=job.ended_at.isoformat(timespec="seconds") if job.ended_at else None,
        Messages=[message],
    )
