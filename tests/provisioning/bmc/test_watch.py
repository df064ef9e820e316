"""How a running host is, in one request."""

import pytest

from provisioning.bmc.sensors import sensors
from provisioning.bmc.types import Sensor
from tests.provisioning.bmc.fake import C, Reply, collection

SENSORS = f"GET {C}/Sensors"


def row(name: str, kind: str, context: str, reading: object, *status: str | None) -> dict:
    """status: health and state, "OK" and "Enabled" when left out."""
    health, state = (*status, "OK", "Enabled")[:2] if not status else (*status, "Enabled")[:2]
    return {"Id": name, "ReadingType": kind, "PhysicalContext": context, "Reading": reading,
            "Status": {"Health": health, "State": state}}  # fmt: skip


FAN = row("Fan1", "Rotational", "Fan", 9600)


async def test_one_request_for_a_host_that_is_on(fake, bmc):
    await bmc.system()
    fake.replies[SENSORS] = Reply(200, collection([FAN, row("Inlet", "Temperature", "Intake", 41.5, "Warning")]))
    before = bmc.requests
    found = await bmc.watch()
    assert bmc.requests == before + 1
    assert (found.power, found.health, len(found.sensors)) == ("On", "warning", 2)


async def test_where_no_fan_turns_the_system_is_asked(fake, bmc):
    await bmc.system()
    fake.replies[SENSORS] = Reply(200, collection([row("Fan1", "Rotational", "Fan", 0)]))
    before = bmc.requests
    found = await bmc.watch()
    assert (bmc.requests, found.power) == (before + 2, "On")


async def test_a_bmc_without_sensors_is_asked_for_them_once(fake, bmc):
    await bmc.system()
    before = bmc.requests
    assert (await bmc.watch()).sensors == ()
    assert bmc.requests == before + 2
    assert (await bmc.watch()).health == "warning"
    assert bmc.requests == before + 3


@pytest.mark.parametrize(
    ("seen", "is_"),
    [
        (row("T", "Temperature", "Intake", 21), Sensor("T", "inlet", 21.0, "ok")),
        (row("T", "Temperature", "CPU", 60.5), Sensor("T", "temperature", 60.5, "ok")),
        (row("F", "Percent", "Fan", 40), Sensor("F", "fan", 40.0, "ok")),
        (row("P", "Power", "PowerSupply", 300, "Critical"), Sensor("P", "psu", 300.0, "critical")),
        (row("P", "Power", "PowerSupply", 0, None, "Absent"), Sensor("P", "psu", 0.0, "unknown", present=False)),
        (row("V", "Voltage", "CPU", 1.8), Sensor("V", "other", 1.8, "ok")),
        (row("T", "Temperature", "Intake", None, None, "UnavailableOffline"),
         Sensor("T", "inlet", None, "unknown", present=False)),
        (row("T", "Temperature", "Intake", True), Sensor("T", "inlet", None, "ok")),
        (row("T", "Temperature", "Intake", "hot"), Sensor("T", "inlet", None, "ok")),
        (row("T", "Temperature", "Intake", 1e300), Sensor("T", "inlet", None, "ok")),
        ({"Name": "odd"}, Sensor("odd", "other", None, "unknown")),
    ],
)  # fmt: skip
def test_a_row(seen, is_):
    assert sensors([seen]) == (is_,)


def test_what_has_no_name_is_no_sensor():
    assert sensors([{}, {"Id": 7.5}]) == ()
