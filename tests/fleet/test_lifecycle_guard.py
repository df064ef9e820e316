"""Ways around a transition, tried with plain SQL as the application's role: each is refused, in words."""

import contextlib

import psycopg
import pytest
from django.db import connection, transaction

from tests.support import make

pytestmark = pytest.mark.usefixtures("db")

# A copy of a row with some columns changed, as anybody with INSERT could write it.
COPY_OF = "SELECT (jsonb_populate_record(d, %(changes)s::jsonb)).* FROM fleet_device d WHERE id = %(host)s"
NEW_ROW = '{"id": 987654, "name": "smuggled", "serial": "SMUGGLED", "state": "%s", "seq": %d, "head": "%s"}'
BORN = NEW_ROW % ("", 0, "")

TRANSITION = """
INSERT INTO fleet_transition (subject_kind, subject_id, from_state, to_state, cause, reason, actor_id, evidence)
VALUES (%(kind)s, %(host)s, %(from)s, %(to)s, '', 'by hand', %(actor)s, '{}')
"""

ONLY = "state, seq and head change only by inserting a transition"
DENIED = "permission denied for table"

# name -> (statement, words of the refusal)
STATEMENTS = {
    "update of a state": (
        "UPDATE fleet_device SET state = 'in_service' WHERE id = %(host)s",
        f'{ONLY} ("validated" to "in_service"',
    ),
    "update of a number": ("UPDATE fleet_device SET seq = seq + 1 WHERE id = %(host)s", ONLY),
    "update of a head": ("UPDATE fleet_device SET head = sha256('x') WHERE id = %(host)s", ONLY),
    "update of the time in state": ("UPDATE fleet_device SET state_since = now() WHERE id = %(host)s", ONLY),
    "update of a cable": ("UPDATE fleet_cable SET state = 'verified' WHERE id = %(cable)s", ONLY),
    "update of an operation": ("UPDATE provisioning_operation SET state = 'succeeded' WHERE id = %(operation)s", ONLY),
    "update of a campaign": ("UPDATE provisioning_campaign SET state = 'done' WHERE id = %(campaign)s", ONLY),
    "upsert of a state": (
        f"INSERT INTO fleet_device {COPY_OF} ON CONFLICT (id) DO UPDATE SET state = 'in_service'",
        "a new row has no state yet",
    ),
    "upsert of a born row": (
        f"INSERT INTO fleet_device {COPY_OF} ON CONFLICT (id) DO UPDATE SET state = 'in_service'",
        ONLY,
        '{"state": "", "seq": 0, "head": ""}',
    ),
    "insert with a state": (
        f"INSERT INTO fleet_device {COPY_OF}",
        'a new row has no state yet ("in_service")',
        NEW_ROW % ("in_service", 0, ""),
    ),
    "insert with a number": (
        f"INSERT INTO fleet_device {COPY_OF}",
        "a new row has no state yet",
        NEW_ROW % ("", 3, ""),
    ),
    "insert with a head": (
        f"INSERT INTO fleet_device {COPY_OF}",
        "a new row has no state yet",
        NEW_ROW % ("", 0, "\\\\x00"),
    ),
    "insert without a transition": (
        f"INSERT INTO fleet_device {COPY_OF}",
        "fleet_device 987654: no transition gave it a state",
        BORN,
    ),
    "delete of a host": (
        "DELETE FROM fleet_device WHERE id = %(host)s",
        "retire it, nothing with a history is deleted",
    ),
    "delete of an operation": (
        "DELETE FROM provisioning_operation WHERE id = %(operation)s",
        "nothing with a history is deleted",
    ),
    "truncate of hosts": ("TRUNCATE fleet_device CASCADE", DENIED),
    "update of a transition": ("UPDATE fleet_transition SET reason = 'better' WHERE subject_id = %(host)s", DENIED),
    "delete of a transition": ("DELETE FROM fleet_transition WHERE subject_id = %(host)s", DENIED),
    "truncate of transitions": ("TRUNCATE fleet_transition", DENIED),
    "a new edge": (
        "INSERT INTO fleet_lifecycleedge (kind, from_state, to_state, role)"
        " VALUES ('host', 'racked', 'in_service', 'O')",
        DENIED,
    ),
    "a lost edge": ("DELETE FROM fleet_lifecycleedge WHERE kind = 'host'", DENIED),
    "another table for a kind": ("UPDATE fleet_lifecyclesubject SET table_name = 'auth_user'", DENIED),
    "a kind without a chain": ("UPDATE fleet_lifecyclesubject SET chained = false", DENIED),
    "another name of an actor": (
        "UPDATE fleet_actor SET name = 'somebody else' WHERE id = %(actor)s",
        "fleet_actor is append-only: UPDATE is refused",
    ),
    "an actor deleted": (
        "DELETE FROM fleet_actor WHERE id = %(actor)s",
        "fleet_actor is append-only: DELETE is refused",
    ),
    "triggers switched off": ("ALTER TABLE fleet_device DISABLE TRIGGER USER", "must be owner of table fleet_device"),
    "triggers not fired": ("SET session_replication_role = replica", "permission denied to set parameter"),
    "a trigger of one's own": (
        "CREATE TRIGGER x BEFORE UPDATE ON fleet_device FOR EACH ROW EXECUTE FUNCTION muster_append_only()",
        "permission denied for table fleet_device",
    ),
}

# name -> (changes of a transition that would be taken, words of the refusal)
TRANSITIONS = {
    "not an edge": ({"to": "retired"}, 'may not go from "validated" to "retired" by role O'),
    "somebody else's edge": ({"actor": "viewer", "to": "in_service"}, 'to "in_service" by role R'),
    "from where it is not": ({"from": "installed"}, 'is "validated" now, not "installed"'),
    "born a second time": ({"from": "", "to": "cabled"}, 'is "validated" now, not ""'),
    "no such subject": ({"host": 4711}, "host 4711 does not exist"),
    "no such kind": ({"kind": "rack"}, "rack is no kind of subject"),
    "another kind of the same table": ({"kind": "switch"}, "a switch may not go"),
}


@pytest.fixture
def rows() -> dict:
    host = make.host("validated")
    operation = make.operation(device=host)
    return {
        "host": host.pk,
        "cable": make.subject("cable", "connected"),
        "operation": operation.pk,
        "campaign": make.subject("campaign", "running"),
        "actor": make.actor("O").pk,
        "viewer": make.actor("R").pk,
        "changes": "{}",
    }


@contextlib.contextmanager
def refused(words: str):
    """What is done inside, or at the latest its commit, is refused with these words."""
    with pytest.raises(psycopg.Error) as error, transaction.atomic(), raw() as cursor:  # noqa: PT012 (commit included)
        yield cursor
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    assert words in str(error.value)


def raw() -> psycopg.Cursor:
    """A cursor of psycopg itself: nothing of Django between the test and the database."""
    return psycopg.Connection.cursor(connection.connection)


def test_the_role_is_no_superuser_and_owns_nothing(rows):
    with raw() as cursor:
        cursor.execute("SELECT rolsuper OR rolbypassrls OR rolcreaterole FROM pg_roles WHERE rolname = current_user")
        assert cursor.fetchone() == (False,)
        cursor.execute("SELECT count(*) FROM pg_class WHERE relowner = current_user::regrole AND relpersistence = 'p'")
        assert cursor.fetchone() == (0,)


@pytest.mark.parametrize("name", STATEMENTS)
def test_a_statement_around_the_history_is_refused(name, rows):
    statement, words, *changes = STATEMENTS[name]
    with refused(words) as cursor:
        cursor.execute(statement, {**rows, **({"changes": changes[0]} if changes else {})})


@pytest.mark.parametrize("name", TRANSITIONS)
def test_a_transition_that_is_not_allowed_is_refused(name, rows):
    changes, words = TRANSITIONS[name]
    values = {"kind": "host", "from": "validated", "to": "in_service", **rows, **changes}
    if values["actor"] == "viewer":
        values["actor"] = rows["viewer"]
    with refused(words) as cursor:
        cursor.execute(TRANSITION, values)


def columns_of(host: int) -> tuple[list[str], list]:
    with raw() as cursor:
        cursor.execute("SELECT * FROM fleet_device WHERE id = %s", [host])
        return [c.name for c in cursor.description], list(cursor.fetchone())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ("in_service", 'a new row has no state yet ("in_service")'),
        ("", "fleet_device 987654: no transition gave it a state"),
    ],
)
def test_copy_is_refused(rows, state, words):
    names, values = columns_of(rows["host"])
    row = {**dict(zip(names, values, strict=True)), "id": 987654, "name": "smuggled", "serial": "SMUGGLED"}
    row |= {"state": state, "seq": 0, "head": b""}
    with refused(words) as cursor, cursor.copy(f"COPY fleet_device ({', '.join(names)}) FROM STDIN") as copy:
        copy.write_row(list(row.values()))


def test_copy_of_transitions_is_numbered_and_checked_like_an_insert(rows):
    columns = "subject_kind, subject_id, from_state, to_state, cause, reason, actor_id, evidence, seq, hash"
    row = ["host", rows["host"], "validated", "in_service", "", "by copy", rows["actor"], [], 99, b"forged"]
    with raw() as cursor:
        with cursor.copy(f"COPY fleet_transition ({columns}) FROM STDIN") as copy:
            copy.write_row(row)
        cursor.execute("SELECT seq, length(hash) FROM fleet_transition WHERE reason = 'by copy'")
        assert cursor.fetchone() == (3, 32), "its number and its hash are the database's"
    again = refused('is "in_service" now, not "validated"')
    with again as cursor, cursor.copy(f"COPY fleet_transition ({columns}) FROM STDIN") as copy:
        copy.write_row(row)


def test_an_update_from_another_trigger_is_refused_at_the_commit(rows):
    with refused('state "in_service" number 3 has no transition') as cursor:
        cursor.execute("CREATE TEMP TABLE lever (id int)")
        cursor.execute(
            "CREATE FUNCTION pg_temp.pull() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            f"UPDATE fleet_device SET state = 'in_service', seq = seq + 1 WHERE id = {rows['host']}; RETURN NEW; END $$"
        )
        cursor.execute("CREATE TRIGGER pull AFTER INSERT ON lever FOR EACH ROW EXECUTE FUNCTION pg_temp.pull()")
        cursor.execute("INSERT INTO lever VALUES (1)")


def test_a_forged_number_time_and_hash_are_replaced(rows):
    with raw() as cursor:
        cursor.execute(
            "INSERT INTO fleet_transition (subject_kind, subject_id, from_state, to_state, cause, reason, actor_id,"
            " evidence, seq, at, prev, hash) VALUES ('host', %(host)s, 'validated', 'in_service', '', 'forged',"
            " %(actor)s, '{}', 77, '1999-01-01', 'x', 'y')"
            " RETURNING seq, at > now() - interval '1 hour', length(prev), length(hash)",
            rows,
        )
        assert cursor.fetchone() == (3, True, 32, 32)


@pytest.mark.parametrize(
    "change",
    ["fleet_device SET id = id + 1000000", "fleet_device SET kind = 'switch'", "fleet_cable SET id = id + 1000000"],
)
def test_a_subject_does_not_slip_out_of_its_history(rows, change):
    """A cabled host that is a switch for a moment would be in service by one edge."""
    with refused("its number and its kind stand in its history and never change") as cursor:
        cursor.execute(f"UPDATE {change}")
