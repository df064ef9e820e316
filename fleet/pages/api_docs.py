"""/api/docs/: the endpoints in words, from the document that is checked in. No script of anybody else."""

import json
from functools import cache
from typing import Any

from django.conf import settings
from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.http.auth import PageRequest, needs

METHODS = ("get", "post", "patch", "delete")
PREFIX = "/api/v1"


@require_safe
@needs("read")
def api_docs(request: PageRequest) -> HttpResponse:
    """Every endpoint: what it does, what it takes, what it answers. No query."""
    return render(request, "api/docs.html", {"here": "help", "groups": _groups()})


@cache
def _groups() -> list[tuple[str, list[dict[str, Any]]]]:
    document = json.loads((settings.BASE_DIR / "docs" / "openapi.json").read_text())
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, ways in sorted(document["paths"].items()):
        for method in METHODS:
            if method in ways:
                row = _endpoint(method, path.removeprefix(PREFIX), ways[method], document["components"]["schemas"])
                groups.setdefault(ways[method]["tags"][0], []).append(row)
    return sorted(groups.items())


def _endpoint(method: str, path: str, way: dict[str, Any], schemas: dict[str, Any]) -> dict[str, Any]:
    body = way.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = schemas.get(body.get("$ref", "").rpartition("/")[2], {})
    needed = schema.get("required", [])
    return {
        "method": method.upper(),
        "path": path,
        "words": way["description"],
        "filters": [p["name"] for p in way["parameters"] if p["in"] == "query"],
        "fields": [(name, name in needed) for name in schema.get("properties", {})],
        "answers": ", ".join(sorted(way["responses"])),
        "deprecated": way.get("deprecated", False),
    }
