"""What sensors mean."""

import pytest

from provisioning.bmc.types import Sensor, Watch
from provisioning.operations import vitals
from provisioning.operations.vitals import VITALS, judge

FANS = tuple(Sensor(f"Fan{n}", "fan", 9600.0, "ok") for n in range(4))
PSUS = tuple(Sensor(f"PSU{n}", "psu", 370.0, "ok") for n in range(6))
INLET = Sensor("InletTemp", "inlet", 23.5, "ok")
WELL = (*FANS, *PSUS, INLET)


def kinds(*sensors: Sensor, supplies: int | None = 6, power="On", health="ok") -> dict[str, str]:
    found = judge(7, "host-007", supplies=supplies, watch=Watch(power, health, sensors))
    assert all(f.device == 7 and "host-007" in f.words and f.domain == VITALS[f.kind].domain for f in found)
    return {f.kind: f.severity for f in found}


def test_a_host_that_is_well_has_no_finding():
    assert kinds(*WELL) == {}
    assert kinds() == {}, "no sensors, and the system says ok"


def test_a_host_that_is_off_has_one_whatever_its_sensors_say():
    assert kinds(Sensor("PSU0", "psu", 0.0, "critical"), power="Off") == {"power_off": "critical"}


def test_without_sensors_the_systems_own_word_counts():
    assert kinds(health="critical") == {"bmc_health": "critical"}
    assert kinds(health="unknown") == {}


@pytest.mark.parametrize(
    ("sensor", "found"),
    [
        (Sensor("PSU9", "psu", 0.0, "critical"), {"psu_out": "warning"}),
        (Sensor("PSU9", "psu", None, "unknown", present=False), {"psu_out": "warning"}),
        (Sensor("Fan9", "fan", 0.0, "critical"), {"fan": "warning"}),
        (Sensor("Inlet2", "inlet", 41.0, "warning"), {"inlet_hot": "warning"}),
        (Sensor("Inlet2", "inlet", 45.0, "critical"), {"inlet_hot": "critical"}),
        (Sensor("CPU1Temp", "temperature", 96.0, "critical"), {"temperature": "critical"}),
        (Sensor("CMOSBattery", "other", None, "warning"), {"sensor": "warning"}),
        (Sensor("CPU1Temp", "temperature", None, "unknown"), {}),
    ],
)
def test_each_kind_of_sensor_has_its_finding(sensor, found):
    assert kinds(*WELL, sensor) == found


def test_a_supply_that_is_not_listed_any_more_is_missed_by_the_profile():
    assert kinds(*FANS, *PSUS[:5], INLET) == {"psu_out": "warning"}
    assert kinds(*FANS, *PSUS[:5], INLET, supplies=None) == {}, "nobody says how many there should be"


def test_many_bad_sensors_are_one_finding_of_bounded_length():
    bad = [Sensor(f"Fan{n}", "fan", 0.0, "critical") for n in range(16)]
    found = judge(7, "host-007", supplies=None, watch=Watch("On", "critical", tuple(bad)))
    assert len(found) == 1 and found[0].words.endswith("and 8 more")


def test_the_figures_that_are_kept():
    assert vitals.reading(Watch("On", "ok", WELL)) == {
        "power": "On", "health": "ok", "inlet_c": 23.5, "watts": 2220, "fans": 4, "psus": 6,
    }  # fmt: skip
    assert vitals.reading(Watch("On", "ok"))["inlet_c"] is None
