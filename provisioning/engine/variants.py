"""What makes hosts differ, as it is on record: profile, BIOS, BMC and HCA firmware, and where they stand."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import connection

from provisioning.engine import waves
from provisioning.engine.waves import Candidate

# The BIOS is what was read last, by an update, which keeps all versions that it saw. Plan: by evidence_device, one look
# a host and partition.
VARIANTS = """
SELECT d.id, d.name, ARRAY[coalesce(p.name || ' v' || p.version, ''), coalesce(v.bios, ''), coalesce(b.firmware, ''),
    coalesce((SELECT string_agg(DISTINCT h.firmware, ' ' ORDER BY h.firmware) FROM fleet_part h
              WHERE h.device_id = d.id AND h.kind = 'hca'), '')] AS hardware,
  coalesce(w.name, '') AS row, coalesce(k.name, '') AS rack
FROM fleet_device d LEFT JOIN fleet_profile p ON p.id = d.profile_id LEFT JOIN fleet_bmc b ON b.device_id = d.id
LEFT JOIN fleet_rack k ON k.id = d.rack_id LEFT JOIN fleet_row w ON w.id = k.row_id
LEFT JOIN LATERAL (
  SELECT (SELECT string_agg(x.value, ' ' ORDER BY x.key) FROM jsonb_each_text(e.data->'versions') x
          WHERE x.key LIKE '%%BIOS%%') AS bios
  FROM fleet_evidence e WHERE e.device_id = d.id AND e.kind = 'firmware'
  ORDER BY e.at DESC, e.id DESC LIMIT 1) v ON true
WHERE d.id = ANY(%s) ORDER BY d.id
"""

# Where each host of a campaign stands that has ended or failed, by its newest operation that waits for no other one.
ENDED = """
SELECT device_id, state FROM (
  SELECT DISTINCT ON (o.device_id) o.device_id, o.state FROM provisioning_operation o WHERE o.campaign_id = %s
  ORDER BY o.device_id, (o.after_id IS NULL) DESC, o.chain_n DESC, o.id DESC) o
WHERE state IN ('succeeded', 'failed', 'lost')
"""


def of(devices: Sequence[int]) -> list[Candidate]:
    """Each of these hosts with what makes it a variant. One query."""
    with connection.cursor() as cursor:
        cursor.execute(VARIANTS, [list(devices)])
        return [Candidate(pk, name, tuple(kind), row, rack) for pk, name, kind, row, rack in cursor.fetchall()]


def words(ended: Mapping[int, str]) -> str:
    """What sets the hosts that failed apart from those that did well, '' when nothing does. ended: device to state."""
    if not {"failed", "lost"} & set(ended.values()) or "succeeded" not in ended.values():
        return ""
    kinds = {c.id: c.hardware for c in of(list(ended))}
    fine = [kinds[d] for d, state in ended.items() if state == "succeeded"]
    failed = [kinds[d] for d, state in ended.items() if state != "succeeded"]
    found = " and ".join(f"{name} {value}" for name, value in waves.sets_apart(failed, fine))
    return f"all that failed have {found}, none that passed has" if found else ""


def words_of(campaign: int) -> str:
    """The same of a whole campaign. Two queries."""
    with connection.cursor() as cursor:
        cursor.execute(ENDED, [campaign])
        ended: dict[int, Any] = dict(cursor.fetchall())
    return words(ended)
