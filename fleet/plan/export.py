"""The plan that stands in the database, as the rows of a plan folder. A constant number of queries."""

from django.db import connection

from fleet.errors import BadValue, NotFound
from fleet.models import Address as AddressRow
from fleet.models import Network as NetworkRow
from fleet.models import Party as PartyRow
from fleet.models import Port as PortRow
from fleet.models import PowerInlet, Site
from fleet.plan.rows import Address, Cable, Device, Guid, Network, Party, Plan, Supply, canonical

# Retired devices are history, not plan. Sequential scans joined by hash: the whole site is wanted.
_DEVICES = """
SELECT d.name, d.role, coalesce(p.name, ''), coalesce(d.serial, ''), s.name, coalesce(w.hall, ''), coalesce(w.name, ''),
  coalesce(r.name, ''), d.unit, d.pod, coalesce(b.address, ''), coalesce(b.mac, '')
FROM fleet_device d JOIN fleet_site s ON s.id = d.site_id
LEFT JOIN fleet_profile p ON p.id = d.profile_id
LEFT JOIN fleet_rack r ON r.id = d.rack_id LEFT JOIN fleet_row w ON w.id = r.row_id
LEFT JOIN fleet_bmc b ON b.device_id = d.id
WHERE s.name = %s AND d.state <> 'retired'
"""

# A cable is in the plan while both of its planned ends are.
_CABLES = """
SELECT c.label, c.kind, da.name, pa.name, db.name, pb.name, c.rate, c.length_m, c.medium
FROM fleet_cable c
JOIN fleet_cableend a ON a.cable_id = c.id AND a."end" = 'a' JOIN fleet_port pa ON pa.id = a.port_id
JOIN fleet_device da ON da.id = pa.device_id
JOIN fleet_cableend b ON b.cable_id = c.id AND b."end" = 'b' JOIN fleet_port pb ON pb.id = b.port_id
JOIN fleet_device db ON db.id = pb.device_id
JOIN fleet_site s ON s.id = da.site_id
WHERE s.name = %s
"""


def the_site(name: str = "") -> str:
    """The site to export: the named one, or the only one. '' when there is none yet.

    Raises NotFound for an unknown name, BadValue when there are several and none was named.
    """
    sites = list(Site.objects.order_by("name").values_list("name", flat=True))
    if name and name not in sites:
        raise NotFound(
            f"no site {name}", field="site", value=name, expected=", ".join(sites) or "a site; none is loaded"
        )
    if not name and len(sites) > 1:
        raise BadValue("there are several sites", field="site", value="", expected="one of " + ", ".join(sites))
    return name or (sites[0] if sites else "")


def from_database(site: str) -> Plan:
    """The plan of a site in canonical order; parties are those of the whole installation."""
    with connection.cursor() as cursor:
        cursor.execute(_DEVICES, [site])
        devices = [Device(*row) for row in cursor.fetchall()]
        cursor.execute(_CABLES, [site])
        cables = [Cable(*row) for row in cursor.fetchall()]
    here = {"device__site__name": site}
    alive = {d.name for d in devices}
    power = PowerInlet.objects.filter(**here).values_list("device__name", "psu", "feed__name", "circuit", "limit_w")
    networks = NetworkRow.objects.filter(site__name=site).values_list(
        *("name", "purpose", "vlan", "cidr", "gateway", "dns", "ntp", "domain", "dhcp")
    )
    addresses = AddressRow.objects.filter(**here).values_list(
        "device__name", "interface", "network__name", "address", "mac"
    )
    guids = PortRow.objects.filter(**here).exclude(node_guid="").values_list("device__name", "name", "node_guid")
    return canonical(
        Plan(
            devices=devices,
            cables=cables,
            power=[Supply(*row) for row in power if row[0] in alive],
            networks=[Network(*row) for row in networks],
            addresses=[Address(*row) for row in addresses if row[0] in alive],
            guids=[Guid(*row) for row in guids if row[0] in alive],
            parties=_parties(),
        )
    )


def _parties() -> list[Party]:
    columns = ("name", "kind", "owns", "contact", "phone", "mail", "address", "hours", "contract")
    return [
        Party(name, kind, " ".join(owns), *rest) for name, kind, owns, *rest in PartyRow.objects.values_list(*columns)
    ]
