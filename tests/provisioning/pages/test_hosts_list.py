"""The list of hosts: filters in the address and as chips, the repair board, spreadsheets, and what is chosen."""

import csv
import io
import re

import pytest

from fleet import findings, holds
from fleet.findings import Found
from fleet.models import Device, Party
from tests.provisioning.pages.test_act import rack, text_of
from tests.support import make, people


def names(text):
    return re.findall(r'<td><a href="/hosts/([^/]+)/"', text)


@pytest.fixture
def board(db):
    """Two hosts without a part, which NVIDIA owns, one with a wrong clock, which nobody owns, one well."""
    Party.objects.create(name="NVIDIA", owns=["part_missing"])
    hosts = make.hosts(3, "quarantined", rack=rack("A04"))
    Device.objects.filter(pk__in=[h.pk for h in hosts[:2]]).update(cause="part_missing")
    Device.objects.filter(pk=hosts[2].pk).update(cause="clock")
    findings.open(Found("inventory", "part_missing", "critical", "GPU 4 is gone", h.pk) for h in hosts[:2])
    return [*hosts, make.host("installed", rack=rack("B01", "B"))]


@pytest.fixture
def client(db):
    return people.signed_in("operator")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("state=quarantined", [0, 1, 2]),
        ("cause=part_missing", [0, 1]),
        ("owner=NVIDIA", [0, 1]),
        ("row=B", [3]),
        ("rack=A04", [0, 1, 2]),
        ("health=critical", [0, 1]),
        ("held=yes", [3]),
        ("held=no", [0, 1, 2]),
        ("operation=power", [3]),
        ("state=quarantined&owner=NVIDIA&q=host", [0, 1]),
    ],
)
def test_each_filter_finds_the_same_on_page_api_and_csv(client, board, query, found):
    holds.place(device_id=board[3].pk, kind="debug", reason="look at it", actor=make.actor())
    make.operation("power", board[3], state="active")
    wanted = [board[n].name for n in found]
    assert names(text_of(client.get(f"/hosts/?{query}"))) == wanted
    assert [h["name"] for h in client.get(f"/api/v1/hosts?{query}").json()["items"]] == wanted
    answer = client.get(f"/hosts.csv?{query}")
    assert [row["name"] for row in csv.DictReader(io.StringIO(answer.content.decode()))] == wanted


def test_chips_drop_one_filter_and_keep_the_others(client, board):
    text = text_of(client.get("/hosts/?state=quarantined&rack=A04&group=cause"))
    assert re.search(r'href="\?rack=A04&amp;group=cause"[^>]*aria-label="Drop the filter state quarantined"', text)
    assert re.search(r'href="\?state=quarantined&amp;group=cause"[^>]*aria-label="Drop the filter rack A04"', text)
    assert 'href="/api/v1/hosts?cause=any&amp;state=quarantined&amp;rack=A04"' in text
    assert 'href="/hosts.csv?cause=any&amp;state=quarantined&amp;rack=A04"' in text


def test_by_cause_and_owner_it_is_the_repair_board(client, board):
    text = text_of(client.get("/hosts/?group=cause"))
    heads = [re.sub(r"<[^>]+>", "", h) for h in re.findall(r"<h2>(.*?)</h2>", text)]
    assert sorted(h.split(", for")[0] for h in heads) == [
        "clock 1 host, nobody's yet",
        "part missing 2 hosts, NVIDIA",
    ]
    assert sorted(names(text)) == sorted(h.name for h in board[:3])
    assert "None is in trouble" in text_of(client.get("/hosts/?group=cause&state=installed"))


def test_the_board_shows_the_first_of_each_and_where_the_rest_is(client):
    for cause in ("clock", "part_missing"):
        hosts = make.hosts(60, "quarantined")
        Device.objects.filter(pk__in=[h.pk for h in hosts]).update(cause=cause)
    text = text_of(client.get("/hosts/?group=cause"))
    assert len(names(text)) == 100
    assert 'href="?cause=clock">All 60</a>' in text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("cause=xx", 'No host has cause <span class="mono">xx</span>. 4 do without cause xx'),
        ("state=quarantined&rack=A05", 'No host has rack <span class="mono">A05</span>. 3 do without rack A05'),
        ("state=installed&rack=A04", "3 do without state installed"),
        ("state=installed&rack=A04", "1 does without rack A04"),
    ],
)
def test_what_matches_nothing_says_which_filter_and_what_next(client, board, query, words):
    text = text_of(client.get(f"/hosts/?{query}"))
    assert "No hosts match." in text
    assert words in text
    assert ">drop it</a>" in text


def test_what_is_chosen_stays_chosen_under_another_filter_and_says_so(client, board):
    one, two, _, well = board
    text = text_of(client.get(f"/hosts/?state=installed&host={one.name}&host={two.name}&host={well.name}"))
    assert "2 more that you chose are not on this page, and are chosen still" in text
    assert text.count(f'<input type="hidden" name="host" value="{one.name}">') == 2  # of the filters and of the act
    assert f'aria-label="Choose {well.name}" checked' in text


def test_a_cell_is_never_a_formula(client):
    make.host("installed", name="host-a", serial="=1+1")
    assert ",'=1+1," in client.get("/hosts.csv").content.decode()


def test_who_may_not_act_sees_why(db, board):
    text = text_of(people.signed_in("viewer").get("/hosts/"))
    assert "This needs the role technician or liaison or scheduler or operator or admin" in text
    assert 'type="checkbox"' not in text
