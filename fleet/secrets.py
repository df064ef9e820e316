"""Secrets at rest, and tokens: encrypt, decrypt, derive, digest. Keys come from MUSTER_KEYS_FILE, newest first."""

import base64
import hashlib
import hmac
from functools import lru_cache
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken, MultiFernet
from django.conf import settings

from fleet.errors import MusterError
from fleet.models import Secret


@lru_cache(maxsize=1)
def _keys() -> tuple[bytes, ...]:
    try:
        lines = Path(settings.KEYS_FILE).read_text().split()
    except OSError as error:
        raise MusterError(
            "no secret keys", field="MUSTER_KEYS_FILE", value=settings.KEYS_FILE, expected="a readable file"
        ) from error
    if not lines:
        raise MusterError(
            "no secret keys", field="MUSTER_KEYS_FILE", value=settings.KEYS_FILE, expected="one Fernet key a line"
        )
    return tuple(line.encode() for line in lines)


@lru_cache(maxsize=1)
def _box() -> MultiFernet:
    return MultiFernet([Fernet(key) for key in _keys()])


def key_id() -> str:
    """Short name of the newest key, to see which rows still wait for rotation."""
    return hashlib.sha256(_keys()[0]).hexdigest()[:12]


def encrypt(value: str) -> bytes:
    """The ciphertext of a value under the newest key."""
    return _box().encrypt(value.encode())


@lru_cache(maxsize=4096)
def decrypt(ciphertext: bytes) -> str:
    """The value. Raises MusterError when no key of ours made it. Cached: a fleet shares few passwords."""
    try:
        return _box().decrypt(bytes(ciphertext)).decode()
    except InvalidToken as error:
        raise MusterError("a secret was encrypted with a key that is not in MUSTER_KEYS_FILE") from error


def store(name: str, value: str) -> Secret:
    """Write or replace a secret by name."""
    row, _ = Secret.objects.update_or_create(name=name, defaults={"key_id": key_id(), "ciphertext": encrypt(value)})
    return row


def derive(purpose: str, *parts: str) -> str:
    """A token of 256 bits that only this installation can make again; so it need not be stored.

    Keyed by the oldest key, so that adding a new one first in the file does not change tokens that are in use.
    """
    message = "\x1f".join((purpose, *parts)).encode()
    mac = hmac.new(_keys()[-1], message, hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).rstrip(b"=").decode()


def digest(token: str) -> str:
    """What is stored of a token: its sha256 in hex."""
    return hashlib.sha256(token.encode()).hexdigest()
