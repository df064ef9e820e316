"""Plans: what was loaded, and the plan that stands as the files of a plan folder."""

from datetime import datetime
from typing import Annotated, Any

from django.http import HttpResponse
from ninja import Query, Router, Schema

from fleet.errors import NotFound
from fleet.http import paging, rights
from fleet.http.api import Bearer, answers
from fleet.http.auth import PageRequest
from fleet.http.schemas import Id, Page, Paged, Text, words
from fleet.models import Site
from fleet.plan import export, files
from fleet.plan.fields import TABLES
from fleet.reads import inventory
from fleet.reads.inventory import PLANS

router = Router(tags=["plans"])


class PlanRow(Schema):
    """One load of a plan folder. sha256: of its canonical files. counts: what it held, and what it changed."""

    id: int
    sha256: str
    loaded_at: datetime
    by: str
    reason: str
    counts: dict[str, Any]


class PlanFilters(Paged):
    """sha256: of the canonical files; to see whether a folder was loaded, and when."""

    sha256: Text | None = None


class WhichSite(Schema):
    """site: may be left out where there is one only."""

    site: Text | None = None


@router.get("/plans", auth=Bearer("read"), response=answers(Page[PlanRow]))
def list_plans(request: PageRequest, filters: Query[PlanFilters]) -> Any:
    """Loaded plans, the newest first."""
    found = inventory.select(PLANS, filters.model_dump(), request.who.sites("read"))
    rows, after = paging.page(found, by="id", cursor=filters.cursor, limit=filters.limit, descending=True)
    return {"items": inventory.ready(PLANS, rows), "next": after}


@router.get("/plans/{id}", auth=Bearer("read"), response=answers(PlanRow))
def get_plan(request: PageRequest, id: Id) -> Any:
    """One load of a plan."""
    return inventory.one(PLANS, id, request.who.sites("read"))


@router.get("/plans/current/{file}", auth=Bearer("read"), response=answers(None), openapi_extra={"x-media": "text/csv"})
def export_plan(request: PageRequest, file: Annotated[Text, *words(list(TABLES))], where: Query[WhichSite]) -> Any:
    """A file of the plan as it stands, as `manage.py plan export` writes it."""
    site = export.the_site(where.site or "")
    rights.demand(request.who, "read", sites=Site.objects.filter(name=site).values_list("id", flat=True))
    text = files.texts(export.from_database(site)).get(file)
    if text is None:
        raise NotFound(f"the plan has no {file}", field="file", value=file)
    return HttpResponse(text, content_type="text/csv; charset=utf-8")
