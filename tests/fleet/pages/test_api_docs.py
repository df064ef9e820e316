"""/api/docs/: every endpoint in words, for people who are signed in, without a script of anybody else."""

import re

from tests.support import people, routes


def test_every_endpoint_is_there_in_words(db):
    answer = people.signed_in("viewer").get("/api/docs/")
    text = re.sub(r"\s+", " ", answer.content.decode())
    assert answer.status_code == 200 and "script-src 'self'" in answer["Content-Security-Policy"]
    for endpoint in routes.endpoints():
        assert f"<code>{endpoint}</code>" in text, endpoint
    assert not re.search(r'(src|href)="https?:', text)


def test_who_is_not_signed_in_signs_in_first(db, client):
    assert client.get("/api/docs/")["Location"] == "/sign-in/?next=/api/docs/"
