"""MUSTER_SMTP_URL and MUSTER_URL: what they become, and that a bad one stops the start without its password."""

import pytest

from deploy import env

NAME = "MUSTER_TEST_SMTP_URL"


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("smtp://mail.example.org", ("mail.example.org", 25, "", "", False, True)),
        ("smtp://u:p%40ss@mail.example.org:587", ("mail.example.org", 587, "u", "p@ss", False, True)),
        ("smtps://u:p@mail.example.org", ("mail.example.org", 465, "u", "p", True, False)),
        ("smtp://127.0.0.1:2525", ("127.0.0.1", 2525, "", "", False, False)),
        ("smtp://[::1]:2525?starttls=1", ("::1", 2525, "", "", False, True)),
        ("smtp://mail.example.org?starttls=0", ("mail.example.org", 25, "", "", False, False)),
    ],
)
def test_what_it_says(monkeypatch, url, wanted):
    monkeypatch.setenv(NAME, url)
    assert tuple(env.mail_server(NAME).values()) == wanted


def test_none_is_no_server():
    assert env.mail_server(NAME) is None


@pytest.mark.parametrize(
    "url", ["mail.example.org", "http://u:hidden@m", "smtp://u:hidden@m:x", "smtp://u:hidden@m?starttls=yes", "smtp://"]
)
def test_a_bad_one_stops_the_start_and_is_not_printed(monkeypatch, capsys, url):
    monkeypatch.setenv(NAME, url)
    with pytest.raises(SystemExit) as stopped:
        env.mail_server(NAME)
    said = capsys.readouterr().err
    assert stopped.value.code == 2 and said.startswith(f"{NAME}=") and "hidden" not in said


@pytest.mark.parametrize("url", ["muster.example.org", "ftp://muster.example.org", "https://"])
def test_pages_are_at_a_web_address(monkeypatch, url):
    monkeypatch.setenv("MUSTER_TEST_URL", url)
    with pytest.raises(SystemExit):
        env.web_url("MUSTER_TEST_URL")


def test_a_slash_at_its_end_is_no_matter(monkeypatch):
    monkeypatch.setenv("MUSTER_TEST_URL", "https://muster.example.org/")
    assert env.web_url("MUSTER_TEST_URL") == "https://muster.example.org"
