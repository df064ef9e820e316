"""Cables, switches and parts as one: both ends, where they go, and what became of them."""

from typing import Any

from django.db import connection

from fleet.errors import NotFound
from fleet.models import Cable, Device, Part, PartMove
from fleet.reads import history
from fleet.reads.ports import spelled
from fleet.reads.rows import Columns, Sites, named, scoped

# Both ends of the cables at one device, its own first. Plan: port_once, then planned_end and cable_end_once.
ENDS = """
SELECT p.name AS port, p.node_guid AS guid, c.label, c.kind, c.state, c.state_since, c.rate, c.length_m,
  o.kind AS far_kind, o.name AS far, op.name AS far_port
FROM fleet_port p
LEFT JOIN fleet_cableend e ON e.port_id = p.id
LEFT JOIN fleet_cable c ON c.id = e.cable_id
LEFT JOIN fleet_cableend oe ON oe.cable_id = c.id AND oe.end <> e.end
LEFT JOIN fleet_port op ON op.id = oe.port_id
LEFT JOIN fleet_device o ON o.id = op.device_id
WHERE p.device_id = %s AND p.name <> '' ORDER BY c.kind = 'infiniband' DESC NULLS LAST, length(p.name), p.name
"""

END: Columns = {
    "end": "end",
    "port": "port__name",
    "device": "port__device__name",
    "kind": "port__device__kind",
    "role": "port__device__role",
    "site_id": "port__device__site_id",
    "rack": "port__device__rack__name",
    "unit": "port__device__unit",
    "guid": "port__node_guid",
}
MOVE: Columns = {
    "at": "at",
    "from_device": "from_device__name",
    "from_slot": "from_slot",
    "to_device": "to_device__name",
    "to_slot": "to_slot",
    "by": "actor__name",
    "reason": "reason",
    "kind": "part__kind",
    "serial": "part__serial",
}
SHOWN = 100


def at(device_id: int) -> list[dict[str, Any]]:
    """Every port of a device with the cable that the plan puts there and where that goes. One query."""
    with connection.cursor() as cursor:
        cursor.execute(ENDS, [device_id])
        names = [c.name for c in cursor.description]
        rows = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    for row in rows:
        row["far_spelt"] = spelled(row["far_port"]) if row["far_kind"] == "switch" else row["far_port"]
        row["spelt"] = spelled(row["port"])
    return rows


def cable(label: str, sites: Sites) -> dict[str, Any]:
    """A cable with both ends and its history. Three queries. Raises NotFound (404), also for one of other sites."""
    found = Cable.objects.filter(label=label).first()
    rows = found.ends.order_by("end").values(*END.values()) if found else []
    ends = [named(row, END) for row in rows]
    seen = sites is None or any(end["site_id"] in sites for end in ends)
    if found is None or not seen:
        raise NotFound(f"there is no cable {label}", field="label", value=label)
    for end in ends:
        end["spelt"] = spelled(end["port"]) if end["kind"] == "switch" else end["port"]
    moves = history.transitions(None, subject_kind="cable", subject_id=found.pk).order_by("-seq")[:SHOWN]
    return {"cable": found, "ends": ends, "moves": history.ready(list(moves))}


def part(serial: str, sites: Sites) -> list[dict[str, Any]]:
    """Parts of this serial (each kind has its own) and where each has been. Two queries. Raises NotFound (404)."""
    found = Part.objects.filter(serial=serial).order_by("kind").select_related("device")
    parts = list(found if sites is None else found.filter(device__site_id__in=sites))
    if not parts:
        raise NotFound(f"there is no part with serial {serial}", field="serial", value=serial)
    rows = PartMove.objects.filter(part__in=parts).order_by("-id").values("part_id", *MOVE.values())[:SHOWN]
    moves: dict[int, list[dict[str, Any]]] = {p.pk: [] for p in parts}
    for row in rows:
        moves[row["part_id"]].append(named(row, MOVE))
    return [{"part": p, "moves": moves[p.pk]} for p in parts]


SWITCH: Columns = {
    **{n: n for n in ("id", "name", "role", "state", "state_since", "cause", "health", "serial", "pod", "unit")},
    "site": "site__name",
    "rack": "rack__name",
    "profile": "profile__name",
}


def switch(name: str, sites: Sites) -> dict[str, Any]:
    """A switch, PDU or whatever is no host, with its ports and history. Three queries. Raises NotFound (404)."""
    found = scoped(Device.objects.exclude(kind="host").filter(name=name), sites, "site_id")
    row = found.values(*SWITCH.values()).first()
    if row is None:
        raise NotFound(f"there is no switch {name}", field="name", value=name)
    moves = history.transitions(None, subject_kind="switch", subject_id=row["id"]).order_by("-seq")[:SHOWN]
    return {"switch": named(row, SWITCH), "ports": at(row["id"]), "moves": history.ready(list(moves))}
