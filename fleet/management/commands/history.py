"""manage.py history verify: recompute every chain of transitions. Exit 0 when all hold, 1 when one is broken."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import lifecycle


class Command(BaseCommand):
    """See the module."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        verify: ArgumentParser = verbs.add_parser("verify", help="recompute every chain and name the first broken link")
        verify.add_argument("--json", action="store_true", help="one line of JSON on stdout, words on stderr")

    def handle(self, *args: Any, **options: Any) -> None:
        """Words for people; with --json the answer of contracts as the last line of stdout."""
        found = lifecycle.verify()
        say = self.stderr if options["json"] else self.stdout
        say.write(f"{found['rows']} transitions in {found['chains']} chains: {self._verdict(found)}")
        if options["json"]:
            self.stdout.write(json.dumps(found))
        if not found["ok"]:
            sys.exit(1)

    def _verdict(self, found: dict[str, Any]) -> str:
        if found["ok"]:
            return f"all hold, heads {found['heads_sha256']}"
        link = found["first_broken"]
        where = f"transition {link['transition']}" if link["transition"] else "no transition"
        return f"broken at {link['kind']} {link['subject']}, number {link['seq']} ({where}): {link['words']}"
