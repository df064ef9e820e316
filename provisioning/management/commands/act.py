"""manage.py act confirm REVIEW: the second person's yes, from the server's shell, where there is only one account."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from fleet import lifecycle, second
from fleet.management.words import refusals
from fleet.reads import acts
from provisioning.engine import act


class Command(BaseCommand):
    """Who has a shell on the server counts as the second person; it is on record as the admin `shell`."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What to do with which act."""
        parser.add_argument("verb", choices=["confirm"])
        parser.add_argument("review", help="as its address, the answer to whoever asked, and the host's page, say")

    def handle(self, *args: Any, **options: Any) -> None:
        """Refused when another person could confirm."""
        with refusals():
            second.only_one_account()
            review = act.confirm(code=options["review"], actor=lifecycle.actor("system", "shell", "L"))
        names = ", ".join(acts.one(review.code, None)["hosts"])
        self.stdout.write(f"act {review.code} is done: {review.second} {names}")
