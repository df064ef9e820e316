"""What a plan must know of the hardware that it places: height, ports, power. By profile name; nothing else is judged.

Heights and port counts are the makers'. power_w of an XE9680 is its highest draw, and a supply gives at most psu_w:
with one of two feeds gone, three supplies carry what six did, so a host's circuit sees min(power_w, 3 x psu_w).
"""

from dataclasses import dataclass

RACK_UNITS = 48


@dataclass(frozen=True, slots=True)
class Hardware:
    """height_u: rack units. ports: of a switch, numbered from 1. hcas: of a host. Watts as above."""

    height_u: int = 1
    ports: int = 0
    hcas: int = 0
    power_w: int = 0
    psu_w: int = 0
    psus: int = 0


HARDWARE: dict[str, Hardware] = {
    "XE9680": Hardware(height_u=6, hcas=8, power_w=10_200, psu_w=2_800, psus=6),
    "QM9700": Hardware(height_u=1, ports=64, power_w=1_720, psu_w=2_000, psus=2),
    "SN2201": Hardware(height_u=1, ports=52, power_w=110, psu_w=250, psus=2),
    "SN4600C": Hardware(height_u=2, ports=64, power_w=800, psu_w=1_100, psus=2),
}
UNKNOWN = Hardware()
FABRIC_PORTS = 64  # of an InfiniBand switch, whatever its profile: contract of the plan folder
HOST_HCAS = 8


def hardware(profile: str) -> Hardware:
    """What is known of a profile; for an unknown one a height of one unit, and no power that could be judged."""
    return HARDWARE.get(profile, UNKNOWN)
