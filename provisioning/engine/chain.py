"""The rest of a chain: what waits for an operation that will never succeed waits for nothing."""

from collections.abc import Sequence

from django.db import connection

from fleet import lifecycle
from fleet.models import Actor
from provisioning.models import Operation

# Plan: by the index of after_id, one link of the chain a round.
REST = """
WITH RECURSIVE rest AS (
  SELECT id FROM provisioning_operation WHERE after_id = ANY(%s) AND state = 'queued'
  UNION SELECT o.id FROM provisioning_operation o JOIN rest ON o.after_id = rest.id WHERE o.state = 'queued')
SELECT id FROM rest ORDER BY id
"""


def cancel_rest(operations: Sequence[int], actor: Actor) -> None:
    """Cancel whatever waits behind these operations, directly or further down its chain."""
    with connection.cursor() as cursor:
        cursor.execute(REST, [list(operations)])
        rest = [row[0] for row in cursor.fetchall()]
    lifecycle.move("operation", rest, to="cancelled", actor=actor, reason="the one before it was cancelled")
    Operation.objects.filter(pk__in=rest).update(cause="cancelled", after=None)
