"""GET /findings and the evidence behind them."""

from datetime import datetime
from typing import Annotated, Any

from ninja import Query, Router, Schema

from fleet.http import paging
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import Id, Page, Paged, Text, words
from fleet.models.evidence import SEVERITIES
from fleet.reads import findings

router = Router(tags=["findings"])


class FindingRow(Schema):
    """Something that is, or was, not as it should be. owner: the party that mends this kind. evidence: ids."""

    id: int
    stable_id: str
    domain: str
    kind: str
    severity: str
    words: str
    cause: str
    owner: str | None
    host: str | None
    host_id: int | None
    operation: int | None
    evidence: list[int]
    opened_at: datetime
    seen_at: datetime
    closed_at: datetime | None
    closed_words: str


class EvidenceOut(Schema):
    """One observation as it came."""

    id: int
    at: datetime
    kind: str
    device_id: int | None
    operation_id: int | None
    words: str
    data: Any
    file_id: int | None


class FindingFilters(Paged):
    """host: name. open: true for those that stand, false for those that were closed."""

    domain: Text | None = None
    kind: Text | None = None
    severity: Annotated[Text, *words(SEVERITIES)] | None = None
    host: Text | None = None
    open: bool | None = None


@router.get("/findings", auth=Bearer("read"), response=answers(Page[FindingRow]))
def list_findings(request: PageRequest, filters: Query[FindingFilters]) -> Any:
    """Findings, the newest first."""
    found = findings.select(filters.model_dump(), request.who.sites("read"))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": findings.ready(rows), "next": after}


@router.get("/evidence/{id}", auth=Bearer("read"), response=answers(EvidenceOut))
def get_evidence(request: PageRequest, id: Id) -> Any:
    """One observation."""
    return findings.evidence(id, request.who.sites("read"))
