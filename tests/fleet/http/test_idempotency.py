"""One key, one act: the answer is stored with the effect and given again; 400, 409 and 422 as the rules say."""

import json

import psycopg
import pytest
import time_machine
from hypothesis import given
from hypothesis import strategies as st

from fleet.http import idempotency
from fleet.models import Actor, Hold, IdempotencyKey
from provisioning.engine import reconcile
from provisioning.models import Operation
from tests.support import make, people, servers


def ask(host, reason="look at it"):
    return {"kind": "identify", "host": host.name, "reason": reason}


def test_the_same_request_again_gets_the_stored_answer(db):
    host, program = make.host(), people.program()
    first = program.post("/operations", ask(host), key="key-00001")
    again = program.post("/operations", ask(host), key="key-00001")
    assert first.status_code == again.status_code == 202
    assert first.json() == again.json()
    assert Operation.objects.count() == 1


def test_spacing_and_order_do_not_make_another_request(db):
    host, program = make.host(), people.program()
    first = program.post("/operations", ask(host), key="key-00001").json()
    text = json.dumps(dict(reversed(ask(host).items())), indent=1)
    assert program.post("/operations", text, key="key-00001").json() == first


def test_another_body_with_the_same_key_is_422(db):
    host, program = make.host(), people.program()
    program.post("/operations", ask(host), key="key-00001")
    answer = program.post("/operations", ask(host, "another reason"), key="key-00001")
    assert answer.status_code == 422
    assert answer.json()["code"] == "key_reused"


def test_another_endpoint_with_the_same_key_is_422(db):
    host, program = make.host(), people.program()
    made = program.post("/operations", ask(host), key="key-00001").json()
    assert program.post(f"/operations/{made['id']}/cancel", {"reason": "stop"}, key="key-00001").status_code == 422


def test_keys_of_others_are_theirs(db):
    one, two = make.hosts(2)
    assert people.program().post("/operations", ask(one), key="key-00001").status_code == 202
    assert people.program().post("/operations", ask(two), key="key-00001").status_code == 202


@pytest.mark.parametrize("key", ["", "short", "x" * 65, "with blank", "ümlaut-key"])
def test_without_a_good_key_nothing_starts(db, key):
    answer = people.program().post("/operations", ask(make.host()), key=key)
    assert answer.status_code == 400
    assert answer.json()["code"] == "idempotency_key"
    assert not Operation.objects.exists()


def test_a_refusal_stores_nothing_so_the_key_may_be_used_again(db):
    host, program = make.host("racked"), people.program()
    body = {"kind": "install", "host": host.name, "reason": "too early"}
    assert program.post("/operations", body, key="key-00001").status_code == 409
    assert not IdempotencyKey.objects.exists()
    assert program.post("/operations", ask(host), key="key-00001").status_code == 202


def test_while_the_first_runs_the_second_is_409(db):
    program, host = people.program(), make.host()
    actor = program.post("/operations", ask(host), key="key-00001") and Actor.objects.get(kind="token")
    other = make.host()
    with psycopg.connect(servers.url("app", servers.OWN), autocommit=True) as link:
        link.execute("SELECT pg_advisory_lock(hashtextextended(%s, 0))", [f"idempotency:{actor.pk}:key-00002"])
        answer = program.post("/operations", ask(other), key="key-00002")
    assert answer.status_code == 409
    assert answer.json()["code"] == "running"
    assert not Operation.objects.filter(device=other).exists()


def test_keys_are_dropped_after_a_week(db):
    program = people.program()
    with time_machine.travel("2020-01-01", tick=True):
        IdempotencyKey.objects.create(actor=make.actor(), key="key-00001", request_sha256="x")
    program.post("/operations", ask(make.host()), key="key-00002")
    reconcile.run()
    assert [k.key for k in IdempotencyKey.objects.all()] == ["key-00002"]


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_the_digest_sees_data_not_order(body):
    turned = dict(reversed(body.items()))
    assert idempotency.digest("POST", "/x", body) == idempotency.digest("POST", "/x", turned)
    assert idempotency.digest("POST", "/x", body) != idempotency.digest("POST", "/y", body)


def test_a_double_press_is_one_act(db):
    host, client = make.host(), people.signed_in("operator")
    form = {"key": "0123456789-hold", "kind": "debug", "reason": "look at it"}
    first = client.post(f"/hosts/{host.name}/hold/", form)
    again = client.post(f"/hosts/{host.name}/hold/", form)
    assert first.status_code == again.status_code == 303
    assert first["Location"] == again["Location"]
    assert Hold.objects.count() == 1
