"""Brakes by the API: how they stand, and an override by an admin only."""

import pytest

from fleet.models import Site
from provisioning.engine import brakes
from provisioning.reads import brakes as reads
from tests.support import make, people

BODY = {"site": "site-1", "minutes": 30, "reason": "the row has no cooling"}


def test_how_it_stands_and_who_overrides_it(db):
    make.hosts(40, "in_service")
    assert people.program("viewer").get("/brakes").json()["items"] == [
        {"site": "site-1", "state": "closed", "gone": 0, "limit": 2, "in_service": 40, "within_s": 3600,
         "override_until": None, "override_by": "", "override_reason": "", "words": "closed, 0 of 2 are out"}
    ]  # fmt: skip
    answer = people.program("admin").post("/brakes/override", BODY)
    assert answer.status_code == 201 and answer.json()["state"] == "overridden"
    assert "the row has no cooling" in reads.rows(None)[0]["words"]


@pytest.mark.parametrize("role", ["viewer", "technician", "operator", "liaison", "scheduler"])
def test_nobody_but_an_admin(db, role):
    make.site()
    assert people.program(role).post("/brakes/override", BODY).status_code == 403
    assert not brakes.standing()[0].is_overridden


def test_an_admin_of_another_site_may_not(db):
    make.site()
    elsewhere = Site.objects.create(name="site-2")
    assert people.program("admin", site=elsewhere).post("/brakes/override", BODY).status_code == 403
    assert [row["site"] for row in people.program("viewer", site=elsewhere).get("/brakes").json()["items"]] == [
        "site-2"
    ]


@pytest.mark.parametrize(
    ("wrong", "status"), [({"minutes": 0}, 422), ({"minutes": "5"}, 422), ({"site": "x"}, 404), ({"reason": ""}, 422)]
)
def test_what_cannot_be_is_refused(db, wrong, status):
    make.site()
    assert people.program("admin").post("/brakes/override", {**BODY, **wrong}).status_code == status
