import re
from ipaddress import ip_address, ip_network

import pytest

from fleet.plan import files
from fleet.plan.floor import SOLD_LENGTHS_M
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted, nth_address, resolve
from fleet.plan.problems import PlanRefused


@pytest.fixture(scope="module")
def reference():
    return generate(Wanted(hosts=511))


def test_reference_fleet_has_the_counts_of_the_contract(reference):
    counts = reference.counts()
    assert {k: counts["devices"][k] for k in ("host", "leaf", "spine", "core")} == {
        "host": 511,
        "leaf": 128,
        "spine": 128,
        "core": 64,
    }
    assert counts["cables"] == {"infiniband": 12_280, "management": 511, "ethernet": 511}
    assert counts["power"] == 6 * 511 and counts["addresses"] == 2 * 511 and counts["guids"] == 511 * 8 + 320


def test_reference_floor_is_rows_a_to_h_with_switches_in_l_and_s(reference):
    rows = {}
    for device in reference.devices:
        rows.setdefault(device.role, set()).add(device.row)
    assert rows["host"] == set("ABCDEFGH") and rows["leaf"] == {"L"} and rows["spine"] == rows["core"] == {"S"}
    racks = [d.rack for d in reference.devices if d.role == "host"]
    assert max(map(racks.count, set(racks))) == 4 and len({r for r in racks if r[0] == "A"}) == 16


def test_reference_names_and_identities(reference):
    names = {d.name for d in reference.devices}
    assert {"host-001", "host-511", "leaf-s01-01", "spine-s16-08", "core-64"} <= names
    tags = [d.serial for d in reference.devices if d.role == "host"]
    assert all(re.fullmatch(r"[1-9B-Z][0-9B-Z]{6}", tag) for tag in tags)
    serials = [d.serial for d in reference.devices if d.serial]
    macs = [d.bmc_mac for d in reference.devices if d.bmc_mac]
    macs += [a.mac for a in reference.addresses if a.interface != "bmc"]
    assert len(set(serials)) == len(serials) and len(set(macs)) == len(macs) == 2 * 511


def test_bmc_and_provisioning_rows_belong_together(reference):
    hosts = [d for d in reference.devices if d.role == "host"]
    rows = {(a.device, a.interface): a for a in reference.addresses}
    for i, host in enumerate(hosts):
        bmc, eth = rows[host.name, "bmc"], rows[host.name, "eth0"]
        assert (bmc.address, bmc.mac, bmc.network) == (host.bmc_address, host.bmc_mac, "management")
        assert eth.network == "provisioning" and ip_address(eth.address) - int(ip_address(bmc.address)) == ip_address(
            "0.64.0.0"
        )
        assert host.bmc_address == f"127.64.{i // 250}.{i % 250 + 1}"


@pytest.mark.parametrize(
    ("index", "address"),
    [(0, "127.64.0.1"), (249, "127.64.0.250"), (250, "127.64.1.1"), (62_499, "127.64.249.250"), (62_500, "127.65.0.1")],
)
def test_addresses_leave_the_ends_of_each_24_free(index, address):
    assert nth_address("127.64.0.0/10", index) == address


def test_a_site_gives_its_own_networks():
    plan = generate(Wanted(hosts=8, bmc_network="10.64.0.0/16", provisioning_network="fd00:20::/64"))
    assert [n.cidr for n in plan.networks] == ["10.64.0.0/16", "fd00:20::/64"]
    nets = {n.name: ip_network(n.cidr) for n in plan.networks}
    assert all(ip_address(a.address) in nets[a.network] for a in plan.addresses)


def test_same_arguments_same_bytes_and_the_seed_changes_only_identities():
    one, two = generate(Wanted(hosts=40)), generate(Wanted(hosts=40, seed=2))
    assert files.texts(one) == files.texts(generate(Wanted(hosts=40)))
    before, after = files.texts(one), files.texts(two)
    assert {n for n in before if before[n] != after[n]} == {"devices.csv", "addresses.csv"}


@pytest.mark.parametrize(
    ("hosts", "pods", "leafs", "cores", "rows"),
    [
        (0, 0, 8, 0, 0),
        (1, 1, 8, 0, 1),
        (16, 1, 8, 0, 1),
        (32, 1, 8, 0, 1),
        (33, 2, 8, 8, 1),
        (96, 3, 8, 16, 2),
        (511, 16, 8, 64, 8),
        (2048, 64, 8, 256, 32),
        (2049, 33, 16, 512, 33),
        (5110, 40, 32, 1024, 80),
        (8192, 64, 32, 1024, 128),
    ],
)
def test_the_rule_by_which_a_fleet_scales(hosts, pods, leafs, cores, rows):
    layout = resolve(Wanted(hosts=hosts))
    assert (layout.pods, layout.leafs, layout.spines, layout.cores, layout.rows) == (pods, leafs, leafs, cores, rows)


def test_spare_ports_stay_free_on_every_leaf():
    plan = generate(Wanted(hosts=56, spare_ports=4))
    used = {port for c in plan.infiniband() for device, port in c.ends if device.startswith("leaf")}
    assert not used & {"29", "30", "31", "32"} and {"28", "33"} <= used


def test_lengths_are_sold_and_grow_with_the_distance(reference):
    spots = {d.name: (d.row, d.rack) for d in reference.devices}
    same = [c.length_m for c in reference.cables if spots[c.a_device] == spots[c.b_device]]
    assert {c.length_m for c in reference.cables} <= set(map(float, SOLD_LENGTHS_M))
    far = [c.length_m for c in reference.infiniband() if spots[c.a_device][0] != spots[c.b_device][0]]
    assert max(same) <= 3 < min(far)
    assert {c.rate for c in reference.infiniband()} == {"4xNDR"}


@pytest.mark.parametrize(
    ("wanted", "argument"),
    [
        ({"hosts": -1}, "--hosts"),
        ({"hosts": 8193}, "--hosts"),
        ({"hosts": 8, "rails": 9}, "--rails"),
        ({"hosts": 8, "spare_ports": 32}, "--spare-ports"),
        ({"hosts": 8, "racks_per_row": 0}, "--racks-per-row"),
        ({"hosts": 8, "hosts_per_rack": 8}, "--hosts-per-rack"),
        ({"hosts": 8, "seed": -1}, "--seed"),
        ({"hosts": 8, "pods": 65}, "--pods"),
        ({"hosts": 33, "pods": 1, "leafs": 8}, "--pods"),
        ({"hosts": 8, "leafs": 3}, "--leafs"),
        ({"hosts": 8, "leafs": 33}, "--leafs"),
        ({"hosts": 8, "leafs": 1, "spare_ports": 31}, "--leafs"),
        ({"hosts": 8, "spines": 3}, "--spines"),
        ({"hosts": 8, "spines": 4}, "--spines"),
        ({"hosts": 64, "cores": 7}, "--cores"),
        ({"hosts": 64, "cores": 0}, "--cores"),
        ({"hosts": 511, "rows": 7}, "--rows"),
        ({"hosts": 8, "bmc_network": "10.0.0.1/24"}, "--bmc-network"),
        ({"hosts": 251, "provisioning_network": "10.0.0.0/24"}, "--provisioning-network"),
    ],
)
def test_what_does_not_fit_is_named(wanted, argument):
    with pytest.raises(PlanRefused) as refused:
        generate(Wanted(**wanted))
    assert [p.column for p in refused.value.problems] == [argument]
    assert refused.value.problems[0].expected


def test_all_arguments_that_do_not_fit_are_named_at_once():
    with pytest.raises(PlanRefused) as refused:
        generate(Wanted(hosts=511, pods=2, spines=5, rows=1, bmc_network="x"))
    assert {p.column for p in refused.value.problems} == {"--pods", "--spines", "--rows", "--bmc-network"}
