"""What the ramdisk asks for: claim its token, get its orders, report, fetch its image."""

import json
import secrets as random_secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from fleet import secrets
from fleet.errors import BadValue, NotFound
from provisioning.boot import windows
from provisioning.boot.ranges import file_response
from provisioning.boot.windows import Window
from provisioning.engine.hint import look_soon
from provisioning.engine.text import clean
from provisioning.operations.netboot import ADOPTED

BODY_LIMIT = 60_000
LOG_LINES = 200
# Stages that an operation waits for; the others are only shown.
WAKING = {"inventory", "written", "tested", "failed"}
STAGES = {"kernel", "agent", "network", "write", "rebooting", "test", "first_boot", "diagnostic", *WAKING}

CLAIM = """
UPDATE provisioning_bootwindow SET boot_used_at = now(), claimed_from = %s, session_sha256 = %s, boot_id = %s,
  stage = 'claimed', stage_at = now(), tests = '[]', tested = NULL, written = NULL, inventory = NULL
WHERE id = %s AND boot_sha256 = %s AND boot_used_at IS NULL AND closed_at IS NULL
"""

LOG = (
    "INSERT INTO provisioning_logline (operation_id, source, line) SELECT %s, 'ramdisk', x FROM unnest(%s::text[]) AS x"
)

# Bounded, so that an agent that reports for ever fills no row.
ADD_TEST = "tests = CASE WHEN jsonb_array_length(tests) < 200 THEN tests || jsonb_build_array(%s::jsonb) ELSE tests END"


def body_of(request: HttpRequest, **fields: type) -> dict[str, Any]:
    """The JSON object of a request with these fields of these types; 422 names the first that is wrong."""
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal() or int(length[:12]) > BODY_LIMIT:
        raise BadValue("the body is too large", field="body", expected=f"at most {BODY_LIMIT} bytes")
    try:
        body = json.loads(request.body.decode())
        is_text = clean(body) == body
    except (ValueError, RecursionError) as error:
        raise BadValue("the body is not JSON", field="body", expected="a JSON object") from error
    if not isinstance(body, dict):
        raise BadValue("the body is not an object", field="body", expected="a JSON object")
    for name, kind in fields.items():
        if not isinstance(body.get(name), kind):
            raise BadValue(f"{name} is missing or of the wrong type", field=name, expected=kind.__name__)
    if not is_text:
        raise BadValue("the body holds what cannot be kept", field="body", expected="no NUL, no half character, no NaN")
    return body


@require_POST
def claim(request: HttpRequest) -> HttpResponse:
    """The one-use token for a session; a wrong identity burns it."""
    body = body_of(request, token=str, mac=str, uuid=str, serial=str, boot_id=str)
    window = windows.by_token("boot_sha256", body["token"])
    if window is None or window.closed:
        raise windows.refuse(request, "claim", window, "a boot token that is unknown or closed")
    wrong = who_differs(body, window)
    if wrong:
        _burn(window)
        raise windows.refuse(request, "claim", window, f"identity: {wrong}")
    session = random_secrets.token_urlsafe(32)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(windows.WAKE, [window.operation])
        remote = str(request.META.get("REMOTE_ADDR", ""))
        cursor.execute(
            CLAIM, [remote, secrets.digest(session), body["boot_id"], window.id, secrets.digest(body["token"])]
        )
        claimed = cursor.rowcount == 1
        if claimed:
            windows.note(request, "claim", 200, window, f"agent is up, boot id {body['boot_id'][:40]}")
            look_soon()
        transaction.set_rollback(not claimed)  # a token that is sent again and again wakes nobody
    if not claimed:
        raise windows.refuse(request, "claim", window, "a boot token that was used before")
    return JsonResponse({"session": session})


def who_differs(body: dict[str, Any], window: Window) -> str:
    """What a machine says of its MAC, UUID or serial that is not this window's; '' when nothing."""
    if window.macs and body["mac"].lower() not in window.macs:
        return f"MAC {body['mac'][:20]} is not of this host"
    if window.uuid and body["uuid"].lower() != window.uuid:
        return f"UUID {body['uuid'][:40]} is not {window.uuid}"
    if window.serial and body["serial"] != window.serial:
        return f"serial {body['serial'][:40]} is not {window.serial}"
    return ""


def _burn(window: Window) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE provisioning_bootwindow SET boot_sha256 = '' WHERE id = %s", [window.id])


def _session(request: HttpRequest, endpoint: str, *, idle: bool = False) -> Window:
    """The window of a session. idle: a ramdisk whose tests are done may go on asking after its window was closed."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    window = windows.by_token("session_sha256", token) if scheme == "Bearer" and token else None
    if window is None or (window.closed and not (idle and window.stage == "tested")):
        raise windows.refuse(request, endpoint, window, "a session that is unknown or over")
    return window


@require_safe
def orders(request: HttpRequest) -> HttpResponse:
    """What to do; "wait" for a ramdisk that has done its work.

    An install gets the one-use token with which its first boot will report, and where its cloud-init seed is.
    """
    window = _session(request, "orders", idle=True)
    if window.stage == "tested":
        windows.note(request, "orders", 200, window, "nothing more to do yet")
        return JsonResponse({"mode": "wait", "operation": window.operation})
    answer = {**window.orders, "operation": window.operation, "step": window.id}
    columns: dict[str, Any] = {"stage": "orders", "stage_at": timezone.now()}
    if window.mode == "install":
        home = random_secrets.token_urlsafe(32)
        seed = random_secrets.token_urlsafe(32)
        columns |= {"home_sha256": secrets.digest(home), "seed_sha256": secrets.digest(seed)}
        image = answer.get("image") or {}
        answer["image"] = {**image, "url": f"{settings.BOOT_URL}/image/{image.get('sha256', '')}"}
        answer["phone_home"] = {"url": f"{settings.BOOT_URL}/phone-home", "token": home}
        answer["seed"] = {"url": f"{settings.BOOT_URL}/seed/{seed}/"}
    waited_for = window.stage == ADOPTED
    windows.change(request, "orders", window, f"took its orders: {window.mode}", columns, wake=waited_for)
    return JsonResponse(answer)


@require_POST
def event(request: HttpRequest) -> HttpResponse:
    """A stage beacon; any number of times, the last one counts."""
    body = body_of(request, stage=str)
    window = _session(request, "event")
    stage = body["stage"]
    if stage not in STAGES:
        raise BadValue(f"no stage {stage[:40]!r}", field="stage", value=stage[:40], expected=", ".join(sorted(STAGES)))
    data = body.get("data") if isinstance(body.get("data"), dict) else {}
    words = str(body.get("words") or "")[:500]
    columns: dict[str, Any] = {"stage": stage, "stage_at": timezone.now(), "words": words}
    for name in ("done", "total"):
        if type(body.get(name)) is int and 0 <= body[name] < 2**31:  # true is an int too, but no number
            columns[name] = body[name]
    if stage in ("inventory", "tested", "written"):
        columns[stage] = json.dumps(data)
    if stage == "failed":
        columns["failed_code"] = str((data or {}).get("code") or "failed")[:40]
    if stage == "test":
        windows.change(
            request, "event", window, f"test: {words}", columns, wake=False, sql=ADD_TEST, values=[json.dumps(data)]
        )
    else:
        windows.change(request, "event", window, f"{stage}: {words}".rstrip(": "), columns, wake=stage in WAKING)
    return JsonResponse({})


@require_POST
def log(request: HttpRequest) -> HttpResponse:
    """The ramdisk's last lines, kept with the operation."""
    body = body_of(request, lines=list)
    window = _session(request, "log")
    lines = [str(line)[:1000] for line in body["lines"][-LOG_LINES:]]
    if lines:
        with connection.cursor() as cursor:
            cursor.execute(LOG, [window.operation, lines])
    windows.note(request, "log", 200, window, f"{len(lines)} lines")
    return JsonResponse({})


@require_safe
def image(request: HttpRequest, sha256: str) -> HttpResponse:
    """The bytes of the ordered image, in ranges, to the session that was ordered to write it."""
    window = _session(request, "image")
    if (window.orders.get("image") or {}).get("sha256") != sha256:
        raise windows.refuse(request, "image", window, "an image that was not ordered")
    path = Path(settings.FILES) / sha256[:2] / sha256
    if not path.is_file():
        windows.note(request, "image", 404, window, f"{sha256[:12]} is not in the store")
        raise NotFound("the image is not in the store")
    windows.note(request, "image", 200, window, f"{sha256[:12]} {request.headers.get('Range', 'whole')[:60]}")
    return file_response(request, path)
