"""Every POST of the API as somebody would send it: something of its own to act on, and a body that is accepted."""

from collections.abc import Callable
from itertools import count
from typing import Any

from django.utils import timezone

from fleet import findings, holds
from fleet.findings import Found
from fleet.models import Finding
from tests.support import make, people

_numbers = count(1)
WHY = {"reason": "made for a test"}
Ask = tuple[str, dict[str, Any] | None]


def _finding() -> int:
    host = make.host("installed")
    findings.open([Found("health", "fan", "warning", "a fan stands", host.pk)])
    return Finding.objects.get(device=host).pk


def _hold() -> int:
    host = make.host("installed")
    return holds.place(device_id=host.pk, kind="debug", reason="look at it", actor=make.actor()).pk


def _bring_up() -> dict[str, Any]:
    names = [h.name for h in make.hosts(2, "cabled")]
    return {"kind": "bring_up", "select": {"hosts": names}, **WHY}


def _campaign(*verbs: str) -> int:
    program = people.program()
    made = program.post("/campaigns", _bring_up()).json()
    for verb in verbs:
        program.post(f"/campaigns/{made['id']}/{verb}", WHY)
    return int(made["id"])


def _retirement() -> str:
    body = {"host": make.host("quarantined").name, "to": "retired", **WHY}
    return str(people.program("admin").post("/transitions", body).json()["id"])


def _operation(state: str) -> int:
    ended = {"ended_at": timezone.now(), "step_name": "contact"} if state == "failed" else {}
    return make.operation("inspect", make.host("discovered"), state=state, **ended).pk


def _rule() -> dict[str, Any]:
    """Tells nobody: nothing listens there."""
    return {"name": f"rule-{next(_numbers)}", "channel": "chat", "target": "http://127.0.0.1:9/"}


def _rule_id() -> int:
    return int(people.program("admin").post("/rules", _rule()).json()["id"])


ASKS: dict[str, Callable[[], Ask]] = {
    "/acts/{id}/confirm": lambda: (f"/acts/{_retirement()}/confirm", None),
    "/brakes/override": lambda: ("/brakes/override", {"site": make.site().name, "minutes": 5, **WHY}),
    "/campaigns": lambda: ("/campaigns", _bring_up()),
    "/campaigns/{id}/end": lambda: (f"/campaigns/{_campaign('halt')}/end", WHY),
    "/campaigns/{id}/halt": lambda: (f"/campaigns/{_campaign()}/halt", WHY),
    "/campaigns/{id}/pause": lambda: (f"/campaigns/{_campaign()}/pause", WHY),
    "/campaigns/{id}/resume": lambda: (f"/campaigns/{_campaign('pause')}/resume", WHY),
    "/findings/acknowledge": lambda: ("/findings/acknowledge", {"findings": [_finding(), _finding()], **WHY}),
    "/findings/close": lambda: ("/findings/close", {"findings": [_finding(), _finding()], **WHY}),
    "/findings/{id}/acknowledge": lambda: (f"/findings/{_finding()}/acknowledge", WHY),
    "/findings/{id}/close": lambda: (f"/findings/{_finding()}/close", WHY),
    "/holds/{id}/lift": lambda: (f"/holds/{_hold()}/lift", None),
    "/hosts/{id}/holds": lambda: (f"/hosts/{make.host().pk}/holds", {"kind": "debug", **WHY}),
    "/incidents/{id}/close": lambda: (f"/incidents/{make.subject('incident', 'explained')}/close", WHY),
    "/incidents/{id}/explain": lambda: (f"/incidents/{make.subject('incident', 'open')}/explain", WHY),
    "/operations": lambda: ("/operations", {"kind": "identify", "host": make.host().name, **WHY}),
    "/operations/{id}/cancel": lambda: (f"/operations/{_operation('queued')}/cancel", WHY),
    "/operations/{id}/found": lambda: (f"/operations/{_operation('lost')}/found", {"outcome": "failed", **WHY}),
    "/operations/{id}/retry": lambda: (f"/operations/{_operation('failed')}/retry", WHY),
    "/operations/{id}/skip": lambda: (f"/operations/{_operation('failed')}/skip", WHY),
    "/rules": lambda: ("/rules", _rule()),
    "/rules/{id}/test": lambda: (f"/rules/{_rule_id()}/test", None),
    "/tokens": lambda: ("/tokens", {"name": f"token-{next(_numbers)}", "role": "viewer", "days": 1}),
    "/transitions": lambda: ("/transitions", {"host": make.host("racked").name, "to": "quarantined", **WHY}),
}
