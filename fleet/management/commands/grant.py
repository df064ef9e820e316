"""manage.py grant USER ROLE: give a person a role; with --create also the sign-in, its password asked or in a file."""

from getpass import getpass
from pathlib import Path
from typing import Any

from django.contrib.auth.models import User
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from fleet import access
from fleet.management.words import refusals
from fleet.models import GRANTABLE


class Command(BaseCommand):
    """See the module."""

    help = __doc__ or ""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user")
        parser.add_argument("role", help=", ".join(GRANTABLE))
        parser.add_argument("--site", help="its name; without it the role holds at all sites")
        parser.add_argument("--create", action="store_true", help="make the sign-in when it does not exist")
        parser.add_argument("--password-file", type=Path, help="its first line; without it the password is asked for")

    def handle(self, *args: Any, **options: Any) -> None:
        """All or nothing: no sign-in is left behind when the role is refused."""
        with refusals(), transaction.atomic():
            user = self._user(options)
            is_new = access.grant(user=user, role=options["role"], site=options["site"])
        where = f"at {options['site']}" if options["site"] else "at all sites"
        self.stdout.write(f"{user.username} {'is' if is_new else 'was'} {options['role']} {where}")

    def _user(self, options: dict[str, Any]) -> User:
        name = options["user"]
        if found := User.objects.filter(username=name).first():
            return found
        if not options["create"]:
            raise CommandError(f"nobody signs in as {name!r}; expected --create to make the sign-in", returncode=2)
        user = User(username=name)
        try:
            user.full_clean(exclude=["password"])
            password = self._password(options["password_file"])
            validate_password(password, user)
        except ValidationError as error:
            raise CommandError(" ".join(error.messages), returncode=2) from error
        user.set_password(password)
        user.save()
        return user

    def _password(self, file: Path | None) -> str:
        if file is None:
            return getpass("password: ")
        try:
            return file.read_text().partition("\n")[0]
        except OSError as error:
            raise CommandError(f"{file}: {error.strerror}; expected a readable file", returncode=2) from error
