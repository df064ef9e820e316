"""Where the resources of one BMC are: discovered from its answers, or known for a vendor."""

from dataclasses import dataclass

from provisioning.bmc import fields
from provisioning.bmc.fields import Json


@dataclass(frozen=True, slots=True)
class Paths:
    """Resource paths of one BMC. bios_settings: where BIOS changes are written."""

    system: str
    manager: str
    chassis: str
    reset: str
    bios: str
    bios_settings: str
    processors: str
    memory: str
    storage: str
    ethernet: str
    updates: str

    @property
    def adapters(self) -> str:
        return f"{self.chassis}/NetworkAdapters"

    @property
    def pcie_devices(self) -> str:
        return f"{self.chassis}/PCIeDevices"

    @property
    def psus(self) -> str:
        return f"{self.chassis}/PowerSubsystem/PowerSupplies"

    @property
    def event_log(self) -> str:
        return f"{self.manager}/LogServices/Sel/Entries"

    @property
    def manager_reset(self) -> str:
        return f"{self.manager}/Actions/Manager.Reset"


def first_member(collection: object) -> str | None:
    """Path of the host among the members: GPU boards and network cards have systems of their own."""
    found = [path for row in fields.items(fields.at(collection, "Members")) if (path := fields.link(row))]
    hosts = [path for path in found if not fields.last_part(path).startswith(("HGX_", "Bluefield", "BlueField"))]
    return next(iter(hosts or found), None)


def from_system(root: Json, path: str, system: Json) -> Paths:
    """Paths by the links of a system; what it does not link has its usual place."""
    path = path.rstrip("/")
    links = fields.mapping(system.get("Links"))
    bios = fields.link(system.get("Bios")) or f"{path}/Bios"
    return Paths(
        system=path,
        manager=_first(links.get("ManagedBy")) or f"/redfish/v1/Managers/{fields.last_part(path)}",
        chassis=_first(links.get("Chassis")) or f"/redfish/v1/Chassis/{fields.last_part(path)}",
        reset=fields.link(fields.at(system, "Actions", "#ComputerSystem.Reset", "target"))
        or f"{path}/Actions/ComputerSystem.Reset",
        bios=bios,
        bios_settings=f"{bios}/Settings",
        processors=fields.link(system.get("Processors")) or f"{path}/Processors",
        memory=fields.link(system.get("Memory")) or f"{path}/Memory",
        storage=fields.link(system.get("Storage")) or f"{path}/Storage",
        ethernet=fields.link(system.get("EthernetInterfaces")) or f"{path}/EthernetInterfaces",
        updates=fields.link(root.get("UpdateService")) or "/redfish/v1/UpdateService",
    )


def _first(links: object) -> str | None:
    found = next((path for row in fields.items(links) if (path := fields.link(row))), None)
    return found.rstrip("/") if found else None
