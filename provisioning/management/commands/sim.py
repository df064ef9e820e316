"""manage.py sim fix HOST [FAULT], sim break HOST FAULT: the hands that mend a simulated host, or break it."""

import json
import urllib.error
import urllib.request
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

TIMEOUT_S = 20


class Command(BaseCommand):
    """Talks to the simulator that `make demo` has started; the database learns of it as of any other host's mending."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The host, and which fault."""
        verbs = parser.add_subparsers(dest="verb", required=True)
        fix = verbs.add_parser("fix", help="mend a host, as hands would")
        broken = verbs.add_parser("break", help="break a host now")
        for each in (fix, broken):
            each.add_argument("host")
        fix.add_argument("fault", nargs="?", help="refused when the host has another one; default: whatever it has")
        broken.add_argument("fault")

    def handle(self, *args: Any, verb: str, host: str, fault: str | None, **options: Any) -> None:
        """One line says what was done; exit code 2 for a host or fault that is not there."""
        if verb == "break":
            _post("inject", {"host": host, "fault": fault})
            self.stdout.write(f"{host} has {fault} from now on")
            return
        fixed = _post("fix", {"host": host, "fault": fault})["fixed"]
        self.stdout.write(f"{host}: {fixed} is mended" if fixed else f"{host} has no fault")


def _post(path: str, body: dict[str, Any]) -> dict[str, Any]:
    if not settings.SIM_CONTROL:
        raise CommandError(
            "no simulator: MUSTER_SIM_CONTROL is not set, and no demo runs in this checkout", returncode=2
        )
    request = urllib.request.Request(
        f"{settings.SIM_CONTROL}/{path}", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
            found: dict[str, Any] = json.loads(answer.read())
            return found
    except urllib.error.HTTPError as error:
        raise CommandError(_words(error), returncode=2) from error
    except OSError as error:
        words = f"the simulator at {settings.SIM_CONTROL} does not answer: {error}"
        raise CommandError(words, returncode=1) from error


def _words(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read())["error"])
    except (ValueError, KeyError, TypeError):
        return f"the simulator refuses with {error.code}"
