"""The floor: every host once, in the colours of its group, whatever it is coloured by."""

import re

import pytest

from fleet.models import Bmc, Rack, Row
from fleet.reads import racks as reads
from fleet.states import group_of_host
from tests.support import make, people

CELL = re.compile(r'<a class="cell (\w+)" href="/hosts/([^/]+)/" title="([^"]+)">')


@pytest.fixture
def floor(db):
    """Two racks in a row, one host in each, and one that stands nowhere."""
    row = Row.objects.create(site=make.site(), name="A")
    racks = [Rack.objects.create(row=row, name=f"A{n:02}") for n in (1, 2)]
    well = make.host("in_service", name="host-well", rack=racks[0], unit=1, health="ok")
    bad = make.host("quarantined", name="host-bad", rack=racks[1], unit=7, cause="gpu_missing")
    make.host("received", name="host-new")
    Bmc.objects.create(device=well, address="127.64.0.1", firmware="7.10")
    Bmc.objects.create(device=bad, address="127.64.0.2", firmware="7.20")


def cells(query="", role="viewer"):
    text = people.signed_in(role).get(f"/fleet/{query}").content.decode()
    return {name: (look, title) for look, name, title in CELL.findall(text)}, text


def test_every_host_stands_once_where_it_is(floor):
    found, text = cells()
    assert {name: look for name, (look, _) in found.items()} == {
        "host-well": "ok",
        "host-bad": "bad",
        "host-new": "out",
    }
    assert found["host-bad"][1] == "host-bad, quarantined, gpu missing"
    assert "Row A" in text and "In no rack" in text
    assert text.index("A01") < text.index("A02")
    assert "Trouble in view (1)" in text


@pytest.mark.parametrize("by", reads.BY)
def test_coloured_by_anything_every_host_is_there(floor, by):
    found, text = cells(f"?by={by}")
    assert set(found) == {"host-well", "host-bad", "host-new"}
    assert f'aria-current="true">{reads.BY[by].word}</a>' in text


def test_what_nobody_knows_is_dashed_and_one_value_can_be_picked(floor):
    found, _ = cells("?by=firmware")
    assert found["host-new"][0] == "none"
    picked, _ = cells("?by=firmware&is=7.20")
    assert (picked["host-bad"][0], picked["host-well"][0]) == ("picked", "plain")


def test_one_group_alone(floor):
    found, _ = cells("?show=bad")
    assert {name: look for name, (look, _) in found.items()} == {
        "host-well": "dim",
        "host-bad": "bad",
        "host-new": "dim",
    }


@pytest.mark.parametrize("query", ["?by=colour", "?show=red", "?is=" + "x" * 300])
def test_what_cannot_be_is_refused_in_words(floor, query):
    assert people.signed_in("viewer").get(f"/fleet/{query}").status_code == 422


def test_a_poll_sees_health_and_operations_too(floor):
    client = people.signed_in("viewer")
    address = re.search(r'hx-get="([^"]+)"', client.get("/fleet/").content.decode())[1].replace("&amp;", "&")
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    make.operation("inspect", make.host("discovered"), state="active")
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 200


def test_an_empty_floor_says_what_next(db):
    assert "plan load" in people.signed_in("viewer").get("/fleet/").content.decode()


@pytest.mark.parametrize(
    ("state", "health", "operation", "group"),
    [
        ("in_service", "ok", None, "ok"),
        ("in_service", "warning", None, "warn"),
        ("in_service", "critical", None, "bad"),
        ("in_service", "critical", 7, "busy"),
        ("quarantined", "ok", None, "bad"),
        ("repair_hands", "critical", None, "out"),
        ("validated", "info", None, "ok"),
    ],
)
def test_the_group_of_a_host(state, health, operation, group):
    assert group_of_host({"state": state, "health": health, "active_operation": operation}) == group
