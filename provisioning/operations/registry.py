"""Every kind of operation, by name, and the chain of a bring-up."""

from provisioning.operations import burn_in, identify, inspect, install, power, update, validate
from provisioning.operations.kinds import Kind

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (identify, inspect, update, burn_in, install, validate, power)
}

CHAINS: dict[str, tuple[str, ...]] = {
    "bring_up": ("identify", "inspect", "update", "burn_in", "install", "validate"),
    **{name: (name,) for name in KINDS},
}
