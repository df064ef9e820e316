"""How a running host is: its sensors in one request where the BMC can expand, else its power and health alone."""

from collections.abc import Iterable
from typing import Final, cast

from provisioning.bmc import fields
from provisioning.bmc.fields import Json
from provisioning.bmc.types import Sensor, SensorKind

# ReadingType and PhysicalContext (DMTF Sensor) to what it is the sensor of; the first row that fits.
_KINDS: Final[tuple[tuple[str, str, SensorKind], ...]] = (
    ("Temperature", "Intake", "inlet"),
    ("Temperature", "", "temperature"),
    ("Rotational", "", "fan"),
    ("Percent", "Fan", "fan"),
    ("Power", "PowerSupply", "psu"),
)


def sensors(rows: Iterable[Json]) -> tuple[Sensor, ...]:
    """Every row that is a sensor, in the BMC's order."""
    return tuple(found for row in rows if (found := _sensor(row)) is not None)


def _sensor(row: Json) -> Sensor | None:
    name = fields.text(row, "Id") or fields.text(row, "Name")
    if name is None:
        return None
    kind, context = fields.text(row, "ReadingType") or "", fields.text(row, "PhysicalContext") or ""
    of = next((of for k, c, of in _KINDS if k == kind and (not c or c == context)), "other")
    return Sensor(
        name=name,
        kind=cast(SensorKind, of),
        reading=_number(row.get("Reading")),
        health=fields.verdict(row),
        present=fields.text(row, "Status", "State") not in ("Absent", "UnavailableOffline", "Disabled"),
    )


def _number(value: object) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
    return float(cast(float, value)) if is_number else None


def turns(found: Iterable[Sensor]) -> bool:
    """Whether any fan turns, which it does in a host that is on."""
    return any(s.kind == "fan" and (s.reading or 0) > 0 for s in found)
