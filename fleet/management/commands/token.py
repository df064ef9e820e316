"""manage.py token create NAME --role ROLE --days N: a bearer token for a program, printed once."""

from argparse import ArgumentParser
from typing import Any

from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandParser

from fleet import access
from fleet.errors import NotFound
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
        create.add_argument("--owner", help="who signs in and stands for it; without one it is a person of its own")
        create.add_argument("--site", help="its name; without it the role holds at all sites")

    def handle(self, *args: Any, **options: Any) -> None:
        """The token is the last line of stdout."""
        with refusals():
            _, token = access.create_token(
                name=options["name"],
                role=options["role"],
                days=options["days"],
                site=options["site"],
                owner=_user(options["owner"]),
            )
        self.stderr.write(f"token {options['name']!r}, role {options['role']}, good for {options['days']} days;")
        self.stderr.write("it is shown this once: Authorization: Bearer <token>")
        self.stdout.write(token)


def _user(name: str | None) -> int | None:
    if name is None:
        return None
    found = User.objects.filter(username=name).values_list("pk", flat=True).first()
    if found is None:
        raise NotFound(f"nobody signs in as {name!r}", field="owner", value=name, expected="the name of a sign-in")
    return found
