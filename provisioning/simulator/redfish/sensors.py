"""The chassis' sensors: temperatures, fans, power supplies; what they read follows power and load, without chance."""

from provisioning.simulator import draw, parts, reference
from provisioning.simulator.host import Host
from provisioning.simulator.redfish.odata import CHASSIS, Call, Collection, Json, collection, resource

SENSORS = f"{CHASSIS}/Sensors"
INLET_C = (20.0, 27.0)
HOT_INLET_C = 41.0
IDLE_W, STANDBY_W = 2200.0, 90.0
FAN = ("Rotational", "{rev}/min", "Fan")
SUPPLY = ("Power", "W", "PowerSupply")


@collection(SENSORS)
def sensors(call: Call) -> Collection:
    """All sensors of the server; less than a page of them."""
    host, is_on = call.host, call.host.power in ("On", "PoweringOn")
    inlet = (
        HOT_INLET_C if host.has("inlet_hot") else draw.between(*INLET_C, host.world.options.seed, host.name, "inlet")
    )
    members = [
        _sensor("SystemBoardInletTemp", ("Temperature", "Cel", "Intake"), inlet, (38.0, 42.0)),
        _sensor(
            "SystemBoardExhaustTemp", ("Temperature", "Cel", "Exhaust"), inlet + (18 if is_on else 1), (75.0, 80.0)
        ),
    ]
    members += [_of_chip(f"CPU{n + 1}Temp", "CPU", inlet + 26, is_on) for n in range(len(reference.CPUS))]
    members += [_of_chip(f"GPU{n + 1}Temp", "GPU", inlet + 14, is_on) for n in range(len(reference.GPUS))]
    members += [_fan(host, slot, is_on) for slot in reference.FANS]
    supplies = parts.of(host, "psu")
    share = (IDLE_W if is_on else STANDBY_W) / max(sum(p.is_there for p in supplies), 1)
    members += [_supply(p, share) for p in supplies]
    members.append(_sensor("SystemPowerConsumption", ("Power", "W", "Chassis"), IDLE_W if is_on else STANDBY_W))
    return Collection(SENSORS, "SensorCollection", "Sensors", members)


def _of_chip(name: str, context: str, celsius: float, is_on: bool) -> Json:
    return _sensor(name, ("Temperature", "Cel", context), celsius if is_on else None, (90.0, 95.0))


def _fan(host: Host, slot: str, is_on: bool) -> Json:
    fault = host.fault
    failed = fault is not None and fault.name == "fan_failed" and fault.slot == slot
    rpm = 0.0 if failed or not is_on else 9600.0
    return _sensor(slot.replace(".", ""), FAN, rpm, health="Critical" if failed else "OK")


def _supply(part: parts.Part, watts: float) -> Json:
    health = part.health if part.state == "Enabled" else None
    name = f"{part.slot.replace('.', '')}InputPower"
    return _sensor(name, SUPPLY, watts if part.is_there else 0.0, health=health, state=part.state)


def _sensor(
    name: str,
    of: tuple[str, str, str],
    reading: float | None,
    upper: tuple[float, float] | None = None,
    *,
    health: str | None = "OK",
    state: str = "Enabled",
) -> Json:
    """of: what it reads, in which unit, where. upper: caution and critical threshold; past one, that is its health."""
    if upper and reading is not None:
        health = "Critical" if reading >= upper[1] else "Warning" if reading >= upper[0] else health
    thresholds = {"UpperCaution": {"Reading": upper[0]}, "UpperCritical": {"Reading": upper[1]}} if upper else {}
    if reading is None:
        health, state = None, "UnavailableOffline"
    return resource(
        f"{SENSORS}/{name}",
        "Sensor.v1_9_0",
        name,
        ReadingType=of[0],
        ReadingUnits=of[1],
        PhysicalContext=of[2],
        Reading=None if reading is None else round(reading, 1),
        Thresholds=thresholds,
        Status={"Health": health, "State": state},
    )
