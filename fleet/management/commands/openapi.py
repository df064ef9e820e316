"""manage.py openapi -o FILE: write the OpenAPI document of the API as it is checked in."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.test import RequestFactory
from django.urls import resolve

ADDRESS = "/api/v1/openapi.json"


def document() -> str:
    """The document as the running API serves it, in a form whose changes show well in a diff."""
    match = resolve(ADDRESS)
    answer = match.func(RequestFactory().get(ADDRESS), *match.args, **match.kwargs)
    return json.dumps(json.loads(answer.content), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


class Command(BaseCommand):
    """See the module."""

    help = __doc__ or ""
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("-o", "--output", type=Path, required=True)

    def handle(self, *args: Any, **options: Any) -> None:
        options["output"].write_text(document())
