import gzip
from dataclasses import replace
from pathlib import Path

import pytest

from fleet.plan import netlist
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from fleet.plan.problems import PlanRefused
from fleet.plan.rows import Device
from tests.fleet.plan.folders import small

SMALL_NETLIST = Path(__file__).with_name("small.net.gz")  # 16 hosts, two pods; ibsim and OpenSM ran it


def test_the_small_plan_is_the_netlist_that_ibsim_ran_byte_by_byte():
    assert netlist.write(small()) == gzip.decompress(SMALL_NETLIST.read_bytes()).decode()


def test_comparison_with_a_netlist():
    found = netlist.compare(small(), SMALL_NETLIST)
    assert found.holds and (found.planned, found.same) == (384, 384) and not found.guid_differs


def test_what_differs_from_a_netlist_is_listed():
    plan = small()
    plan.cables[0] = replace(plan.cables[0], b_port="64")
    plan.guids[0] = replace(plan.guids[0], node_guid="0x1234567812345678")
    found = netlist.compare(plan, SMALL_NETLIST).as_json()
    assert (found["planned"], found["same"], found["missing"], found["extra"], found["guids_differ"]) == (
        384,
        383,
        1,
        1,
        1,
    )
    assert found["missing_cables"] == [[["host-001", "mlx5_0"], ["leaf-s01-01", "64"]]]
    assert found["extra_cables"] == [[["host-001", "mlx5_0"], ["leaf-s01-01", "1"]]]


def test_what_is_written_is_read_back_even_without_guids(tmp_path):
    plan = generate(Wanted(hosts=3, rails=2))
    plan.guids.clear()
    plan.devices.append(Device("login-1", "login", "XE9680"))
    (tmp_path / "a.net").write_text(netlist.write(plan, aggregation_nodes=False))
    found = netlist.compare(plan, tmp_path / "a.net")
    assert found.holds and found.planned == len(list(plan.infiniband()))
    assert "Aggregation" not in (tmp_path / "a.net").read_text()


@pytest.mark.parametrize(
    ("rate", "shown"), [("", "4xNDR"), ("HDR", "4xHDR"), ("2xNDR", "2xNDR"), ("400G", "4xNDR"), ("200G", "4xHDR")]
)
def test_rates(rate, shown):
    plan = small()
    plan.cables[0] = replace(plan.cables[0], rate=rate)
    first = next(line for line in netlist.write(plan).splitlines() if line.startswith("[1]"))
    assert first.endswith(shown)


@pytest.mark.parametrize("text", [b"", b"nothing\n", b"\x1f\x8b broken"])
def test_what_is_no_netlist_is_refused(tmp_path, text):
    path = tmp_path / "x.net.gz"
    path.write_bytes(text)
    with pytest.raises(PlanRefused, match="No netlist"):
        netlist.compare(small(), path)
    with pytest.raises(PlanRefused):
        netlist.compare(small(), tmp_path / "nowhere")


def test_bare_switch_names_and_odd_lines_are_read(tmp_path):
    text = gzip.decompress(SMALL_NETLIST.read_bytes()).decode()
    text = text.replace("MF0;leaf-s01-01:MQM9700/U1", "leaf-s01-01") + "ibwarn: [12] something\n"
    (tmp_path / "x.net").write_text(text)
    assert netlist.compare(small(), tmp_path / "x.net").holds
