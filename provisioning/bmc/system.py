"""Readers of the root, the system, the manager, logs and firmware rows: parsed JSON in, values out."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import cast, get_args

from provisioning.bmc import dell, fields
from provisioning.bmc.answers import Answer, http_date
from provisioning.bmc.fields import Json
from provisioning.bmc.quirks import Quirks
from provisioning.bmc.types import (
    BootTarget,
    Clock,
    FirmwareRow,
    FirstContact,
    Health,
    HttpBoot,
    Identity,
    LogEntry,
    Override,
    Part,
    Power,
    SystemState,
)

CONSOLE_LINES = 200
_POWERS = frozenset(get_args(Power))
_NOT_BOOT_PORTS = ("InfiniBand.", "USB", "usb", "idrac", "iDRAC", "Host")


def first_contact(root: Json, fingerprint: str) -> FirstContact:
    """What the service root tells without a login."""
    return FirstContact(
        fingerprint=fingerprint,
        vendor=fields.text(root, "Vendor"),
        product=fields.text(root, "Product"),
        uuid=uuid(root),
        tag=dell.tag_at_root(root),
        bmc_mac=dell.mac_at_root(root),
        redfish=fields.text(root, "RedfishVersion"),
    )


def uuid(document: object) -> str | None:
    """UUID in lower case."""
    found = fields.real_text(document, "UUID")
    return found.lower() if found else None


def tag(system: Json, quirks: Quirks) -> str | None:
    """The name on the machine's label: SKU on Dell, where SerialNumber is the board's (quirk serial-in-sku)."""
    order = ("SKU", "SerialNumber") if quirks.tag_in_sku else ("SerialNumber", "SKU")
    return next((found for key in order if (found := fields.real_text(system, key))), None)


def state(system: Json, quirks: Quirks) -> SystemState:
    """One GET of the system. A power state that is none of the four known ones is None, never Off (M20)."""
    boot = fields.mapping(system.get("Boot"))
    power = fields.text(system, "PowerState")
    reset = fields.mapping(fields.at(system, "Actions", "#ComputerSystem.Reset"))
    return SystemState(
        power=cast(Power, power) if power in _POWERS else None,
        boot_progress=fields.real_text(system, "BootProgress", "LastState"),
        last_reset_at=fields.real_text(system, "LastResetTime"),
        health=fields.verdict(system),
        override=Override(
            enabled=fields.text(boot, "BootSourceOverrideEnabled"),
            target=fields.text(boot, "BootSourceOverrideTarget"),
            mode=fields.text(boot, "BootSourceOverrideMode"),
        ),
        bios=fields.real_text(system, "BiosVersion"),
        tag=tag(system, quirks),
        host_name=fields.real_text(system, "HostName"),
        reset_kinds=fields.texts(reset.get("ResetType@Redfish.AllowableValues")),
        boot_targets=fields.texts(boot.get("BootSourceOverrideTarget@Redfish.AllowableValues")),
    )


def identity(system: Json, manager: Json, ports: Iterable[Json], root: Json, quirks: Quirks) -> Identity:
    """Who the machine is. ports: its Ethernet interfaces."""
    return Identity(
        tag=tag(system, quirks),
        serial=fields.real_text(system, "SerialNumber"),
        uuid=uuid(system),
        model=fields.real_text(system, "Model"),
        bios=fields.real_text(system, "BiosVersion"),
        bmc_mac=dell.mac_at_root(root),
        bmc_firmware=fields.real_text(manager, "FirmwareVersion"),
        boot_macs=boot_macs(ports),
        host_name=fields.real_text(system, "HostName"),
    )


def port_mac(port: Json) -> str | None:
    """The burned-in address where it is shown, else the one in use."""
    return fields.mac(port.get("PermanentMACAddress")) or fields.mac(port.get("MACAddress"))


def boot_macs(ports: Iterable[Json]) -> tuple[str, ...]:
    """MAC addresses of the ports that can boot, in the order of their slots, each once."""
    named = [(fields.text(port, "Id") or "", port) for port in ports]
    named.sort(key=lambda pair: fields.slot_order(pair[0]))
    found = [port_mac(port) for name, port in named if not name.startswith(_NOT_BOOT_PORTS)]
    return tuple(dict.fromkeys(mac for mac in found if mac))


def health(system: Json, psus: tuple[Part, ...]) -> Health:
    """Health from the system and its summaries."""
    return Health(
        overall=fields.verdict(system),
        processors=fields.verdict(system.get("ProcessorSummary")),
        memory=fields.verdict(system.get("MemorySummary")),
        psus=psus,
    )


def clock(manager: Json, answer: Answer) -> Clock | None:
    """The BMC's time: its DateTime, else the Date header of the answer."""
    at = fields.moment(manager.get("DateTime")) or http_date(answer.date)
    return Clock(bmc_at=at, read_at=datetime.now(UTC)) if at else None


def http_boot(system: Json) -> HttpBoot:
    """HTTP boot of a BMC with HttpBootUri; nothing is pending there."""
    uri = fields.real_text(system, "Boot", "HttpBootUri")
    return HttpBoot(uri, uri is not None, None, uri, uri is not None, None)


def boot_once(target: BootTarget, mode: str | None) -> Json:
    """Body of the override. mode: sent only when given (quirk mode-patch-makes-job)."""
    boot: Json = {
        "BootSourceOverrideEnabled": "Disabled" if target == "None" else "Once",
        "BootSourceOverrideTarget": target,
    }
    if mode:
        boot["BootSourceOverrideMode"] = mode
    return {"Boot": boot}


def firmware(rows: Iterable[Json]) -> tuple[FirmwareRow, ...]:
    """Installed firmware, one row a (component, fqdd)."""
    found: dict[tuple[str, str], FirmwareRow] = {}
    for row in rows:
        name = fields.text(row, "Id")
        if name is None:
            continue
        key = dell.firmware_key(name)
        if key is not None and key[0] != "Installed":
            continue
        component, fqdd = (key[1], key[2]) if key else (name, "")
        found[component, fqdd] = FirmwareRow(
            component=component,
            name=fields.real_text(row, "Name"),
            version=fields.real_text(row, "Version"),
            fqdd=fqdd,
            updateable=fields.flag(row, "Updateable") or False,
        )
    return tuple(found.values())


def log_entry(row: Json) -> LogEntry | None:
    """One log row, None if it has no number to know it by."""
    number = fields.integer(row, "Id")
    if number is None:
        return None
    return LogEntry(
        id=number,
        at=fields.moment(row.get("Created")),
        raw_at=fields.text(row, "Created"),
        severity=fields.severity(row.get("Severity")),
        message=fields.text(row, "Message") or "",
        message_id=fields.real_text(row, "MessageId"),
    )


def console(body: bytes) -> tuple[str, ...]:
    """The last lines of an exported console, without control characters."""
    lines = body.decode("utf-8", "replace").replace("\r", "\n").split("\n")
    shown = ("".join(char for char in line if char.isprintable() or char == "\t").rstrip() for line in lines)
    return tuple(line[: fields.TEXT_LIMIT] for line in shown if line)[-CONSOLE_LINES:]
