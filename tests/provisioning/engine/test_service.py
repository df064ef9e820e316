"""Edge 15: into service when it was asked for and nothing stands against it, at once or as soon as nothing does."""

import pytest
from django.db.models import Q

from fleet import findings, holds, lifecycle
from fleet.findings import Found
from fleet.models import Device, Evidence, Hold, Transition
from provisioning.engine import claim, reconcile, service, write
from provisioning.models import Operation
from provisioning.operations.outcomes import Evidence as Seen
from provisioning.operations.outcomes import IntoService
from tests.provisioning.engine.test_claims import ME, record
from tests.support import make

pytestmark = pytest.mark.usefixtures("db")


def hold(host: Device) -> Hold:
    return holds.place(device_id=host.pk, kind="hands", reason="a fan", actor=make.actor())


def lift(host: Device) -> None:
    for one in Hold.objects.filter(device=host, ended_at=None):
        holds.lift(hold_id=one.pk, device_id=host.pk, actor=make.actor())


def warn(host: Device, severity: str = "warning") -> None:
    findings.open([Found("health", "fan", severity, "a fan is slow", host.pk)])


def validated(host: Device, *, into: bool = True, end: str = "succeeded") -> Operation:
    """A validation of this host that ends so."""
    operation = make.operation("validate", host, params={"into_service": into})
    claim.claim(room=10, worker=ME)
    operation = Operation.objects.select_related("device").get(pk=operation.pk)
    asked = (Seen("validation", "all passed"), IntoService()) if into else ()
    done = record(operation, ended=end, release=True, words="3 tests passed", effects=asked)
    assert write.write([done]) == {(operation.pk, operation.fence)}
    operation.refresh_from_db()
    return operation


def state_of(host: Device) -> str:
    return Device.objects.values_list("state", flat=True).get(pk=host.pk)


AGAINST = {
    "a hold": (hold, lift, "1 hold stands"),
    "a warning": (warn, lambda host: findings.close(Q(device=host), words="over"), "its health is warning"),
    "a critical finding": (
        lambda host: warn(host, "critical"),
        lambda host: findings.close(Q(device=host), words="over"),
        "its health is critical",
    ),
}


@pytest.mark.parametrize("what", AGAINST)
def test_what_stands_against_it_is_said_and_when_it_is_gone_the_host_goes(what):
    place, remove, words = AGAINST[what]
    host = make.host("installed")
    place(host)
    operation = validated(host)
    assert state_of(host) == "validated"
    assert operation.words == f"3 tests passed; not yet in service: {words}"
    assert service.later() == 0
    remove(host)
    assert reconcile.run()["hosts given to the scheduler late"] == 1
    assert state_of(host) == "in_service"
    last = Transition.objects.filter(subject_kind="host", subject_id=host.pk).latest("seq")
    assert (last.actor.role, last.evidence) == ("S", [Evidence.objects.get(operation_id=operation.pk).pk])
    assert str(operation.pk) in last.reason
    assert service.later() == 0


def test_all_that_stands_against_it_is_named():
    host = make.host("installed")
    hold(host), hold(host), warn(host)
    assert validated(host).words.endswith("not yet in service: 2 holds stand, its health is warning")


def test_when_nothing_stands_against_it_the_words_say_nothing():
    host = make.host("installed")
    assert validated(host).words == "3 tests passed" and state_of(host) == "in_service"


def test_a_state_that_does_not_lead_there_is_named_and_no_wish_is_kept():
    host = make.host("repair_hands")
    assert validated(host).words.endswith("not yet in service: the host is repair_hands")
    make.bring("host", [host.pk], "validated", start="repair_hands")
    assert service.later() == 0


def wish() -> Device:
    """A host that was validated for service under a hold which is gone now."""
    host = make.host("installed")
    hold(host)
    validated(host)
    lift(host)
    return host


def test_all_of_them_at_once():
    hosts = [wish() for _ in range(5)]
    assert service.later() == 5 and {state_of(h) for h in hosts} == {"in_service"}


def test_not_when_nobody_asked():
    host = make.host("installed")
    hold(host)
    validated(host, into=False)
    lift(host)
    assert service.later() == 0


def test_not_when_a_later_validation_did_not_ask():
    host = wish()
    validated(host, into=False)
    assert service.later() == 0 and state_of(host) == "validated"


def test_a_later_validation_that_asks_too_has_the_wish():
    host = wish()
    hold(host)
    second = validated(host)
    lift(host)
    assert service.later() == 1
    assert str(second.pk) in Transition.objects.filter(subject_id=host.pk, to_state="in_service").get().reason


@pytest.mark.parametrize("state", ["queued", "active", "lost"])
def test_not_while_an_operation_is_under_way(state):
    host = wish()
    operation = make.operation("install", host, state=state)
    assert service.later() == 0
    if state == "queued":
        lifecycle.move("operation", [operation.pk], to="cancelled", actor=make.actor(), reason="never mind")
        assert service.later() == 1


def test_not_when_it_has_been_in_service_since():
    """Somebody drained it for maintenance: it is validated again, but nobody has asked for service since."""
    host = wish()
    assert service.later() == 1
    make.bring("host", [host.pk], "draining", start="in_service")
    lifecycle.move("host", [host.pk], to="validated", actor=make.actor("S"), reason="empty")
    assert service.later() == 0


def test_not_when_it_has_been_elsewhere_since():
    host = wish()
    for to in ("quarantined", "installed"):
        lifecycle.move("host", [host.pk], to=to, actor=make.actor(), reason="look at it")
    lifecycle.move("host", [host.pk], to="validated", actor=make.actor("S"), reason="another way")
    assert service.later() == 0
