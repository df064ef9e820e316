"""The first boot of an installed system reports who it is, once."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_POST

from provisioning.boot import windows
from provisioning.boot.agent import body_of
from provisioning.models import BootWindow
from provisioning.operations.install import agent_token

KEPT = ("serial", "uuid", "mac", "boot_id", "image", "ssh_host_key", "versions")


@require_POST
def phone_home(request: HttpRequest) -> HttpResponse:
    """Accepts the report of the holder of the second one-use token; the same report again gets the same answer."""
    body = body_of(request, token=str, serial=str, boot_id=str, image=str)
    window = windows.by_token("home_sha256", body["token"])
    if window is None:
        raise windows.refuse(request, "phone-home", None, "a phone-home token that is unknown")
    if window.serial and body["serial"] != window.serial:
        raise windows.refuse(
            request, "phone-home", window, f"identity: serial {body['serial'][:40]} is not {window.serial}"
        )
    answer = JsonResponse({"agent_token": agent_token(window.serial, body["boot_id"])})
    before = BootWindow.objects.values_list("phone_home", flat=True).get(pk=window.id)
    if before is not None:
        if before.get("boot_id") != body["boot_id"]:
            raise windows.refuse(request, "phone-home", window, "a phone-home token that was used by another boot")
        windows.note(request, "phone-home", 200, window, "the same report again")
        return answer
    if window.closed:
        raise windows.refuse(request, "phone-home", window, "a report after its operation had ended")
    report = json.dumps({name: body.get(name) for name in KEPT})
    columns = {"phone_home": report, "stage": "phone_home", "words": "phoned home"}
    sql = "stage_at = now(), home_used_at = now()"
    windows.change(request, "phone-home", window, f"boot id {body['boot_id'][:40]}", columns, wake=True, sql=sql)
    return answer
