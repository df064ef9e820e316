"""manage.py token create NAME --role ROLE --days N: a bearer token for a program, printed once."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from fleet import access
from fleet.management.words import refusals
from fleet.models import GRANTABLE


class Command(BaseCommand):
    """See the module."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        create: ArgumentParser = verbs.add_parser("create", help="make a token and print it, once")
        create.add_argument("name", help="who will use it")
        create.add_argument("--role", required=True, help=", ".join(GRANTABLE))
        create.add_argument("--days", type=int, required=True, help="how long it is good")
        create.add_argument("--site", help="its name; without it the role holds at all sites")

    def handle(self, *args: Any, **options: Any) -> None:
        """The token is the last line of stdout."""
        with refusals():
            token = access.create_token(
                name=options["name"], role=options["role"], days=options["days"], site=options["site"]
            )
        self.stderr.write(f"token {options['name']!r}, role {options['role']}, good for {options['days']} days;")
        self.stderr.write("it is shown this once: Authorization: Bearer <token>")
        self.stdout.write(token)
