"""manage.py waive NAME CHECK --reason TEXT --days N: allow a deviation by name, of a device or profile, for a time."""

from argparse import ArgumentParser
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from fleet import lifecycle
from fleet.models import Device, Profile, Waiver

LONGEST_DAYS = 730


class Command(BaseCommand):
    """Who waives is who has a shell on the server; it is on record as the admin `shell`."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """What, for whom, why, how long."""
        parser.add_argument("name", help="a device, or PROFILE@VERSION")
        parser.add_argument("check_name", metavar="CHECK", help="as the evidence names it, such as gpu:Video.Slot.21-1")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--days", type=int, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Check, then one row."""
        name, days, reason = options["name"], options["days"], options["reason"].strip()
        if not 1 <= days <= LONGEST_DAYS:
            raise CommandError(f"--days {days}: expected 1 to {LONGEST_DAYS}", returncode=2)
        if not 3 <= len(reason) <= 500:
            raise CommandError(f"--reason {reason!r}: expected 3 to 500 characters", returncode=2)
        device = Device.objects.filter(name=name).first()
        profile = None if device else self._profile(name)
        waiver = Waiver.objects.create(
            device=device,
            profile=profile,
            check_name=options["check_name"],
            reason=reason,
            actor=lifecycle.actor("system", "shell", "L"),
            ends_at=timezone.now() + timedelta(days=days),
        )
        self.stdout.write(f"{waiver.check_name} of {device or profile} is waived until {waiver.ends_at:%Y-%m-%d}")

    def _profile(self, name: str) -> Profile:
        profile_name, _, version = name.partition("@")
        found = Profile.objects.filter(name=profile_name, version=int(version) if version.isdigit() else 0).first()
        if found is None:
            raise CommandError(f"{name}: no device and no profile of that name (PROFILE@VERSION)", returncode=2)
        return found
