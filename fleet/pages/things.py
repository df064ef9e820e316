"""Cables, parts and switches: a thin page each, so that whatever is found by search has somewhere to go."""

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from fleet.http.auth import PageRequest, needs
from fleet.reads import cables as reads


@require_safe
@needs("read")
def cable(request: PageRequest, label: str) -> HttpResponse:
    """Both ends of a cable, and what became of it."""
    found = reads.cable(label, request.who.sites("read"))
    return render(request, "things/cable.html", {"here": "cable", **found})


@require_safe
@needs("read")
def part(request: PageRequest, serial: str) -> HttpResponse:
    """Where a part is and where it has been."""
    parts = reads.part(serial, request.who.sites("read"))
    return render(request, "things/part.html", {"here": "part", "serial": serial, "parts": parts})


@require_safe
@needs("read")
def switch(request: PageRequest, name: str) -> HttpResponse:
    """A switch with its ports and what is plugged there by plan."""
    found = reads.switch(name, request.who.sites("read"))
    return render(request, "things/switch.html", {"here": "switch", **found})
