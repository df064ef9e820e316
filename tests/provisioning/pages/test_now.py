"""Now: what it shows, and how its live part polls."""

import re

import pytest

from tests.support import make, people

POLL = re.compile(r'hx-get="([^"]+)" hx-trigger="every (\d+)s"')


def poll_of(answer):
    address, pace = POLL.search(answer.content.decode()).groups()
    return address.replace("&amp;", "&"), int(pace)


def poll(client, address):
    return client.get(address, headers={"HX-Request": "true"})


def test_an_empty_fleet_says_what_comes_next(db):
    text = people.signed_in("viewer").get("/").content.decode()
    assert "No hosts yet" in text
    assert "No campaign is under way" in text
    assert "Nothing has happened yet" in text


def test_the_fleet_is_seen_coming_up(db):
    make.hosts(2, "cabled")
    make.host("quarantined", cause="gpu_missing")
    program = people.program()
    body = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "go ahead"}
    campaign = program.post("/campaigns", body).json()
    make.operation("validate", make.host("installed", name="host-x"), state="active", waits_for="the tests")
    text = people.signed_in("viewer").get("/").content.decode()
    assert '<a href="/hosts/?state=cabled"><b>2</b>' in text
    assert "gpu missing" in text
    assert f'href="/campaigns/{campaign["id"]}/"' in text
    assert "0 of 2" in text
    assert "the tests" in text
    assert 'href="/hosts/host-x/"' in text


def test_a_poll_that_finds_nothing_new_is_204(db):
    make.host()
    client = people.signed_in("viewer")
    address, pace = poll_of(client.get("/"))
    assert pace == 3
    answer = poll(client, address)
    assert (answer.status_code, answer.content) == (204, b"")
    make.host("in_service")
    answer = poll(client, address)
    assert answer.status_code == 200
    text = answer.content.decode()
    assert text.lstrip().startswith('<div id="live"')
    assert "<html" not in text
    assert "in service" in text
    assert poll(client, poll_of(answer)[0]).status_code == 204


def test_at_rest_the_server_asks_for_fewer_polls(db):
    assert poll_of(people.signed_in("viewer").get("/"))[1] == 60


def test_live_pages_are_not_kept_by_the_browser(db):
    assert people.signed_in("viewer").get("/")["Cache-Control"] == "no-store"


@pytest.mark.parametrize(("scale", "shown"), [(1, False), (60, True)])
def test_the_banner_says_that_time_runs_faster(db, settings_changed, scale, shown):
    settings_changed(TIME_SCALE=scale)
    text = people.signed_in("viewer").get("/").content.decode()
    assert ("Time runs 60 times as fast here" in text) == shown


@pytest.fixture
def settings_changed():
    """Change settings for one test."""
    from django.test import override_settings

    changed = []

    def change(**values):
        changed.append(override_settings(**values))
        changed[-1].enable()

    yield change
    for each in changed:
        each.disable()


@pytest.mark.parametrize("path", ["/", "/hosts/", "/campaigns/", "/sign-in/"])
def test_no_inline_script_or_style(db, path):
    client = people.signed_in("operator") if path != "/sign-in/" else make_client()
    text = client.get(path).content.decode()
    assert "<style" not in text
    assert not re.search(r"\sstyle=|\son[a-z]+=|hx-on|javascript:", text)
    assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))


def make_client():
    from django.test import Client

    return Client()
