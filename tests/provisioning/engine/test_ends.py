"""Every kind of operation from every state where it may start: its end can be written, the host goes where it may."""

import pytest

from fleet import findings
from fleet.findings import Found
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


def test_what_failures_had_opened_is_over_after_a_success_and_nothing_else(db):
    host, other = make.hosts(2, "installed")
    found = [Found("operation", "clock", "critical", "x", h.pk) for h in (host, other)]
    findings.open([*found, Found("health", "fan", "info", "x", host.pk)])
    operation = make.operation("validate", host, params={})
    claim.claim(room=10, worker=ME)
    operation = Operation.objects.select_related("device").get(pk=operation.pk)
    assert write.write([record(operation, ended="succeeded", release=True)])
    standing = set(Finding.objects.filter(closed_at=None).values_list("device_id", "kind"))
    assert standing == {(host.pk, "fan"), (other.pk, "clock")}
    healths = dict(Device.objects.filter(pk__in=[host.pk, other.pk]).values_list("pk", "health"))
    assert healths == {host.pk: "info", other.pk: "critical"}
