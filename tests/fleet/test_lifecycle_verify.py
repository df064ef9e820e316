"""What somebody changed behind the history's back, a superuser too: verify() names it. And the chain itself."""

import contextlib
import json
from datetime import UTC, datetime
from itertools import pairwise

import psycopg
import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fleet import lifecycle
from fleet.models import Transition
from tests.support import database, make, servers

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
pytestmark = pytest.mark.db

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=60)


def python_hash(row: Transition) -> bytes:
    """The hash as the design writes it, from the row's own columns."""
    since = row.at - EPOCH
    microseconds = (since.days * 86400 + since.seconds) * 10**6 + since.microseconds
    fields = [row.subject_kind, row.subject_id, row.seq, row.from_state, row.to_state, row.cause, row.reason]
    text = json.dumps([*fields, row.actor_id, row.evidence, microseconds], ensure_ascii=False)
    return lifecycle.hash_of(bytes(row.prev), text)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(reason=TEXT, cause=TEXT, evidence=st.lists(st.integers(0, 2**62), max_size=4))
@pytest.mark.usefixtures("db")
def test_python_computes_the_same_hash(reason, cause, evidence):
    host = make.host("cabled")
    move = lifecycle.Move(host.pk, "racked", reason, cause, tuple(evidence))
    lifecycle.move_each("host", [move], actor=make.actor("T"))
    rows = list(Transition.objects.filter(subject_kind="host", subject_id=host.pk).order_by("seq"))
    assert rows[-1].reason == reason
    assert [bytes(r.hash) for r in rows] == [python_hash(r) for r in rows]
    assert [bytes(b.prev) for _, b in pairwise(rows)] == [bytes(a.hash) for a, _ in pairwise(rows)]
    assert bytes(rows[0].prev) == b""


@pytest.mark.usefixtures("db")
def test_a_hash_does_not_depend_on_the_time_zone():
    host = make.host("cabled")
    with connection.cursor() as cursor:
        for n, zone in enumerate(("Pacific/Chatham", "America/St_Johns", "Asia/Tokyo", "UTC")):
            cursor.execute("SELECT set_config('TimeZone', %s, true)", [zone])
            lifecycle.move("host", [host.pk], to=("racked", "cabled")[n % 2], actor=make.actor("T"), reason=zone)
            assert lifecycle.verify()["ok"]
    for row in Transition.objects.filter(subject_kind="host", subject_id=host.pk):
        assert bytes(row.hash) == python_hash(row)


@pytest.fixture(scope="module")
def scene(postgres, tmp_path_factory):
    """One database for all that is committed here; who spoils a history takes it away again."""
    with database.real(tmp_path_factory.mktemp("scene")) as fresh:
        yield fresh


@contextlib.contextmanager
def superuser(scene):
    """A superuser in whose session no trigger fires."""
    url = servers.url("owner", scene.name).replace("muster_owner", "postgres")
    with psycopg.connect(url, autocommit=True) as connected:
        connected.execute("SET session_replication_role = replica")
        yield connected


FITTING = """
UPDATE fleet_transition SET reason = 'nicer', hash = sha256(prev || convert_to(jsonb_build_array(subject_kind,
  subject_id, seq, from_state, to_state, cause, 'nicer', actor_id, evidence,
  (extract(epoch FROM at) * 1000000)::bigint)::text, 'UTF8'))
WHERE subject_kind = 'host' AND subject_id = %(host)s AND seq = 2
"""
COPY_OF = """
INSERT INTO fleet_transition SELECT (jsonb_populate_record(t, %(changes)s::jsonb)).* FROM fleet_transition t
WHERE subject_kind = 'host' AND subject_id = %(host)s AND seq = 3
"""
ROW = "WHERE subject_kind = 'host' AND subject_id = %(host)s"
OWN = "its own columns do not give its hash"
HEAD = "its state, number or head is not that of its last transition"
FOLLOWS = "does not follow the hash of the one before"
MISSING = "a transition is missing before this one"

# name -> (statement, number of the transition that verify() names, its words)
CRIMES = {
    "another reason": (f"UPDATE fleet_transition SET reason = 'nicer' {ROW} AND seq = 2", 2, OWN),
    "another actor": (
        f"UPDATE fleet_transition SET actor_id = (SELECT min(id) FROM fleet_actor) {ROW} AND seq = 2",
        2,
        OWN,
    ),
    "another time": (f"UPDATE fleet_transition SET at = at - interval '1 microsecond' {ROW} AND seq = 2", 2, OWN),
    "other evidence": (f"UPDATE fleet_transition SET evidence = '{{9}}' {ROW} AND seq = 1", 1, OWN),
    "another hash": (f"UPDATE fleet_transition SET hash = sha256('x') {ROW} AND seq = 2", 2, OWN),
    "another reason, and the hash for it": (FITTING, 3, FOLLOWS),
    "another end": (f"UPDATE fleet_transition SET to_state = 'in_service' {ROW} AND seq = 3", 3, OWN),
    "a link removed": (f"DELETE FROM fleet_transition {ROW} AND seq = 2", 3, MISSING),
    "the first removed": (f"DELETE FROM fleet_transition {ROW} AND seq = 1", 2, MISSING),
    "the last removed": (f"DELETE FROM fleet_transition {ROW} AND seq = 3", None, HEAD),
    "all removed": (f"DELETE FROM fleet_transition {ROW}", None, HEAD),
    "a link inserted": (
        COPY_OF,
        4,
        FOLLOWS,
        {"id": 999999, "seq": 4, "from_state": "quarantined", "to_state": "validated"},
    ),
    "a link far behind": (COPY_OF, 9, MISSING, {"id": 999999, "seq": 9}),
    "a state": ("UPDATE fleet_device SET state = 'in_service' WHERE id = %(host)s", None, HEAD),
    "a number": ("UPDATE fleet_device SET seq = 1 WHERE id = %(host)s", None, HEAD),
    "a head": ("UPDATE fleet_device SET head = sha256('x') WHERE id = %(host)s", None, HEAD),
    "a kind": ("UPDATE fleet_device SET kind = 'switch' WHERE id = %(host)s", None, HEAD),
    "a subject without history": (
        "INSERT INTO fleet_device SELECT (jsonb_populate_record(d, %(changes)s::jsonb)).*"
        " FROM fleet_device d WHERE id = %(host)s",
        None,
        HEAD,
        {"id": 999999, "name": "smuggled", "serial": "SMUGGLED"},
    ),
    "a history without subject": ("DELETE FROM fleet_device WHERE id = %(host)s", 1, "its subject is gone"),
}


CLEAR = (
    "DELETE FROM fleet_transition WHERE subject_kind = 'host' AND subject_id IN (%s, 999999)",
    "DELETE FROM fleet_device WHERE id IN (%s, 999999)",
)


@pytest.mark.parametrize("crime", CRIMES)
def test_verify_names_what_a_superuser_did(scene, crime):
    statement, seq, words, *changes = CRIMES[crime]
    make.hosts(2, "validated")
    host = make.host("installed")
    lifecycle.move("host", [host.pk], to="validated", actor=make.actor("S"), reason="as found")
    lifecycle.move("host", [host.pk], to="quarantined", actor=make.actor("O"), reason="a finding", evidence=[1])
    make.hosts(2, "validated")
    assert lifecycle.verify()["ok"]
    with superuser(scene) as connected:
        values = {"host": host.pk, "changes": json.dumps(changes[0] if changes else {})}
        assert connected.execute(statement, values).rowcount > 0
        found = lifecycle.verify()
        for clear in CLEAR:
            connected.execute(clear, [host.pk])
    broken = found["first_broken"]
    assert not found["ok"] and broken["words"] == words
    assert broken["subject"] == (999999 if crime == "a subject without history" else host.pk)
    assert broken["kind"] == ("switch" if crime == "a kind" else "host")
    assert seq is None or (broken["seq"] == seq and broken["transition"] is not None)
    assert lifecycle.verify()["ok"]


def test_an_unchained_kind_is_checked_for_gaps_and_ends(scene):
    """Operations are logged with actor and reason; their rows carry no hash."""
    operation = make.operation(state="failed")
    state = "UPDATE provisioning_operation SET state = %s WHERE id = %s"
    with superuser(scene) as connected:
        connected.execute(state, ["succeeded", operation.pk])
        broken = lifecycle.verify()["first_broken"]
        connected.execute(state, ["failed", operation.pk])
    assert (broken["kind"], broken["subject"], broken["words"]) == ("operation", operation.pk, HEAD)


def test_exported_heads_show_what_is_gone_with_its_subject(scene):
    """What is gone on both sides leaves no broken link; the heads that were exported before tell."""
    make.hosts(3, "validated")
    host = make.host("quarantined")
    before = lifecycle.verify()
    with superuser(scene) as connected:
        for clear in CLEAR:
            connected.execute(clear, [host.pk])
    after = lifecycle.verify()
    assert after["ok"] and after["heads_sha256"] != before["heads_sha256"]
    assert (after["chains"], after["rows"]) == (before["chains"] - 1, before["rows"] - host.seq)


def test_the_owner_is_refused_in_words_as_well(scene):
    """Rights do not stop the owner; the triggers do."""
    make.host("validated")
    with psycopg.connect(servers.url("owner", scene.name), autocommit=True) as owner:
        for verb in (
            "UPDATE fleet_transition SET reason = ''",
            "DELETE FROM fleet_transition",
            "TRUNCATE fleet_transition",
        ):
            with pytest.raises(psycopg.Error, match="fleet_transition is append-only"):
                owner.execute(verb)
        for table in ("fleet_device", "fleet_cable", "provisioning_operation", "provisioning_campaign"):
            with pytest.raises(psycopg.Error, match="is append-only: TRUNCATE is refused"):
                owner.execute(f"TRUNCATE {table} CASCADE")
    assert lifecycle.verify()["ok"]


def test_what_only_a_commit_can_see_is_refused_at_the_commit(scene):
    """Over a connection of its own, as the application's role, with a real commit."""
    host = make.host("validated")
    copy = "INSERT INTO fleet_device SELECT (jsonb_populate_record(d, %s::jsonb)).* FROM fleet_device d WHERE id = %s"
    changes = json.dumps({"id": 987654, "name": "smuggled", "serial": "S", "state": "", "seq": 0, "head": ""})
    with psycopg.connect(scene.env["DATABASE_URL"]) as app:
        app.execute(copy, [changes, host.pk])
        with pytest.raises(psycopg.errors.IntegrityConstraintViolation, match="987654: no transition gave it a state"):
            app.commit()
        assert app.execute("SELECT count(*) FROM fleet_device WHERE id = 987654").fetchone() == (0,)
    assert lifecycle.verify()["ok"]


def test_a_history_is_verified_as_of_one_moment(scene):
    """Counts, heads and links come from one snapshot, whatever moves meanwhile."""
    with CaptureQueriesContext(connection) as queries:
        lifecycle.verify()
    assert "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ" in [q["sql"] for q in queries]
