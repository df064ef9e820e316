"""manage.py profile load FILE: a profile from YAML; a changed spec becomes a new version."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import yaml
from django.core.management.base import BaseCommand, CommandError

from fleet import profiles


class Command(BaseCommand):
    """Profiles are versioned: what a host was judged by stays readable."""

    help = __doc__ or ""

    def add_arguments(self, parser: ArgumentParser) -> None:
        """load FILE [--name NAME]"""
        parser.add_argument("verb", choices=["load"])
        parser.add_argument("file")
        parser.add_argument("--name", help="default: the file's name without its ending")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read, check, store."""
        path = Path(options["file"])
        try:
            spec = yaml.safe_load(path.read_text())
        except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
            raise CommandError(f"{path}: {error}", returncode=2) from error
        problems = profiles.problems(spec)
        if problems:
            raise CommandError("\n".join(f"{path}: {p}" for p in problems), returncode=2)
        row, is_new = profiles.store(options["name"] or path.stem, spec)
        self.stdout.write(f"{row}: {'stored' if is_new else 'unchanged'}")
