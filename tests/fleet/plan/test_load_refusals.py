"""Lessons C9 and C11: every reason against a load at once, and then nothing is written."""

from dataclasses import replace

import pytest

from fleet import lifecycle
from fleet.errors import WrongState
from fleet.models import Address, Bmc, Cable, Device, PlanVersion, Transition
from fleet.plan import tables
from fleet.plan.problems import PlanRefused
from tests.fleet.plan.folders import small
from tests.fleet.plan.loading import as_other_site, edit, put, stored

pytestmark = pytest.mark.usefixtures("db")


def test_every_reason_against_a_load_at_once_and_nothing_written():
    put(small())
    put(as_other_site(small()))
    plan = small()
    edit(plan, "devices", 0, name="o2-host-001", serial="", bmc_address="", bmc_mac="")  # host-001 goes missing, too
    edit(plan, "devices", 1, serial="o2-" + plan.devices[5].serial)
    edit(plan, "devices", 2, bmc_address="")
    edit(plan, "devices", 3, role="pdu")
    edit(plan, "cables", 300, label="o2-IB-00001")
    for file in ("cables", "power", "addresses", "guids"):
        rows = [r for r in getattr(plan, file) if "host-001" not in str(r) and "host-004" not in str(r)]
        setattr(plan, file, rows)
    lifecycle.move(
        "host", [Device.objects.get(name="host-002").pk], to="discovered", actor=lifecycle.system("t"), reason="t"
    )
    Bmc.objects.filter(device__name="host-003").delete()
    before = Transition.objects.count()
    with pytest.raises(PlanRefused) as refused:
        put(plan)
    assert {p.code for p in refused.value.problems} >= {
        "not_retired",
        "taken_name",
        "taken_serial",
        "identity",
        "bmc_address",
        "taken_label",
    }
    assert Transition.objects.count() == before and PlanVersion.objects.count() == 2 and stored() != plan


def test_a_host_that_has_shown_its_serial_keeps_it_until_it_is_quarantined():
    put(small())
    pk = Device.objects.get(name="host-001").pk
    system = lifecycle.system("test")
    lifecycle.move("host", [pk], to="discovered", actor=system, reason="test")
    plan = small()
    edit(plan, "devices", 0, serial="OTHER01")
    with pytest.raises(PlanRefused, match="has shown the serial"):
        put(plan)
    lifecycle.move("host", [pk], to="quarantined", actor=system, reason="test", cause="identity_mismatch")
    put(plan)
    assert Device.objects.get(pk=pk).serial == "OTHER01"


def test_retired_devices_are_not_in_the_plan_and_keep_their_names():
    put(small())
    pk = Device.objects.get(name="pdu-a01-a").pk
    admin = lifecycle.actor("test", "admin", "L")
    lifecycle.move("switch", [pk], to="retired", actor=admin, reason="test")
    with pytest.raises(PlanRefused, match="retired"):
        put(small())
    plan = small()
    plan.devices = [d for d in plan.devices if d.name != "pdu-a01-a"]
    assert put(plan).version is None and stored() == plan


def test_a_load_that_breaks_half_way_writes_nothing(monkeypatch):
    def fail(self, found):
        raise RuntimeError("the machine died")

    monkeypatch.setattr(tables.Writer, "_addresses", fail)
    with pytest.raises(RuntimeError):
        put(small())
    assert not Device.objects.exists() and not Cable.objects.exists() and not Transition.objects.exists()


def test_what_meets_another_writer_is_told_in_words(monkeypatch):
    put(small())
    plan = small()
    plan.addresses[1] = replace(plan.addresses[1], address=plan.addresses[3].address)
    monkeypatch.setattr("fleet.plan.load.check.check", lambda plan: type("None", (), {"errors": []}))
    with pytest.raises(WrongState, match="meanwhile"):
        put(plan)
    assert Address.objects.count() == 32


def test_a_plan_with_errors_is_refused_by_the_load_itself():
    plan = small()
    edit(plan, "cables", 1, b_port="1", b_device="leaf-s01-01")
    with pytest.raises(PlanRefused, match="is taken by"):
        put(plan)
