"""Each role against each page and form: who may gets past the guard, everybody else is told who may."""

import re

import pytest

from fleet.http.rights import ACTS
from fleet.models import GRANTABLE
from tests.support import people, routes

PAGES = list(routes.pages())
HOST = "acknowledge|close|hold|lift"
REVIEW = "act|do|confirm|undo"
IS_FORM = re.compile(
    rf"({HOST}|{REVIEW}|cancel|retry|skip|found|start|pause|resume|halt|end|verify|save|test|delete)/$"
)


def call(client, page):
    path = re.sub(r"<int:\w+>", "1", page.route).replace("<str:name>", "host-001")
    return client.post(path, {}) if IS_FORM.search(path) else client.get(path)


@pytest.mark.parametrize("role", GRANTABLE)
@pytest.mark.parametrize("page", PAGES, ids=str)
def test_role(db, page, role):
    answer = call(people.signed_in(role), page)
    if role in ACTS[page.act].roles:
        assert answer.status_code in (200, 400, 404, 422)
    else:
        assert answer.status_code == 403
        assert "role " + " or ".join(ACTS[page.act].roles) in answer.content.decode()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_nobody(db, page, client):
    answer = call(client, page)
    assert answer.status_code in (302, 401)


def test_the_table_of_pages_is_whole():
    assert {p.name for p in PAGES} >= {"now", "hosts", "host", "operation", "campaigns", "campaign"}
    for page in PAGES:
        assert (page.act == "read") != bool(IS_FORM.search(page.route)), page
