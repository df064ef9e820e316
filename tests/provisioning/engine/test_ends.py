"""Every kind of operation from every state where it may start: its end can be written, the host goes where it may."""

import pytest

from fleet.models import Device, Finding
from fleet.states import allowed
from provisioning.engine import claim, write
from provisioning.models import Operation
from provisioning.operations.outcomes import IntoService
from provisioning.operations.registry import KINDS
from tests.provisioning.engine.test_claims import ME, record
from tests.support import make

STARTS = [(name, state) for name, kind in KINDS.items() for state in sorted(kind.from_states)]


def ended(kind: str, state: str, end: str, **more) -> Device:
    params = {"action": "on"} if kind == "power" else {}
    operation = make.operation(kind, make.host(state), params=params)
    claim.claim(room=10, worker=ME)
    operation = Operation.objects.select_related("device").get(pk=operation.pk)
    outcome = record(operation, ended=end, release=True, cause="why" if end == "failed" else "", **more)
    assert write.write([outcome]) == {(operation.pk, operation.fence)}, "an end that cannot be written comes for ever"
    operation.refresh_from_db()
    assert operation.state == end
    return Device.objects.get(pk=operation.device_id)


@pytest.mark.usefixtures("db")
class TestEveryKind:
    @pytest.mark.parametrize(("kind", "state"), STARTS)
    def test_success_earns_its_state_or_leaves_what_is_further(self, kind, state):
        becomes = KINDS[kind].becomes
        goes = becomes and becomes in allowed("host", state, "S")
        assert ended(kind, state, "succeeded").state == (becomes if goes else state)

    @pytest.mark.parametrize(("kind", "state"), STARTS)
    def test_failure_takes_it_where_its_kind_says(self, kind, state):
        device = ended(kind, state, "failed")
        fails_to = KINDS[kind].fails_to
        assert (device.state, device.cause) == ((fails_to, "why") if fails_to else (state, ""))

    @pytest.mark.parametrize(("kind", "state"), STARTS)
    @pytest.mark.parametrize("end", ["cancelled", "lost"])
    def test_else_it_stays(self, kind, state, end):
        assert ended(kind, state, end).state == state


@pytest.mark.usefixtures("db")
class TestIntoService:
    """Edge 15: only when it was asked for, from validated, without a hold, in good health."""

    asked = {"effects": (IntoService(),)}

    def test_when_nothing_stands_against_it(self):
        assert ended("validate", "installed", "succeeded", **self.asked).state == "in_service"
        assert ended("validate", "quarantined", "succeeded", **self.asked).state == "in_service"

    def test_not_when_it_was_not_asked_for(self):
        assert ended("validate", "installed", "succeeded").state == "validated"

    def test_not_when_it_failed(self):
        assert ended("validate", "installed", "failed", **self.asked).state == "quarantined"

    @pytest.mark.parametrize("state", ["repair_hands", "repair_vendor"])
    def test_not_from_where_validation_does_not_lead_there(self, state):
        assert ended("validate", state, "succeeded", **self.asked).state == state

    @pytest.mark.parametrize("against", [{"held": 1}, {"health": "critical"}, {"health": "warning"}])
    def test_not_while_something_stands_against_it(self, against):
        operation = make.operation("validate", make.host("installed"), params={})
        Device.objects.filter(pk=operation.device_id).update(**against)
        if "health" in against:
            fan = {"stable_id": "health:fan:1", "domain": "health", "kind": "fan", "words": "a fan is slow"}
            Finding.objects.create(device=operation.device, severity=against["health"], **fan)
        claim.claim(room=10, worker=ME)
        operation = Operation.objects.select_related("device").get(pk=operation.pk)
        assert write.write([record(operation, ended="succeeded", release=True, **self.asked)])
        assert Device.objects.get(pk=operation.device_id).state == "validated"
