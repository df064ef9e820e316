"""What firmware asks for: the loader, the iPXE script of this boot, kernel and initrd, the time."""

import re
import secrets as random_secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.template.loader import render_to_string
from django.utils import timezone
from django.views.decorators.http import require_safe

from fleet import secrets
from fleet.errors import NotFound
from provisioning.boot import windows
from provisioning.boot.ranges import file_response
from provisioning.boot.windows import Window
from provisioning.operations.netboot import LOOP_ASKS

FILE_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
# A host that is not yet past this has no business with the boot service.
BEFORE_BOOT = {"expected", "received", "racked", "cabled", "retired"}


@require_safe
def boot_file(request: HttpRequest, name: str) -> HttpResponse:
    """A kernel, an initrd, a loader: the same for everybody, no secret in them."""
    window = _said_window(request)
    path = Path(settings.BOOT_DIR) / name
    if not FILE_NAME.fullmatch(name) or not path.is_file():
        windows.note(request, "files", 404, window, f"no file {name[:64]}")
        raise NotFound("no such file")
    windows.note(request, "files", 200, window, f"{name} {request.headers.get('Range', 'whole')[:60]}")
    return file_response(request, path)


def _said_window(request: HttpRequest) -> Window | None:
    """The window whose script named this address; it opens nothing, so a guessed one only spoils the record."""
    number = request.GET.get("boot", "")
    window = windows.by_id(int(number)) if re.fullmatch(r"[0-9]{1,18}", number) else None
    return None if window is None or window.closed else window


@require_safe
def loader(request: HttpRequest, token: str) -> HttpResponse:
    """The one-time address, as the firmware fetches it: iPXE, which then asks for its script beside it."""
    window = windows.by_token("uri_sha256", token)
    if window is None or window.closed:
        raise windows.refuse(request, "loader", window, "one-time address that is not open")
    windows.note(request, "loader", 200, window, "firmware fetched the loader")
    return file_response(request, Path(settings.BOOT_DIR) / "ipxe.efi")


@require_safe
def token_script(request: HttpRequest, token: str) -> HttpResponse:
    """The script of the one-time address."""
    window = windows.by_token("uri_sha256", token)
    if window is None or window.closed:
        raise windows.refuse(request, "script", window, "one-time address that is not open")
    return _script(request, window)


@require_safe
def script(request: HttpRequest) -> HttpResponse:
    """PXE: by MAC, in the window that an operation opened; else the diagnostic script, or 404 for a stranger."""
    mac = request.GET.get("mac", "").lower()
    known = windows.by_mac(mac) if mac else None
    if known is None or known[2] in BEFORE_BOOT:
        windows.note(request, "script", 404, None, f"unknown machine {mac[:20]} {request.GET.get('serial', '')[:20]}")
        raise NotFound("unknown machine")
    device, name, _, _, window_id = known
    window = windows.by_id(window_id) if window_id else None
    if window is None or window.delivery != "pxe" or _differs(request, window):
        words = (
            _differs(request, window)
            if window is not None and window.delivery == "pxe"
            else "asked without an open window"
        )
        windows.unexpected(request, device, name, f"{words}: got the diagnostic script")
        return _render({"base": settings.BOOT_URL, "diagnostic": True})
    return _script(request, window)


def _differs(request: HttpRequest, window: Window) -> str:
    """What the machine says of itself that its BMC does not; '' when nothing."""
    said = {"uuid": request.GET.get("uuid", "").lower(), "serial": request.GET.get("serial", "")}
    for name, value in said.items():
        expected = getattr(window, name)
        if value and expected and value != expected:
            return f"{name} {value[:40]} is not {expected}"
    return ""


def _script(request: HttpRequest, window: Window) -> HttpResponse:
    """A new boot: a new one-use token, older ones and their sessions are dead."""
    token = random_secrets.token_urlsafe(32)
    columns = {"boot_sha256": secrets.digest(token), "session_sha256": "", "stage": "script", "failed_code": ""}
    sql = "asks = asks + 1, asked_at = now(), stage_at = now(), boot_used_at = NULL"
    windows.change(request, "script", window, "asked for its script", columns, wake=_wakes(window), sql=sql)
    return _render({"base": settings.BOOT_URL, "token": token, "window": window.id})


def _wakes(window: Window) -> bool:
    """Asking is no news until it is a loop; the operation waits for the agent."""
    return window.asks + 1 >= LOOP_ASKS


def _render(context: dict[str, Any]) -> HttpResponse:
    return HttpResponse(render_to_string("boot/script.ipxe", context), content_type="text/plain; charset=utf-8")


@require_safe
def time(request: HttpRequest) -> HttpResponse:
    """The time and nothing else, for a machine whose clock is too wrong for TLS."""
    windows.note(request, "time", 200, _said_window(request), "asked for the time")
    return JsonResponse({"time": timezone.now().strftime("%Y-%m-%dT%H:%M:%SZ")})
