"""The NoCloud seed of an installed system (cloud-init): who it is, how it keeps time, which host keys it makes."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.views.decorators.http import require_safe

from fleet.errors import NotFound
from fleet.models import Network
from provisioning.boot import windows
from provisioning.boot.windows import Window

NAMES = ("meta-data", "user-data", "vendor-data")


@require_safe
def seed(request: HttpRequest, token: str, name: str) -> HttpResponse:
    """One document of the seed, to the holder of the path token that came with the orders, while the window is open."""
    window = windows.by_token("seed_sha256", token)
    if window is None or window.closed:
        raise windows.refuse(request, "seed", window, "a seed token that is unknown or closed")
    if name not in NAMES:
        windows.note(request, "seed", 404, window, f"no document {name[:40]}")
        raise NotFound("no such document")
    windows.note(request, "seed", 200, window, f"fetched {name}")
    return HttpResponse(render_to_string(f"boot/{name}", _facts(window)), content_type="text/plain; charset=utf-8")


def _facts(window: Window) -> dict[str, Any]:
    """instance: another one at each install, so that cloud-init configures the system anew."""
    network = Network.objects.filter(address__device_id=window.device, purpose="provisioning").first()
    return {
        "instance": f"{window.serial or window.device}-{window.operation}",
        "hostname": window.orders.get("hostname", ""),
        "ntp": network.ntp.split() if network else [],
        "domain": network.domain if network else "",
    }
