"""A sound plan has no finding; a wrong one is told where it is wrong, and nothing else is told."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.plan import files
from fleet.plan.check import check, check_folder, read_sound
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from fleet.plan.problems import DESIGN, ERROR, PlanRefused
from fleet.plan.rows import Network, Plan
from tests.fleet.plan.folders import as_read, small


@st.composite
def layouts(draw):
    rails = draw(st.sampled_from([1, 2, 4, 6, 8]))
    return Wanted(
        hosts=draw(st.integers(0, 40)),
        rails=rails,
        leafs=draw(st.sampled_from([None, 1, rails, 2 * rails])),
        pods=draw(st.sampled_from([None, None, 4])),
        spare_ports=draw(st.integers(0, 8)),
        racks_per_row=draw(st.integers(1, 20)),
        hosts_per_rack=draw(st.integers(1, 7)),
        seed=draw(st.integers(0, 5)),
    )


@given(layouts())
@settings(max_examples=40, deadline=None)
def test_no_generated_layout_has_a_finding(wanted):
    try:
        plan = generate(wanted)
    except PlanRefused:  # named in test_generate
        return
    report = check(plan)
    assert not report.problems
    assert report.fabric["islands"] <= 1 and report.fabric["rails"] == (wanted.rails if wanted.hosts else 0)


def test_reference_fleet_is_sound():
    report = check(generate(Wanted(hosts=511)))
    assert not report.problems and report.as_json()["ok"]
    assert report.fabric["islands"] == 1 and report.fabric["rails"] == 8 and report.fabric["pods"] == 16
    assert report.fabric["tiers"]["leaf"] == {"switches": 128, "down": 4088, "up": 4096, "ratio": 1.0}
    assert "nothing is wrong" in report.lines()


def test_four_groups_of_rails_in_one_pod_are_sound():
    assert not check(generate(Wanted(hosts=100, pods=1, leafs=32))).problems


def codes(plan: Plan):
    return sorted((p.file, p.line, p.column, p.code) for p in check(plan).problems)


def change(plan: Plan, file: str, at: int, **values):
    """Replace values of one row; gives its line."""
    rows = getattr(plan, file)
    rows[at] = replace(rows[at], **values)
    return rows[at].line


# Each takes the plan and three indices that no other corruption of the same draw has, and gives what must be found.
def _unknown_device(plan, i, j, k):
    return {("cables.csv", change(plan, "cables", i, b_device=f"nobody-{i}"), "b_device", "unknown_device")}


def _no_such_port(plan, i, j, k):
    return {("cables.csv", change(plan, "cables", i, b_port="65"), "b_port", "no_such_port")}


def _taken_port(plan, i, j, k):
    i, j = sorted((i, j))
    line = change(plan, "cables", j, b_device=plan.cables[i].b_device, b_port=plan.cables[i].b_port)
    return {("cables.csv", line, "b_port", "double_port")}


def _both_ends(plan, i, j, k):
    cable = plan.cables[i]
    line = change(plan, "cables", i, b_device=cable.a_device, b_port=cable.a_port)
    return {("cables.csv", line, "b_port", "double_port")}


CORRUPTIONS = [_unknown_device, _no_such_port, _taken_port, _both_ends]


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_random_wrong_cables_are_named_exactly(data):
    plan = small()
    many = data.draw(st.integers(1, 4))
    indices = data.draw(st.lists(st.integers(0, 383), min_size=3 * many, max_size=3 * many, unique=True))
    expected = set()
    for n in range(many):
        corrupt = data.draw(st.sampled_from(CORRUPTIONS))
        expected |= corrupt(plan, *indices[3 * n : 3 * n + 3])
    assert set(codes(plan)) == expected


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_cables_of_a_pod_exchanged_at_their_leafs_are_named_exactly(data):
    """Rails: any few cables of hosts on other leafs of their pod; the others still show where each belongs."""
    plan = as_cached_pod()
    hosts = data.draw(st.lists(st.integers(0, 11), min_size=1, max_size=4, unique=True))
    expected = set()
    for host in hosts:
        one, two = data.draw(st.lists(st.integers(0, 7), min_size=2, max_size=2, unique=True))
        a, b = plan.cables[host * 8 + one], plan.cables[host * 8 + two]
        lines = [
            change(plan, "cables", host * 8 + one, b_device=b.b_device, b_port=b.b_port),
            change(plan, "cables", host * 8 + two, b_device=a.b_device, b_port=a.b_port),
        ]
        expected |= {("cables.csv", line, "b_device", "wrong_rail") for line in lines}
    assert set(codes(plan)) == expected


_POD = as_read(generate(Wanted(hosts=12)))


def as_cached_pod() -> Plan:
    return Plan(*(list(getattr(_POD, name)) for name in Plan.__slots__))


def _line(plan: Plan, name: str) -> int:
    return plan.by_name()[name].line


def test_serial_and_guid_and_mac_and_address_twice():
    plan = small()
    lines = [
        ("devices.csv", change(plan, "devices", 5, serial=plan.devices[2].serial), "serial", "double_serial"),
        ("guids.csv", change(plan, "guids", 9, node_guid=plan.guids[3].node_guid), "node_guid", "double_guid"),
        ("addresses.csv", change(plan, "addresses", 7, mac=plan.addresses[3].mac), "mac", "double_mac"),
        ("addresses.csv", change(plan, "addresses", 9, address=plan.addresses[3].address), "address", "double_address"),
    ]
    assert plan.addresses[7].interface == plan.addresses[9].interface == "eth0"
    assert codes(plan) == sorted(lines)


def test_bmc_that_two_files_name_differently():
    plan = small()
    line = change(plan, "addresses", 4, address="127.64.7.7")
    assert codes(plan) == [("addresses.csv", line, "address", "bmc_differs")]


def test_addresses_outside_of_their_network_and_unknown_networks():
    plan = small()
    expected = [
        ("addresses.csv", change(plan, "addresses", 3, address="10.0.0.1"), "address", "outside_network"),
        ("addresses.csv", change(plan, "addresses", 5, network="nowhere"), "network", "unknown_network"),
        ("addresses.csv", change(plan, "addresses", 7, address="127.128.0.0"), "address", "outside_network"),
        ("networks.csv", change(plan, "networks", 0, gateway="10.0.0.1"), "gateway", "outside_network"),
    ]
    assert codes(plan) == sorted(expected)
    plan = small()
    line = change(plan, "devices", 0, bmc_address="10.0.0.1")
    other = change(plan, "addresses", 0, address="10.0.0.1")
    assert codes(plan) == [
        ("addresses.csv", other, "address", "outside_network"),
        ("devices.csv", line, "bmc_address", "outside_network"),
    ]


def test_networks_that_overlap():
    plan = small()
    plan.networks.append(Network("other", "data", None, "127.64.0.0/16", line=4))
    plan.networks.append(Network("six", "data", None, "fd00::/64", line=5))
    assert codes(plan) == [("networks.csv", 4, "cidr", "networks_overlap")]


def test_places():
    plan = small()
    free = change(plan, "devices", 15, unit=44)
    expected = [
        ("devices.csv", change(plan, "devices", 1, unit=6), "unit", "units_overlap"),
        ("devices.csv", free, "unit", "above_rack"),
        ("devices.csv", change(plan, "devices", 6, rack=""), "unit", "no_rack"),
    ]
    assert codes(plan) == sorted(expected)


def test_a_free_end_in_the_rack_is_no_overlap():
    plan = small()
    change(plan, "devices", 15, unit=None)
    assert codes(plan) == []


def test_power():
    plan = small()
    first = plan.power[0].line
    for i in range(6):
        change(plan, "power", i, feed="row-a-a", circuit="pdu-a01-a/9")
    assert codes(plan) == [("power.csv", first, "feed", "one_feed")]
    plan = small()
    for i in range(96):
        if plan.power[i].device == "host-003":
            change(plan, "power", i, circuit=plan.power[i].circuit.replace("/2", "/1"))
    assert {(p.code, p.level) for p in check(plan).problems} == {("overload", DESIGN)}
    plan = small()
    line = change(plan, "power", 2, limit_w=16_000)
    assert ("power.csv", line, "limit_w", "limits_differ") not in codes(small())
    assert {code for *_, code in codes(plan)} == {"limits_differ"}


def test_cables_that_skip_a_tier_or_leave_their_pod_or_end_on_a_pdu():
    plan = small()
    cables = plan.cables
    leaf_of_other_pod = next(c for c in cables if c.b_device == "leaf-s02-01")
    host_cable = cables.index(next(c for c in cables if c.b_device == "leaf-s01-01"))
    other = cables.index(leaf_of_other_pod)
    a, b = cables[host_cable], cables[other]
    lines = [
        change(plan, "cables", host_cable, b_device=b.b_device, b_port=b.b_port),
        change(plan, "cables", other, b_device=a.b_device, b_port=a.b_port),
    ]
    assert codes(plan) == sorted(("cables.csv", line, "b_device", "wrong_pod") for line in lines)
    plan = small()
    line = change(plan, "cables", 0, b_device="pdu-a01-a", b_port="1")
    assert codes(plan) == [("cables.csv", line, "b_device", "no_infiniband")]
    plan = small()
    up = next(i for i, c in enumerate(plan.cables) if c.a_device == "leaf-s01-01")
    lines = [
        change(plan, "cables", 0, b_device=plan.cables[up].b_device, b_port=plan.cables[up].b_port),
        change(plan, "cables", up, b_device=plan.cables[0].b_device, b_port=plan.cables[0].b_port),
    ]
    assert ("cables.csv", lines[0], "b_device", "wrong_tier") in codes(plan)


def test_a_missing_cable_is_told_at_the_devices_that_lack_it():
    plan = small()
    gone = plan.cables.pop(3)
    assert codes(plan) == [("devices.csv", _line(plan, gone.a_device), "name", "no_cable")]
    plan = small()
    gone = plan.cables.pop(200)
    names = {p.value for p in check(plan).problems}
    assert gone.a_device in names and names <= {gone.a_device, gone.b_device}
    assert {p.level for p in check(plan).problems} == {DESIGN}


def test_an_hca_that_no_other_host_uses():
    plan = generate(Wanted(hosts=4, rails=4))
    plan = as_read(plan)
    line = change(plan, "cables", 2, a_port="mlx5_7")
    assert codes(plan) == [("cables.csv", line, "b_device", "unusual_hca")]


def test_all_hosts_with_two_rails_on_one_leaf():
    """The same mistake in every host is no majority's exception: the rule of one leaf a rail finds it."""
    plan = as_read(generate(Wanted(hosts=4)))
    lines = [
        change(plan, "cables", i, b_device="leaf-s01-01", b_port=str(20 + i // 8))
        for i, cable in enumerate(plan.cables)
        if cable.a_port == "mlx5_1"
    ]
    assert codes(plan) == [("cables.csv", lines[0], "b_device", "shared_leaf")]


def test_cores_do_not_join_cores_and_access_switches_have_their_ports():
    plan = small()
    last = next(i for i, c in enumerate(plan.cables) if c.b_device == "core-02")
    ends = {"a_device": "core-01", "a_port": plan.cables[last - 32].b_port}
    plan.cables.pop(last - 32)
    line = change(plan, "cables", last - 1, **ends)
    assert ("cables.csv", line, "b_device", "wrong_tier") in codes(plan)
    plan = small()
    at = next(i for i, c in enumerate(plan.cables) if c.kind == "management")
    assert codes(plan) == [] and plan.cables[at].b_device == "mgmt-a02"
    assert codes_after(plan, at, b_port="53") == ["no_such_port"]
    assert codes_after(plan, at, b_port="uplink") == ["no_such_port"]
    assert codes_after(plan, at, b_device="pdu-a01-a", b_port="net") == []


def codes_after(plan: Plan, at: int, **values):
    before = plan.cables[at]
    change(plan, "cables", at, **values)
    found = [p.code for p in check(plan).problems]
    plan.cables[at] = before
    return found


def test_a_folder_is_the_plan_of_one_site():
    plan = small()
    line = change(plan, "devices", 3, site="elsewhere", rack="A09")
    assert codes(plan) == [("devices.csv", line, "site", "two_sites")]


def test_islands():
    """The fabric of one real site was planned as eight islands; nobody saw it before the cables lay."""
    plan = small()
    plan.cables = [c for c in plan.cables if not c.a_device.startswith("spine-s02")]
    problems = check(plan).problems
    islands = [p for p in problems if p.code == "island"]
    assert len(islands) == 1 and "4 switches" in islands[0].words and check(plan).fabric["islands"] == 2


def test_hosts_do_not_join_islands():
    plan = as_read(generate(Wanted(hosts=8)))
    plan.cables = [c for c in plan.cables if not c.a_device.startswith("leaf")]
    assert check(plan).fabric["islands"] == 16


def test_unknown_devices_are_told_once_with_a_near_name():
    plan = small()
    change(plan, "devices", 0, name="host-01")
    found = [p for p in check(plan).problems if p.code == "unknown_device"]
    assert [(p.file, p.value) for p in found] == [
        (f"{f}.csv", "host-001") for f in ("addresses", "cables", "guids", "power")
    ]
    assert all("host-0" in p.expected for p in found) and "on 10 lines" in found[1].words


def test_reading_errors_and_findings_come_in_one_report(tmp_path):
    files.write(small(), tmp_path)
    text = (tmp_path / "cables.csv").read_text().splitlines()
    text[1] = text[1].replace("mlx5_0", "mlx5 0")
    text[9] = text[9].replace("leaf-s01-01", "leaf-s01-09")
    (tmp_path / "cables.csv").write_text("\n".join(text))
    report = check_folder(tmp_path)
    assert [(p.line, p.column, p.code) for p in report.problems] == [
        (2, "a_port", "value"),
        (10, "b_device", "unknown_device"),
    ]
    with pytest.raises(PlanRefused) as refused:
        read_sound(tmp_path)
    assert [e["line"] for e in refused.value.errors] == [2, 10] and "And 1 more" in str(refused.value)


def test_a_header_without_its_columns_is_not_judged_further(tmp_path):
    files.write(small(), tmp_path)
    (tmp_path / "devices.csv").write_text("name,role\nx,host\n")
    assert {p.code for p in check_folder(tmp_path).problems} == {"no_column"}


def test_design_findings_do_not_stop_a_plan(tmp_path):
    plan = small()
    plan.cables.pop(3)
    files.write(plan, tmp_path)
    assert read_sound(tmp_path) == plan
    assert all(p.level != ERROR for p in check_folder(tmp_path).problems)


def test_early_plans_have_devices_and_nothing_else(tmp_path):
    (tmp_path / "devices.csv").write_text("name,role,profile,site\nhost-1,host,XE9680,s\nleaf-1,leaf,QM9700,s\n")
    report = check_folder(tmp_path)
    assert not report.problems and report.fabric["islands"] == 0
