"""Evidence: every observation as it came."""

from datetime import datetime
from typing import Any

from ninja import Query, Router, Schema

from fleet.http import paging
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import Id, Instant, Name, Page, Paged, Text
from fleet.reads import inventory
from fleet.reads.inventory import DEVICES, EVIDENCE

router = Router(tags=["findings"])


class EvidenceRow(Schema):
    """One observation as it came."""

    id: int
    at: datetime
    kind: str
    device_id: int | None
    operation_id: int | None
    words: str
    data: Any
    file_id: int | None


class EvidenceFilters(Paged):
    """device: number or name. since, until: of the time at which it was seen; since is within, until is not."""

    kind: Text | None = None
    device: Name | None = None
    operation: Id | None = None
    since: Instant | None = None
    until: Instant | None = None


@router.get("/evidence", auth=Bearer("read"), response=answers(Page[EvidenceRow]))
def list_evidence(request: PageRequest, filters: Query[EvidenceFilters]) -> Any:
    """Observations, the newest first."""
    sites, asked = request.who.sites("read"), filters.model_dump()
    if filters.device is not None:
        asked["device"] = inventory.one(DEVICES, filters.device, sites)["id"]
    found = inventory.select(EVIDENCE, asked, sites)
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": inventory.ready(EVIDENCE, rows), "next": after}


@router.get("/evidence/{id}", auth=Bearer("read"), response=answers(EvidenceRow))
def get_evidence(request: PageRequest, id: Id) -> Any:
    """One observation."""
    return inventory.one(EVIDENCE, id, request.who.sites("read"))
