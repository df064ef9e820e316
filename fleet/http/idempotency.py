"""One POST, one effect: the key, the hash of the request and the answer are stored in the transaction of the effect."""

import hashlib
import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from django.db import connection, transaction

from fleet import secrets
from fleet.errors import BadValue, MusterError, WrongState
from fleet.models import Actor, IdempotencyKey

HEADER = "Idempotency-Key"
KEY = re.compile(r"[!-~]{8,64}")
EXPECTED = "8 to 64 visible ASCII characters, another one for each thing asked for"

# Held to the end of the transaction: a second request sees either the lock or the stored answer, and never waits.
LOCK = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 0))"


def fresh_key() -> str:
    """A key for a form."""
    return uuid.uuid4().hex


def digest(method: str, path: str, body: Mapping[str, Any] | Any) -> str:
    """What makes two requests the same: method, path, and the body as data, whatever its spacing and order."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(f"{method} {path}\n{text}".encode()).hexdigest()


def once(
    *, actor: Actor, key: str, request_sha256: str, effect: Callable[[], tuple[int, Any]], sealed: bool = False
) -> tuple[int, Any]:
    """Run the effect once for this actor's key and give its (status, answer); a second time give the stored one.

    The answer must be JSON; sealed: it holds a secret and is stored encrypted. A refusal has no effect and
    stores nothing, so the same key may be tried again.
    Raises MusterError 400 for a bad key, BadValue (422) for a key that was used for something else, WrongState (409)
    while the first request still runs.
    """
    if not KEY.fullmatch(key):
        raise MusterError(f"{HEADER} is missing" if not key else f"{HEADER} cannot be used", code="idempotency_key",
                          field=HEADER, value=key or None, expected=EXPECTED)  # fmt: skip
    with transaction.atomic():
        _lock(actor, key)
        stored = IdempotencyKey.objects.filter(actor=actor, key=key).first()
        if stored is not None:
            return _again(stored, request_sha256)
        status, answer = effect()
        kept = {"sealed": secrets.encrypt(json.dumps(answer))} if sealed else {"answer": answer}
        IdempotencyKey.objects.create(actor=actor, key=key, request_sha256=request_sha256, status=status, **kept)
        return status, answer


def _lock(actor: Actor, key: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [f"idempotency:{actor.pk}:{key}"])
        (is_ours,) = cursor.fetchone()
    if not is_ours:
        raise WrongState("the first request with this key is still running", code="running", field=HEADER, value=key,
                         hint="ask again in a moment")  # fmt: skip


def _again(stored: IdempotencyKey, request_sha256: str) -> tuple[int, Any]:
    if stored.request_sha256 != request_sha256:
        raise BadValue(
            "this key was used for another request",
            code="key_reused",
            field=HEADER,
            value=stored.key,
            expected=EXPECTED,
        )
    answer = stored.answer if stored.sealed is None else json.loads(secrets.decrypt(bytes(stored.sealed)))
    return int(stored.status or 200), answer
