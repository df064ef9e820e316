"""What exists: devices, parts and where they have been, ports, cables with both ends."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema

from fleet.http import paging
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import HostRow, Id, Name, Page, Paged, Text, words
from fleet.models import HOST_ROLES, SWITCH_ROLES
from fleet.models.devices import HEALTH
from fleet.models.fabric import CABLE_KINDS
from fleet.reads import inventory
from fleet.reads.inventory import CABLES, DEVICES, PART_MOVES, PARTS, PORTS
from fleet.states import KINDS

router = Router(tags=["inventory"])

DEVICE_KINDS = ("host", "switch")
DEVICE_STATES = sorted({s.name for kind in DEVICE_KINDS for s in KINDS[kind].states})
CABLE_STATES = [s.name for s in KINDS["cable"].states]


class DeviceRow(HostRow):
    """Any box with a name: a host, a switch, a PDU. kind: host, or switch for all that is none."""

    kind: str
    uuid: str
    imported: bool
    observe_only: bool
    bmc_address: str | None
    bmc_mac: str | None


class DeviceFilters(Paged):
    """serial: the tag. Names and serials are whole; a piece of one is for GET /hosts?q=."""

    kind: Annotated[Text, *words(DEVICE_KINDS)] | None = None
    role: Annotated[Text, *words(HOST_ROLES + SWITCH_ROLES)] | None = None
    state: Annotated[Text, *words(DEVICE_STATES)] | None = None
    health: Annotated[Text, *words(HEALTH)] | None = None
    cause: Text | None = None
    name: Text | None = None
    serial: Text | None = None
    profile: Text | None = None
    site: Text | None = None
    row: Text | None = None
    rack: Text | None = None
    pod: Text | None = None


class PartRow(Schema):
    """A thing with a serial that can be swapped. device: where it is, null when it is in none."""

    id: int
    kind: str
    serial: str
    model: str
    firmware: str
    size: str
    device_id: int | None
    device: str | None
    slot: str
    seen_at: datetime | None


class PartFilters(Paged):
    """device: name. A part is known by kind and serial together."""

    kind: Text | None = None
    serial: Text | None = None
    model: Text | None = None
    firmware: Text | None = None
    device: Text | None = None
    slot: Text | None = None


class PartMoveRow(Schema):
    """A part came, went or changed its slot."""

    id: int
    at: datetime
    from_device: str | None
    from_slot: str
    to_device: str | None
    to_slot: str
    by: str
    role: str
    reason: str


class PortRow(Schema):
    """A port, the cable that the plan puts there, and where that goes. node_guid: of the HCA or switch."""

    id: int
    device_id: int
    device: str
    name: str
    node_guid: str
    cable_id: int | None
    cable: str | None
    end: str | None
    far_device: str | None
    far_port: str | None


class PortFilters(Paged):
    """device, cable: by name and label."""

    device: Text | None = None
    name: Text | None = None
    node_guid: Text | None = None
    cable: Text | None = None


class CableRow(Schema):
    """A cable with both ends as planned; null where an end has no place."""

    id: int
    label: str
    kind: str
    state: str
    state_since: datetime | None
    rate: str
    length_m: float | None
    medium: str
    serial: str
    a_device_id: int | None
    a_device: str | None
    a_port_id: int | None
    a_port: str | None
    b_device_id: int | None
    b_device: str | None
    b_port_id: int | None
    b_port: str | None


class CableFilters(Paged):
    """device: name of the device at either end."""

    label: Text | None = None
    kind: Annotated[Text, *words(CABLE_KINDS)] | None = None
    state: Annotated[Text, *words(CABLE_STATES)] | None = None
    device: Text | None = None
    rate: Text | None = None
    medium: Text | None = None
    serial: Text | None = None


def _list(request: PageRequest, noun: inventory.Noun, filters: Paged, *, by: str) -> dict[str, Any]:
    found = inventory.select(noun, filters.model_dump(), request.who.sites("read"))
    rows, after = paging.page(found, by=by, cursor=filters.cursor, limit=filters.limit)
    return {"items": inventory.ready(noun, rows), "next": after}


@router.get("/devices", auth=Bearer("read"), response=answers(Page[DeviceRow]))
def list_devices(request: PageRequest, filters: Query[DeviceFilters]) -> Any:
    """Hosts, switches and all else with a name, in the order of their names."""
    return _list(request, DEVICES, filters, by="name")


@router.get("/devices/{id}", auth=Bearer("read"), response=answers(DeviceRow))
def get_device(request: PageRequest, id: Name) -> Any:
    """One device by its number or name."""
    return inventory.one(DEVICES, id, request.who.sites("read"))


@router.get("/parts", auth=Bearer("read"), response=answers(Page[PartRow]))
def list_parts(request: PageRequest, filters: Query[PartFilters]) -> Any:
    """Parts, in the order in which they were first seen."""
    return _list(request, PARTS, filters, by="id")


@router.get("/parts/{id}", auth=Bearer("read"), response=answers(PartRow))
def get_part(request: PageRequest, id: Id) -> Any:
    """One part."""
    return inventory.one(PARTS, id, request.who.sites("read"))


@router.get("/parts/{id}/moves", auth=Bearer("read"), response=answers(Page[PartMoveRow]))
def list_part_moves(request: PageRequest, id: Id, page: Query[Paged]) -> Any:
    """Where a part has been, the oldest move first."""
    inventory.one(PARTS, id, request.who.sites("read"))
    found = inventory.select(PART_MOVES, {"part": id}, None)
    rows, after = paging.page(found, by="id", cursor=page.cursor, limit=page.limit)
    return {"items": inventory.ready(PART_MOVES, rows), "next": after}


@router.get("/ports", auth=Bearer("read"), response=answers(Page[PortRow]))
def list_ports(request: PageRequest, filters: Query[PortFilters]) -> Any:
    """Ports of all devices, each with its cable and the other end of that."""
    return _list(request, PORTS, filters, by="id")


@router.get("/ports/{id}", auth=Bearer("read"), response=answers(PortRow))
def get_port(request: PageRequest, id: Id) -> Any:
    """One port."""
    return inventory.one(PORTS, id, request.who.sites("read"))


@router.get("/cables", auth=Bearer("read"), response=answers(Page[CableRow]))
def list_cables(request: PageRequest, filters: Query[CableFilters]) -> Any:
    """Cables with both ends, in the order of their labels."""
    return _list(request, CABLES, filters, by="label")


@router.get("/cables/{id}", auth=Bearer("read"), response=answers(CableRow))
def get_cable(request: PageRequest, id: Name) -> Any:
    """One cable by its number or label."""
    return inventory.one(CABLES, id, request.who.sites("read"))
