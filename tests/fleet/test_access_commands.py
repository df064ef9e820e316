"""manage.py history, token and grant."""

import json
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from fleet import lifecycle
from fleet.models import Grant, Token
from tests.support import make, people


def run(*words):
    """What a command wrote: (stdout, stderr)."""
    out, err = StringIO(), StringIO()
    call_command(*words, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_history_that_holds(db):
    make.host("installed")
    out, err = run("history", "verify", "--json")
    found = json.loads(out.splitlines()[-1])
    assert set(found) == {"chains", "rows", "ok", "first_broken", "heads_sha256"}
    assert found["ok"]
    assert found["chains"] == 1
    assert "all hold" in err
    assert "all hold" in run("history", "verify")[0]


def test_history_that_is_broken_exits_1_and_names_the_link(db, monkeypatch):
    link = {"transition": 7, "kind": "host", "subject": 3, "seq": 2, "words": "its own columns do not give its hash"}
    broken = {"chains": 1, "rows": 2, "ok": False, "first_broken": link, "heads_sha256": "x"}
    monkeypatch.setattr(lifecycle, "verify", lambda: broken)
    out = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("history", "verify", stdout=out)
    assert ended.value.code == 1
    assert "broken at host 3, number 2 (transition 7): its own columns" in out.getvalue()


def test_a_token_is_printed_once_and_works(db):
    out, err = run("token", "create", "ci", "--role", "viewer", "--days", "3")
    token = out.splitlines()[-1]
    assert people.Program(token, people.Client()).get("/summary").status_code == 200
    assert token not in err
    assert token not in Token.objects.get().digest


@pytest.mark.parametrize(
    ("words", "refusal"),
    [
        (("token", "create", "ci", "--role", "king", "--days", "3"), "no role 'king'; expected viewer"),
        (("token", "create", "ci", "--role", "viewer", "--days", "0"), "needs an end; expected 1 to"),
        (
            ("token", "create", "ci", "--role", "viewer", "--days", "1", "--site", "x"),
            "no site 'x'; expected no site yet",
        ),
        (("grant", "nobody", "viewer"), "nobody signs in as 'nobody'; expected --create"),
        (("grant", "new", "viewer", "--create", "--password-file", "/nonexistent"), "expected a readable file"),
    ],
)
def test_bad_input_is_one_line_and_exit_2(db, words, refusal):
    with pytest.raises(CommandError) as refused:
        run(*words)
    assert refused.value.returncode == 2
    assert refusal in str(refused.value)
    assert "\n" not in str(refused.value)
    assert not Token.objects.exists()
    assert not User.objects.exists()


def test_a_grant_to_somebody_who_is_there(db):
    user = people.person()
    assert "is operator at all sites" in run("grant", user.username, "operator")[0]
    assert "was operator at all sites" in run("grant", user.username, "operator")[0]
    site = make.site()
    assert "is admin at site-1" in run("grant", user.username, "admin", "--site", site.name)[0]
    assert Grant.objects.filter(user=user).count() == 2


def test_a_grant_with_a_new_sign_in(db, tmp_path, client):
    file = tmp_path / "password"
    file.write_text("correct horse battery\nnot this line\n")
    run("grant", "bo", "viewer", "--create", "--password-file", str(file))
    assert client.login(username="bo", password="correct horse battery")


def test_a_weak_password_leaves_nobody(db, tmp_path):
    file = tmp_path / "password"
    file.write_text("password")
    with pytest.raises(CommandError, match="too common"):
        run("grant", "bo", "viewer", "--create", "--password-file", str(file))
    file.write_text("correct horse battery")
    with pytest.raises(CommandError, match="no role"):
        run("grant", "bo", "king", "--create", "--password-file", str(file))
    assert not User.objects.exists()
