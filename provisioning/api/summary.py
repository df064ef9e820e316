"""GET /summary: the fleet in numbers."""

from typing import Any

from ninja import Router, Schema

from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from provisioning.reads import summary

router = Router(tags=["fleet"])


class Summary(Schema):
    """by_state: hosts. by_cause: quarantined hosts. active_operations: asked for or under way, not ended."""

    hosts: int
    by_state: dict[str, int]
    by_cause: dict[str, int]
    active_operations: int
    operations: int
    transitions: int


@router.get("/summary", auth=Bearer("read"), response=answers(Summary))
def get_summary(request: PageRequest) -> Any:
    """Counts of hosts, operations and transitions."""
    return summary.summary(request.who.sites("read"))
