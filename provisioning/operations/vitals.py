"""What the sensors of a running host mean: one finding a kind, in words for whoever goes there. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from fleet.findings import Found
from provisioning.bmc.types import Sensor, Watch

# A BMC may be away for one look (a restart of its own, a lost packet): findings come with the third (lessons M26).
MISSES: Final = 3
NAMED: Final = 8


@dataclass(frozen=True)
class Vital:
    """A kind of finding of the sweep. domain: its owner is the party that owns this."""

    domain: str
    severity: str


VITALS: Final[dict[str, Vital]] = {
    "bmc_lost": Vital("bmc", "warning"),
    "power_off": Vital("power", "critical"),
    "psu_out": Vital("psu", "warning"),
    "fan": Vital("host", "warning"),
    "inlet_hot": Vital("place", "warning"),
    "temperature": Vital("host", "warning"),
    "sensor": Vital("host", "warning"),
    "bmc_health": Vital("host", "warning"),
}


def found(kind: str, device: int, words: str, severity: str = "") -> Found:
    """A finding of one of these kinds."""
    vital = VITALS[kind]
    return Found(vital.domain, kind, severity or vital.severity, words, device)


def judge(device: int, name: str, *, supplies: int | None, watch: Watch) -> list[Found]:
    """What is not as it should be. supplies: how many the profile asks for, None when it does not say."""
    if watch.power == "Off":  # whatever its sensors say then, they say it because of that
        return [found("power_off", device, f"{name} is switched off")]
    if not watch.sensors:
        worse = watch.health in ("warning", "critical")
        return [found("bmc_health", device, f"the BMC of {name} says {watch.health}", watch.health)] if worse else []
    made = [*_psus(device, name, supplies, watch.sensors)]
    for of, kind, title in (
        ("inlet", "inlet_hot", "inlet air"),
        ("fan", "fan", "fan"),
        ("temperature", "temperature", "temperature"),
        ("other", "sensor", "sensor"),
    ):
        bad = [s for s in watch.sensors if s.kind == of and s.health in ("warning", "critical")]
        if bad:
            severity = "critical" if any(s.health == "critical" for s in bad) and of != "fan" else "warning"
            made.append(found(kind, device, f"{name}: {title} {_words(bad)}", severity))
    return made


def _psus(device: int, name: str, wanted: int | None, sensors: Sequence[Sensor]) -> list[Found]:
    """Power supplies that fail, and those that are not there although the profile asks for them."""
    listed = [s for s in sensors if s.kind == "psu"]
    bad = [s for s in listed if not s.present or s.health in ("warning", "critical")]
    good, expected = len(listed) - len(bad), max(wanted or 0, len(listed))
    if not listed or good >= expected:
        return []
    which = _words(bad) if bad else "one is not listed any more"
    return [found("psu_out", device, f"{name}: {good} of {expected} power supplies: {which}")]


def _words(sensors: Sequence[Sensor]) -> str:
    each = [f"{s.name} {_reading(s)}" for s in sensors[:NAMED]]
    more = [f"and {len(sensors) - NAMED} more"] if len(sensors) > NAMED else []
    return ", ".join([*each, *more])


def _reading(sensor: Sensor) -> str:
    if not sensor.present:
        return "is absent"
    unit = {"inlet": " °C", "temperature": " °C", "psu": " W"}.get(sensor.kind, "")
    reading = "" if sensor.reading is None else f" at {sensor.reading:g}{unit}"
    return f"{sensor.health}{reading}"


def reading(watch: Watch) -> dict[str, Any]:
    """The figures that are kept of a look: power, health, inlet in °C, watts, fans that turn, supplies that deliver."""
    of = {kind: [s for s in watch.sensors if s.kind == kind] for kind in ("inlet", "fan", "psu")}
    inlets = [s.reading for s in of["inlet"] if s.reading is not None]
    return {
        "power": watch.power,
        "health": watch.health,
        "inlet_c": max(inlets, default=None),
        "watts": round(sum(s.reading or 0 for s in of["psu"])) if of["psu"] else None,
        "fans": sum((s.reading or 0) > 0 for s in of["fan"]),
        "psus": sum(s.present and (s.reading or 0) > 0 for s in of["psu"]),
    }
