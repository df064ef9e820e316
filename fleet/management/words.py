"""How commands refuse bad input: one line with what, which value, and what would be right; exit code 2."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.core.management.base import CommandError

from fleet.errors import MusterError


@contextmanager
def refusals() -> Iterator[None]:
    """Turn a MusterError into the command's own refusal."""
    try:
        yield
    except MusterError as error:
        expected = f"; expected {error.expected}" if error.expected else ""
        raise CommandError(f"{error.title}{expected}", returncode=2) from error
