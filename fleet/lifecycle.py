"""The only writer of transitions: move(), move_each(), and verify(). The database enforces what stands here (0002)."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, InternalError, connection, transaction
from psycopg.errors import UniqueViolation

from fleet.errors import WrongState
from fleet.models import Actor, LifecycleEdge, LifecycleSubject
from fleet.states import KINDS, allowed


@dataclass(frozen=True)
class Moved:
    """A transition as written."""

    id: int
    subject_id: int
    seq: int
    from_state: str
    to_state: str


@dataclass(frozen=True)
class Move:
    """One change asked for. evidence: ids of evidence rows."""

    subject_id: int
    to_state: str
    reason: str = ""
    cause: str = ""
    evidence: tuple[int, ...] = ()


# One statement for any number of subjects, in the order of their ids, so that two bulk moves never deadlock. The
# BEFORE INSERT trigger locks each subject, checks the edge, numbers and chains the row, and updates the subject.
INSERT = """
INSERT INTO fleet_transition (subject_kind, subject_id, from_state, to_state, cause, reason, actor_id, evidence)
SELECT %(kind)s, s.id, s.state, w.to_state, w.cause, w.reason, %(actor)s, w.evidence::bigint[]
FROM unnest(%(ids)s::bigint[], %(to)s::text[], %(cause)s::text[], %(reason)s::text[], %(evidence)s::text[])
     AS w(id, to_state, cause, reason, evidence)
JOIN {table} s ON s.id = w.id
ORDER BY s.id
RETURNING id, subject_id, seq, from_state, to_state
"""


def system(name: str) -> Actor:
    """The actor for what Muster does by itself."""
    return actor("system", name, "S")


def actor(kind: str, name: str, role: str, *, user_id: int | None = None, token_id: int | None = None) -> Actor:
    """The row of an actor in one role; made on first use."""
    found, _ = Actor.objects.get_or_create(
        kind=kind, name=name, role=role, defaults={"user_id": user_id, "token_id": token_id}
    )
    return found


def move(
    kind: str, ids: Sequence[int], *, to: str, actor: Actor, reason: str, cause: str = "", evidence: Sequence[int] = ()
) -> list[Moved]:
    """Move any number of subjects of one kind to one state, all or none, in one statement.

    Raises WrongState (409) that names every subject that cannot go, IntegrityError when the new state breaks a unique
    index of the subject's table.
    """
    return move_each(kind, [Move(i, to, reason, cause, tuple(evidence)) for i in ids], actor=actor)


def move_each(kind: str, moves: Iterable[Move], *, actor: Actor) -> list[Moved]:
    """Like move(), each subject to its own state with its own reason, cause and evidence."""
    wanted = list(moves)
    if not wanted:
        return []
    table = KINDS[kind].table
    arguments: dict[str, Any] = {
        "kind": kind,
        "actor": actor.pk,
        "ids": [m.subject_id for m in wanted],
        "to": [m.to_state for m in wanted],
        "cause": [m.cause for m in wanted],
        "reason": [m.reason for m in wanted],
        "evidence": ["{" + ",".join(map(str, m.evidence)) + "}" for m in wanted],
    }
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(INSERT.format(table=table), arguments)
            rows = [Moved(*row) for row in cursor.fetchall()]
            if len(rows) != len(wanted):  # in here, so that those that exist do not stay moved
                missing = sorted({m.subject_id for m in wanted} - {r.subject_id for r in rows})
                raise WrongState(f"{kind} {missing[0]} does not exist", code="not_found", field="id", value=missing)
    except (InternalError, IntegrityError) as error:
        if isinstance(error.__cause__, UniqueViolation):
            raise  # a rule of the subject's own table, not of the lifecycle: the caller has the words
        raise _refusal(kind, wanted, actor, error) from error
    return rows


def _refusal(kind: str, wanted: list[Move], actor: Actor, error: Exception) -> WrongState:
    """Which subjects cannot go and why; the database's own words when nothing is left to explain."""
    with connection.cursor() as cursor:
        cursor.execute(
            f"SELECT id, state FROM {KINDS[kind].table} WHERE id = ANY(%s) ORDER BY id",
            [[m.subject_id for m in wanted]],
        )
        now = dict(cursor.fetchall())
    refused = []
    for m in wanted:
        state = now.get(m.subject_id, "")
        if m.to_state not in allowed(kind, state, actor.role):
            may = sorted(allowed(kind, state, actor.role))
            refused.append(
                {
                    "field": "state",
                    "id": m.subject_id,
                    "value": state,
                    "title": f"{kind} {m.subject_id} is {state or 'new'} and may not go to {m.to_state}",
                    "expected": f"from there: {', '.join(may) or 'nowhere'}",
                }
            )
    first = refused[0]["title"] if refused else str(error).splitlines()[0]
    return WrongState(str(first), field="state", errors=refused)


def sync_tables() -> None:
    """Copy the Python tables into lifecycle_edge and the registry's chained flag; runs after each migrate."""
    rows = {(k.name, e.from_state, e.to_state, r) for k in KINDS.values() for e in k.edges for r in e.roles}
    with transaction.atomic():
        have = {(e.kind, e.from_state, e.to_state, e.role): e.pk for e in LifecycleEdge.objects.all()}
        LifecycleEdge.objects.filter(pk__in=[pk for key, pk in have.items() if key not in rows]).delete()
        LifecycleEdge.objects.bulk_create(
            LifecycleEdge(kind=k, from_state=a, to_state=b, role=r) for k, a, b, r in sorted(rows - have.keys())
        )


# Recomputes every hash from the row's own columns and follows each chain; unchained kinds are checked for gaps only.
BROKEN = """
WITH c AS (
  SELECT t.*, s.chained,
    lag(t.hash) OVER chain AS before, lag(t.seq) OVER chain AS seq_before, lag(t.to_state) OVER chain AS state_before,
    sha256(t.prev || convert_to(jsonb_build_array(t.subject_kind, t.subject_id, t.seq, t.from_state, t.to_state,
      t.cause, t.reason, t.actor_id, t.evidence, (extract(epoch FROM t.at) * 1000000)::bigint)::text, 'UTF8')) AS again
  FROM fleet_transition t LEFT JOIN fleet_lifecyclesubject s ON s.kind = t.subject_kind
  WINDOW chain AS (PARTITION BY t.subject_kind, t.subject_id ORDER BY t.seq)
)
SELECT id, subject_kind, subject_id, seq,
  CASE WHEN seq <> coalesce(seq_before, 0) + 1 THEN 'a transition is missing before this one'
       WHEN from_state <> coalesce(state_before, '') THEN 'does not begin where the one before ended'
       WHEN prev <> coalesce(before, '') THEN 'does not follow the hash of the one before'
       ELSE 'its own columns do not give its hash' END
FROM c
WHERE seq <> coalesce(seq_before, 0) + 1 OR from_state <> coalesce(state_before, '')
   OR (chained AND (prev <> coalesce(before, '') OR again <> hash))
ORDER BY id LIMIT 1
"""

# A subject whose state, number or head is not that of its last transition was changed behind the history's back.
# kind_of: how the table tells the kind of a row ('host' or a column). Tables come from KINDS alone.
HEAD = """
SELECT {kind_of}, s.id, s.seq FROM {table} s
LEFT JOIN LATERAL (SELECT seq, to_state, hash FROM fleet_transition t
  WHERE t.subject_kind = {kind_of} AND t.subject_id = s.id ORDER BY seq DESC LIMIT 1) t ON true
WHERE t.seq IS NULL OR t.seq <> s.seq OR t.to_state <> s.state OR t.hash <> s.head
ORDER BY s.id LIMIT 1
"""

# A history whose subject was deleted by somebody whom no trigger stops.
ORPHAN = """
SELECT t.id, t.subject_kind, t.subject_id, t.seq FROM fleet_transition t
WHERE t.subject_kind = ANY(%s) AND t.seq = 1 AND NOT EXISTS (SELECT 1 FROM {table} s WHERE s.id = t.subject_id)
ORDER BY t.id LIMIT 1
"""

HEADS = """
SELECT encode(sha256(coalesce(string_agg(hash, ''::bytea ORDER BY subject_kind, subject_id), ''::bytea)), 'hex'),
  count(*)
FROM (SELECT DISTINCT ON (subject_kind, subject_id) subject_kind, subject_id, hash
      FROM fleet_transition ORDER BY subject_kind, subject_id, seq DESC) h
"""


def verify() -> dict[str, Any]:
    """Recompute every chain: {"chains", "rows", "ok", "first_broken", "heads_sha256"} (contracts.md).

    Finds a changed, removed or inserted transition and a subject changed without one, also by a superuser.
    """
    nested = connection.in_atomic_block
    with transaction.atomic(), connection.cursor() as cursor:
        if not nested:  # everything as of one moment, whatever moves meanwhile
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute(HEADS)
        heads, chains = cursor.fetchone()
        cursor.execute("SELECT count(*) FROM fleet_transition")
        rows = cursor.fetchone()[0]
        broken = _first_broken(cursor)
    return {"chains": chains, "rows": rows, "ok": broken is None, "first_broken": broken, "heads_sha256": heads}


def _first_broken(cursor: Any) -> dict[str, Any] | None:
    cursor.execute(BROKEN)
    if row := cursor.fetchone():
        return dict(zip(("transition", "kind", "subject", "seq", "words"), row, strict=True))
    for table in sorted({k.table for k in KINDS.values()}):
        kinds = [k.name for k in KINDS.values() if k.table == table]
        kind_of = "s.kind" if len(kinds) > 1 else f"'{kinds[0]}'"
        cursor.execute(HEAD.format(table=table, kind_of=kind_of))
        if row := cursor.fetchone():
            words = "its state, number or head is not that of its last transition"
            return {"transition": None, "kind": row[0], "subject": row[1], "seq": row[2], "words": words}
        cursor.execute(ORPHAN.format(table=table), [kinds])
        if row := cursor.fetchone():
            return dict(
                zip(("transition", "kind", "subject", "seq", "words"), (*row, "its subject is gone"), strict=True)
            )
    return None


def hash_of(prev: bytes, fields: str) -> bytes:
    """The hash of one transition; fields: the text of its jsonb array as PostgreSQL writes it."""
    return hashlib.sha256(prev + fields.encode()).digest()


def registered() -> dict[str, str]:
    """Kind to table, as the migrations have registered them."""
    return dict(LifecycleSubject.objects.values_list("kind", "table_name"))
