"""One box for all that has a name: host, serial, address, GUID, cable, part, port; exactly, or what is nearest."""

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from fleet.reads.ports import number_of
from fleet.reads.rows import Sites

SHOWN = 20
NEAR = 5
# A word with one letter wrong in seven shares about four of eight trigrams.
ALIKE = 0.3
LEAST = 3  # letters of which a trigram index can find something


@dataclass(frozen=True)
class Hit:
    """Something that was found. kind: what it is. name: where it leads. field, value: what in it was searched for."""

    kind: str
    name: str
    field: str
    value: str
    state: str = ""
    words: str = ""
    port: str = ""


_SEEN = "(%(all)s OR d.site_id = ANY(%(sites)s))"
_CABLE_SEEN = f"""(%(all)s OR EXISTS (SELECT 1 FROM fleet_cableend e JOIN fleet_port p ON p.id = e.port_id
  JOIN fleet_device d ON d.id = p.device_id WHERE e.cable_id = c.id AND {_SEEN}))"""

# Each part of the union is a look at one index. kind, name, field, value, state, words, port.
EXACT = f"""
SELECT d.kind, d.name, 'name', d.name, d.state, '', '' FROM fleet_device d WHERE d.name = ANY(%(spelt)s) AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'former name', f.name, d.state, '', ''
  FROM fleet_formername f JOIN fleet_device d ON d.id = f.device_id WHERE f.name = ANY(%(spelt)s) AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'serial', d.serial, d.state, '', ''
  FROM fleet_device d WHERE d.serial = ANY(%(spelt)s) AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'BMC address', b.address, d.state, '', ''
  FROM fleet_bmc b JOIN fleet_device d ON d.id = b.device_id WHERE b.address = ANY(%(spelt)s) AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'BMC MAC', b.mac, d.state, '', ''
  FROM fleet_bmc b JOIN fleet_device d ON d.id = b.device_id WHERE b.mac = %(mac)s AND %(mac)s <> '' AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'address of ' || a.interface, host(a.address), d.state, '', ''
  FROM fleet_address a JOIN fleet_device d ON d.id = a.device_id
  WHERE a.address = nullif(%(ip)s, '')::inet AND a.interface <> 'bmc' AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'MAC of ' || a.interface, a.mac, d.state, '', ''
  FROM fleet_address a JOIN fleet_device d ON d.id = a.device_id
  WHERE a.mac = %(mac)s AND %(mac)s <> '' AND a.interface <> 'bmc' AND {_SEEN}
UNION ALL SELECT d.kind, d.name, 'GUID', p.node_guid, d.state, '', p.name
  FROM fleet_port p JOIN fleet_device d ON d.id = p.device_id
  WHERE p.node_guid = ANY(%(guids)s) AND p.node_guid <> '' AND {_SEEN}
UNION ALL SELECT 'cable', c.label, 'label', c.label, c.state, '', ''
  FROM fleet_cable c WHERE c.label = ANY(%(spelt)s) AND {_CABLE_SEEN}
UNION ALL SELECT 'part', p.serial, 'serial', p.serial, '',
  p.kind || coalesce(', in ' || d.name || ' ' || p.slot, ''), ''
  FROM fleet_part p LEFT JOIN fleet_device d ON d.id = p.device_id WHERE p.serial = ANY(%(spelt)s)
  AND p.serial <> '' AND (%(all)s OR d.site_id = ANY(%(sites)s))
"""

# A port of a named device.
PORT = f"""
SELECT d.kind, d.name, 'port', p.name, d.state, '', p.name FROM fleet_device d JOIN fleet_port p ON p.device_id = d.id
WHERE d.name = ANY(%(device)s) AND p.name = ANY(%(port)s) AND {_SEEN}
"""

# A port of no named device: every switch has one, so it is never the only answer.
PORTS = f"""
SELECT d.kind, d.name, 'port', p.name, d.state, '', p.name FROM fleet_port p JOIN fleet_device d ON d.id = p.device_id
WHERE p.name = ANY(%(port)s) AND d.kind = 'switch' AND {_SEEN} ORDER BY d.name LIMIT %(limit)s
"""

# Whoever holds the words first, then what looks like them. Plan: the trigram indexes of migration 0003.
NEAREST = f"""
SELECT kind, name, field, value, state, words, '' FROM (
  SELECT d.kind, d.name, 'name' AS field, d.name AS value, d.state, '' AS words FROM fleet_device d
    WHERE (d.name ILIKE %(piece)s OR d.name %% %(q)s) AND {_SEEN}
  UNION ALL SELECT d.kind, d.name, 'serial', d.serial, d.state, '' FROM fleet_device d
    WHERE (d.serial ILIKE %(piece)s OR d.serial %% %(q)s) AND {_SEEN}
  UNION ALL SELECT 'cable', c.label, 'label', c.label, c.state, '' FROM fleet_cable c
    WHERE (c.label ILIKE %(piece)s OR c.label %% %(q)s) AND {_CABLE_SEEN}
  UNION ALL SELECT 'part', p.serial, 'serial', p.serial, '', p.kind || coalesce(', in ' || d.name || ' ' || p.slot, '')
    FROM fleet_part p LEFT JOIN fleet_device d ON d.id = p.device_id
    WHERE (p.serial ILIKE %(piece)s OR p.serial %% %(q)s) AND (%(all)s OR d.site_id = ANY(%(sites)s))
) found ORDER BY value ILIKE %(piece)s DESC, similarity(value, %(q)s) DESC, value LIMIT %(limit)s
"""


def exact(q: str, sites: Sites) -> list[Hit]:
    """All that is called so exactly, in any spelling of an address, GUID or port. At most two queries."""
    words = q.split()
    arguments = {**_who(sites), **_spellings(q), "limit": SHOWN}
    if len(words) == 2 and (found := _port(words, sites)):
        return found
    hits = _hits(EXACT, arguments)
    if not hits and re.fullmatch(r"[0-9/]+", q):
        hits = _hits(PORTS, {**arguments, "port": [number_of(q)]})
    return list({(h.kind, h.name, h.port, h.field): h for h in hits}.values())


def nearest(q: str, sites: Sites) -> list[Hit]:
    """What holds these words, or looks most like them, the nearest first. One query; none for one letter or two."""
    if len(q) < LEAST:
        return []
    escaped = re.sub(r"([\\%_])", r"\\\1", q)
    return _hits(NEAREST, {**_who(sites), "q": q, "piece": f"%{escaped}%", "limit": NEAR})


def _port(words: Sequence[str], sites: Sites) -> list[Hit]:
    device, port = words
    spelt = {"device": [device, device.lower()], "port": [port, port.lower(), number_of(port)]}
    return _hits(PORT, {**_who(sites), **spelt})


def _who(sites: Sites) -> dict[str, Any]:
    return {"all": sites is None, "sites": list(sites or ())}


def _spellings(q: str) -> dict[str, Any]:
    digits = re.sub(r"[^0-9a-f]", "", q.lower().removeprefix("0x"))
    is_hex = re.fullmatch(r"(0x)?[0-9a-fA-F:.\-]+", q) is not None
    mac = ":".join(digits[i : i + 2] for i in range(0, 12, 2)) if is_hex and len(digits) == 12 else ""
    guids = [f"0x{digits}", digits] if is_hex and len(digits) == 16 else []
    try:
        ip = str(ipaddress.ip_address(q))
    except ValueError:
        ip = ""
    return {"spelt": sorted({q, q.lower(), q.upper()}), "mac": mac, "guids": guids, "ip": ip}


def _hits(sql: str, arguments: dict[str, Any]) -> list[Hit]:
    with connection.cursor() as cursor:
        cursor.execute(sql, arguments)
        return [Hit(*row) for row in cursor.fetchall()]
