"""The first boot of an installed system reports who it is, once."""

import json
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from provisioning.boot import windows
from provisioning.boot.agent import body_of, who_differs
from provisioning.boot.windows import Window
from provisioning.models import BootWindow
from provisioning.operations.install import agent_token

KEPT = ("serial", "uuid", "mac", "boot_id", "image", "ssh_host_key", "versions")

LOCK = "SELECT 1 FROM provisioning_operation WHERE id = %s FOR UPDATE"


@require_POST
def phone_home(request: HttpRequest) -> HttpResponse:
    """Accepts the report of the holder of the second one-use token; the same report again gets the same answer."""
    body = body_of(request, token=str, mac=str, uuid=str, serial=str, boot_id=str, image=str)
    window = windows.by_token("home_sha256", body["token"])
    if window is None:
        raise windows.refuse(request, "phone-home", None, "a phone-home token that is unknown")
    if wrong := who_differs(body, window):
        raise windows.refuse(request, "phone-home", window, f"identity: {wrong}")
    if refused := _take(request, body, window):
        raise windows.refuse(request, "phone-home", window, refused)
    return JsonResponse({"agent_token": agent_token(window.serial, body["boot_id"])})


def _take(request: HttpRequest, body: dict[str, Any], window: Window) -> str:
    """Keep the first report; why this one is refused, '' when it is not. Of two at once the second one waits here."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(LOCK, [window.operation])
        before, closed_at = BootWindow.objects.values_list("phone_home", "closed_at").get(pk=window.id)
        if before is not None:
            if before.get("boot_id") != body["boot_id"]:
                return "a phone-home token that was used by another boot"
            windows.note(request, "phone-home", 200, window, "the same report again")
        elif closed_at is not None:
            return "a report after its operation had ended"
        else:
            report = json.dumps({name: body.get(name) for name in KEPT})
            columns = {"phone_home": report, "stage": "phone_home", "words": "phoned home"}
            sql = "stage_at = now(), home_used_at = now()"
            windows.change(
                request, "phone-home", window, f"boot id {body['boot_id'][:40]}", columns, wake=True, sql=sql
            )
    return ""
