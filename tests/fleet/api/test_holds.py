"""Holds: the count on the host is kept, also by what ends them."""

from datetime import timedelta

import pytest
from django.utils import timezone

from fleet import holds
from fleet.errors import BadValue, NotFound, WrongState
from fleet.models import Device, Hold
from provisioning.engine import reconcile
from tests.support import make, people


def held(host):
    return Device.objects.values_list("held", flat=True).get(pk=host.pk)


def test_a_hold_stands_until_it_is_lifted(db):
    host, program = make.host("installed"), people.program("operator")
    first = program.post(f"/hosts/{host.pk}/holds", {"kind": "hands", "reason": "swap a fan"})
    assert first.status_code == 201
    program.post(f"/hosts/{host.pk}/holds", {"kind": "debug", "reason": "look at a crash"})
    assert held(host) == 2
    assert [h["kind"] for h in program.get(f"/hosts/{host.pk}").json()["holds"]] == ["hands", "debug"]
    lifted = program.post(f"/holds/{first.json()['id']}/lift", "")
    assert lifted.status_code == 200
    assert lifted.json()["ended_by"].startswith("program-")
    assert held(host) == 1
    again = program.post(f"/holds/{first.json()['id']}/lift", "")
    assert again.status_code == 409
    assert held(host) == 1


def test_a_hold_with_an_end_ends_by_itself(db):
    host = make.host("installed")
    until = timezone.now() + timedelta(hours=1)
    hold = holds.place(device_id=host.pk, kind="debug", reason="an hour", actor=make.actor(), until=until)
    reconcile.run()
    assert held(host) == 1
    Hold.objects.filter(pk=hold.pk).update(until=timezone.now() - timedelta(seconds=1))
    reconcile.run()
    assert held(host) == 0
    with pytest.raises(WrongState):
        holds.lift(hold_id=hold.pk, device_id=host.pk, actor=make.actor())


def test_what_cannot_be_held(db):
    host, actor = make.host("installed"), make.actor()
    with pytest.raises(NotFound):
        holds.place(device_id=0, kind="debug", reason="nobody", actor=actor)
    with pytest.raises(BadValue, match="no hold"):
        holds.place(device_id=host.pk, kind="love", reason="nobody", actor=actor)
    past = timezone.now() - timedelta(seconds=1)
    with pytest.raises(BadValue, match="past"):
        holds.place(device_id=host.pk, kind="debug", reason="too late", actor=actor, until=past)
    assert held(host) == 0


def test_a_hold_is_lifted_on_its_own_host_only(db):
    one, two = make.hosts(2, "installed")
    hold = holds.place(device_id=one.pk, kind="debug", reason="look at it", actor=make.actor())
    with pytest.raises(NotFound):
        holds.lift(hold_id=hold.pk, device_id=two.pk, actor=make.actor())
    assert held(one) == 1
