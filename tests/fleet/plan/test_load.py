"""Lessons C2, C4, C6, C7, C9, C11, C18, C22: one way in, previewed, repeatable, all or nothing, no query a row."""

import random
from dataclasses import replace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from fleet import lifecycle
from fleet.errors import BadValue, NotFound
from fleet.models import (
    Cable,
    CableEnd,
    Device,
    FormerName,
    Party,
    PlanVersion,
    Port,
    Profile,
    Transition,
)
from fleet.plan import files
from fleet.plan.export import from_database, the_site
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from fleet.plan.problems import PlanRefused
from fleet.plan.rows import canonical
from tests.fleet.plan.folders import small
from tests.fleet.plan.loading import as_other_site, edit, put, stored, swap

pytestmark = pytest.mark.usefixtures("db")


def states(model) -> set[str]:
    return set(model.objects.values_list("state", flat=True))


def test_what_is_loaded_is_exported_byte_by_byte():
    done = put(small())
    assert stored() == small() and files.texts(stored()) == files.texts(small())
    version = PlanVersion.objects.get()
    assert done.version == version.pk and version.sha256 == files.sha256(small())
    assert version.counts["holds"]["cables"] == {"infiniband": 384, "ethernet": 16, "management": 16}


@pytest.mark.parametrize("start", ["cabled", "expected"])
def test_every_subject_is_born_with_one_transition(start):
    put(small(), start)
    assert states(Device) == {start} and states(Cable) == {"planned"}
    assert Transition.objects.count() == Device.objects.count() + Cable.objects.count()
    assert set(Device.objects.values_list("imported", flat=True)) == {start == "cabled"}
    assert set(Transition.objects.values_list("reason", flat=True)) == {f"plan {files.sha256(small())[:12]}"}
    assert lifecycle.verify()["ok"]


def test_a_second_load_writes_nothing():
    put(small())
    with CaptureQueriesContext(
        connection,
    ) as queries:
        done = put(small())
    assert done.version is None and done.difference.is_empty and PlanVersion.objects.count() == 1
    assert not [q["sql"] for q in queries if q["sql"].startswith(("INSERT", "UPDATE", "DELETE", "WITH"))]


def test_the_number_of_queries_does_not_depend_on_the_size():
    """Lesson C4: 11,000 queries for a small import."""
    put(small())
    counts = []
    for number, hosts in ((2, 16), (3, 40)):
        with CaptureQueriesContext(connection) as queries:
            put(as_other_site(generate(Wanted(hosts=hosts)), number))
        counts.append(len(queries))
    assert counts[0] == counts[1] < 60


def test_two_sites_live_side_by_side():
    put(small())
    put(as_other_site(small()))
    assert stored() == small() and from_database("site-2") == canonical(as_other_site(small()))
    with pytest.raises(BadValue):
        the_site()
    assert the_site("site-2") == "site-2"
    with pytest.raises(NotFound):
        the_site("site-9")


def _cable(plan):
    swap(plan, "cables", 0, 5, "b_device", "b_port")
    edit(plan, "cables", 40, rate="4xHDR", length_m=None, medium="aoc", kind="infiniband")


def _cable_added(plan):
    host, leaf = plan.devices[0], next(d for d in plan.devices if d.role == "leaf")
    nothing = {"serial": "", "unit": None, "bmc_address": "", "bmc_mac": ""}
    plan.devices.append(replace(host, name="login-1", role="login", **nothing))
    plan.devices.append(replace(leaf, name="leaf-s01-09", **nothing))
    ends = {"a_device": "login-1", "b_device": "leaf-s01-09", "b_port": "31"}
    plan.cables.append(replace(plan.cables[0], label="IB-90001", **ends))


def _cables_dropped(plan):
    del plan.cables[10:14]


def _serials_and_bmcs(plan):
    swap(plan, "devices", 0, 1, "serial", "bmc_address", "bmc_mac")
    swap(plan, "addresses", 0, 2, "address", "mac")


def _addresses(plan):
    swap(plan, "addresses", 1, 3, "address", "mac")
    del plan.addresses[7]


def _places(plan):
    swap(plan, "devices", 0, 1, "unit")
    edit(plan, "devices", 15, row="Z", rack="Z01", unit=1, pod="2")
    edit(plan, "devices", 14, role="host", profile="XE9680-B", hall="hall-2", row="A", rack="A99", unit=3)


def _power(plan):
    swap(plan, "power", 0, 3, "feed", "circuit")
    edit(plan, "power", 1, feed="generator", circuit="", limit_w=None)
    del plan.power[-6:]


def _networks(plan):
    edit(plan, "networks", 0, vlan=None, gateway="127.64.0.254", dns="a.internal 127.0.0.1", dhcp="proxy")
    plan.networks.append(replace(plan.networks[0], name="data", purpose="data", cidr="10.9.0.0/16", gateway=""))


def _guids(plan):
    swap(plan, "guids", 0, 9, "node_guid")


def _parties(plan):
    edit(plan, "parties", 0, owns="host fan", contact="desk 7")


CHANGES = [
    _cable,
    _cable_added,
    _cables_dropped,
    _serials_and_bmcs,
    _addresses,
    _places,
    _power,
    _networks,
    _guids,
    _parties,
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda c: c.__name__.strip("_"))
def test_a_changed_plan_is_stored_as_it_is(change):
    put(small())
    plan = small()
    change(plan)
    before = set(Cable.objects.values_list("label", "pk"))
    put(plan)
    assert stored() == canonical(plan)
    assert put(plan).version is None
    assert before <= set(Cable.objects.values_list("label", "pk"))  # a cable's id outlives its ends
    put(small() if change is not _cable_added and change is not _cables_dropped else plan)
    assert lifecycle.verify()["ok"]


@pytest.mark.parametrize("seed", range(4))
def test_any_mixture_of_changes(seed):
    draw = random.Random(seed)
    put(small())
    plan = small()
    for change in draw.sample(CHANGES, 5):
        change(plan)
    for _ in range(20):
        swap(plan, "cables", *draw.sample(range(384), 2), "medium", "length_m", "rate")
    put(plan)
    assert stored() == canonical(plan)


def test_a_dropped_cable_keeps_its_row_and_its_label_is_not_used_again():
    put(small())
    plan = small()
    gone = plan.cables.pop(3)
    put(plan)
    cable = Cable.objects.get(label=gone.label)
    assert cable.state == "removed" and not CableEnd.objects.filter(cable=cable).exists()
    with pytest.raises(PlanRefused, match="label"):
        put(small())
    plan.cables.append(replace(gone, label="IB-90003"))
    put(plan)


def test_a_laid_cable_that_is_dropped_can_be_planned_again():
    put(small())
    cable = Cable.objects.get(label=small().cables[3].label)
    lifecycle.move("cable", [cable.pk], to="laid", actor=lifecycle.actor("test", "hands", "T"), reason="scanned")
    plan = small()
    plan.cables.pop(3)
    put(plan)
    put(small())
    cable.refresh_from_db()
    assert cable.state == "laid" and stored() == small()


def test_a_new_name_with_the_old_serial_is_a_renamed_device():
    put(small())
    pk = Device.objects.get(name="host-003").pk
    plan = small()
    for file in ("devices", "cables", "power", "addresses", "guids"):
        for i, row in enumerate(getattr(plan, file)):
            for column in ("name", "device", "a_device"):
                if getattr(row, column, "") == "host-003":
                    edit(plan, file, i, **{column: "node-c"})
    done = put(plan)
    assert done.difference.renamed == {"host-003": "node-c"} and not done.difference.files
    assert Device.objects.get(name="node-c").pk == pk and FormerName.objects.get(name="host-003").device_id == pk
    assert stored() == canonical(plan)


def test_what_the_database_knows_and_the_plan_leaves_open_is_kept():
    """Lesson M37: a serial that inspection found is not lost to a sheet that never had it."""
    put(small())
    plan = small()
    edit(plan, "devices", 2, serial="", unit=None, rack="", row="", hall="", pod="", bmc_address="", bmc_mac="")
    plan.guids.clear()
    plan.parties.clear()
    assert put(plan).version is None and stored() == small()
    edit(plan, "devices", 2, rack="A09", row="A", hall="hall-1")
    put(plan)
    moved = Device.objects.get(name="host-003")
    assert (moved.serial, moved.unit, moved.rack.name, moved.pod) == (small().devices[2].serial, None, "A09", "1")
    assert Port.objects.exclude(node_guid="").count() == 138 and Party.objects.count() == 5


def test_a_place_that_is_known_in_part_is_kept_in_part():
    plan = small()
    edit(plan, "devices", 0, rack="", unit=None)
    edit(plan, "devices", 1, rack="", row="", unit=None)
    put(plan)
    assert stored() == plan and put(plan).version is None


def test_profiles_are_made_once_and_devices_keep_their_version():
    Profile.objects.create(name="XE9680", version=1)
    second = Profile.objects.create(name="XE9680", version=2)
    put(small())
    assert set(Device.objects.filter(role="host").values_list("profile", flat=True)) == {second.pk}
    Profile.objects.create(name="XE9680", version=3)
    plan = small()
    edit(plan, "devices", 0, pod="9")
    put(plan)
    assert Device.objects.get(name="host-001").profile_id == second.pk
    assert set(Profile.objects.values_list("name", flat=True)) == {d.profile for d in small().devices}


def test_an_empty_plan_changes_nothing_but_its_parties():
    put(small())
    assert put(generate(Wanted(hosts=0))).version is None and stored() == small()


def test_the_difference_is_shown_before_anything_is_written():
    seen = []
    put(small(), show=lambda found: seen.append((found.counts()["devices.csv"]["added"], Device.objects.count())))
    assert seen == [(36, 0)]
