"""Results of tests on the host: figures near the healthy ones, or what the host's fault makes of them."""

from typing import Any

from provisioning.simulator import draw, reference
from provisioning.simulator.host import Host

WRONG_SUMS_TEST = "gpu_compare"
SLOW_TEST = "host_to_device"
SLOW = 0.57  # of what it should be


def result(host: Host, name: str) -> dict[str, Any]:
    """{"name", "passed", "value", "limit", "words"} of one finished test; an unknown test passes."""
    test = reference.BURN_IN_TESTS.get(name)
    if test is None:
        return {"name": name, "passed": True, "value": None, "limit": None, "words": "passed"}
    if name == WRONG_SUMS_TEST and host.fire("gpu_wrong_sums"):
        slot = host.fault.slot if host.fault else None
        return {
            "name": name,
            "passed": False,
            "value": 3,
            "limit": test.limit,
            "slot": slot,
            "words": f"GPU {slot}: 3 of 4096 sums differ from those of the other GPUs",
        }
    slow = SLOW if name == SLOW_TEST and host.fire("bios_slow") else 1.0
    value = round(slow * test.value * draw.between(0.99, 1.01, host.world.options.seed, host.name, name, host.boots), 2)
    words = f"{value:g} {test.unit}"
    return {"name": name, "passed": slow == 1.0, "value": value, "limit": test.limit, "words": words}
