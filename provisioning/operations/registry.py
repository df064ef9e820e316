"""Every kind of operation, by name, and the chains of operations that campaigns consist of."""

from provisioning.operations import burn_in, drain, identify, inspect, install, power, update, validate
from provisioning.operations.kinds import Kind

KINDS: dict[str, Kind] = {
    module.KIND.name: module.KIND for module in (identify, inspect, update, burn_in, install, validate, drain, power)
}

CHAINS: dict[str, tuple[str, ...]] = {
    "bring_up": ("identify", "inspect", "update", "burn_in", "install", "validate"),
    **{name: (name,) for name in KINDS},
}

SERVING = frozenset({"in_service", "draining"})

# What a host that serves goes through: it leaves service, and comes back once it is validated.
CHAINS_IN_SERVICE: dict[str, tuple[str, ...]] = {
    "validate": ("drain", "validate"),
    **{name: ("drain", name, "validate") for name in ("inspect", "update", "install", "power")},
}


def ends_chain(name: str, n: int, kind: str) -> bool:
    """Whether an operation of this name and place in its chain is the last one in a campaign of this kind."""
    return name == ("validate" if n else kind)


def chain_of(kind: str, state: str) -> tuple[str, ...]:
    """The operations of a campaign of this kind on a host in this state, one after the other."""
    return CHAINS_IN_SERVICE.get(kind, CHAINS[kind]) if state in SERVING else CHAINS[kind]
