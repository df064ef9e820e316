"""Typed reading of the environment: a bad value or an unknown MUSTER_* name stops the start, in words."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

_read: set[str] = set()


class BadEnvironment(SystemExit):
    """Stops the start with exit code 2 and one line that names the variable, its value and what would be right."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        print(f"{name}={value!r}: {expected}", file=sys.stderr)
        super().__init__(2)


def _parsed(name: str, default: Any, parse: Callable[[str], Any], expected: str) -> Any:
    _read.add(name)
    raw = os.environ.get(name)
    if raw is None or raw == "":
        return default
    try:
        return parse(raw)
    except ValueError as error:
        raise BadEnvironment(name, raw, expected) from error


def text(name: str, default: str = "") -> str:
    """A string; empty counts as absent."""
    return str(_parsed(name, default, str, ""))


def flag(name: str, default: bool = False) -> bool:
    """1 or 0."""

    def parse(value: str) -> bool:
        if value not in ("0", "1"):
            raise ValueError
        return value == "1"

    return bool(_parsed(name, default, parse, "expected 1 or 0"))


def number(name: str, default: float, *, low: float, high: float) -> float:
    """A number in [low, high]."""

    def parse(value: str) -> float:
        n = float(value)
        if not low <= n <= high:
            raise ValueError
        return n

    return float(_parsed(name, default, parse, f"expected a number from {low:g} to {high:g}"))


def whole(name: str, default: int, *, low: int, high: int) -> int:
    """A whole number in [low, high]."""
    return int(number(name, default, low=low, high=high))


def secret(name: str) -> str:
    """The value of NAME, or the stripped content of the file that NAME_FILE names."""
    _read.update({name, f"{name}_FILE"})
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return os.environ.get(name, "")
    try:
        return Path(path).read_text().strip()
    except OSError as error:
        raise BadEnvironment(f"{name}_FILE", path, f"expected a readable file ({error.strerror})") from error


def database(name: str) -> dict[str, Any] | None:
    """A postgresql:// URL as Django's settings; `?host=/folder` means a socket. None when absent."""
    url = secret(name)
    if not url:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("postgresql", "postgres") or not parts.path.strip("/"):
        raise BadEnvironment(name, url.split("@")[-1], "expected postgresql://user:password@host:port/database")
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host", [parts.hostname or ""])[0],
        "PORT": query.get("port", [str(parts.port or "")])[0],
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,
    }


def web_url(name: str) -> str:
    """An http or https URL without a slash at its end; empty when absent."""

    def parse(value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError
        return value.rstrip("/")

    return str(_parsed(name, "", parse, "expected http://host or https://host"))


_MAIL = "expected smtp://user:password@host:port or smtps://..."


def mail_server(name: str) -> dict[str, Any] | None:
    """An smtp:// or smtps:// URL as the arguments of Django's mail backend; None when absent.

    smtps speaks TLS from the first byte. smtp goes over to TLS, which a server elsewhere must offer; on loopback it
    does not, unless `?starttls=1` says so (`?starttls=0` sends in the clear to anybody).
    """
    url = secret(name)
    if not url:
        return None
    parts = urlsplit(url)
    query = parse_qs(parts.query)
    starttls = query.get("starttls", ["0" if parts.hostname in ("127.0.0.1", "::1", "localhost") else "1"])[0]
    is_tls = parts.scheme == "smtps"
    try:
        port = parts.port or (465 if is_tls else 25)
    except ValueError as error:
        raise BadEnvironment(name, "...", _MAIL) from error
    if parts.scheme not in ("smtp", "smtps") or not parts.hostname or starttls not in ("0", "1"):
        raise BadEnvironment(name, "...", _MAIL)
    return {
        "host": parts.hostname,
        "port": port,
        "username": unquote(parts.username or ""),
        "password": unquote(parts.password or ""),
        "use_ssl": is_tls,
        "use_tls": not is_tls and starttls == "1",
    }


RUNNING_DEMO = Path(__file__).resolve().parent.parent / ".run" / "demo" / "env.json"


def use_running_demo() -> None:
    """Take the environment of the demo that runs in this checkout, when the caller has named no database."""
    if "DATABASE_URL" in os.environ or "DATABASE_URL_FILE" in os.environ:
        return
    try:
        found = json.loads(RUNNING_DEMO.read_text())
    except (OSError, ValueError):
        return
    os.environ |= found
    print("on the demo that runs here", file=sys.stderr)


def refuse_unknown() -> None:
    """Call when every setting has been read: a MUSTER_* variable that nobody asked for is a spelling mistake."""
    unknown = sorted(
        n for n in os.environ if n.startswith("MUSTER_") and n not in _read and not n.startswith("MUSTER_TEST_")
    )
    if unknown:
        known = ", ".join(sorted(n for n in _read if n.startswith("MUSTER_")))
        raise BadEnvironment(unknown[0], "...", f"no such setting (its value may be a secret); known are {known}")
