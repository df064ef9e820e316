"""Who carries which fault depends on the seed alone, and bad input is refused by name."""

import json
from collections import Counter
from pathlib import Path

import pytest

from provisioning.simulator import faults, plan
from provisioning.simulator.faults import Fault
from provisioning.simulator.plan import BadInput

NAMES = [f"host-{number:04d}" for number in range(4000)]


def test_bringup_hits_a_tenth_by_all_faults_and_only_by_seed_and_name() -> None:
    chosen = faults.choose("bringup", NAMES, seed=7)
    assert 320 <= len(chosen) <= 480
    assert set(Counter(chosen.values())) == set(faults.KINDS)
    assert faults.choose("bringup", reversed(NAMES[:100]), seed=7).items() <= chosen.items()
    assert faults.choose("bringup", NAMES, seed=8) != chosen
    assert faults.choose("none", NAMES, seed=7) == {}


def test_slot_and_kind_of_failure_depend_on_seed_and_host() -> None:
    def drawn(seed: int) -> list[tuple[str | None, str | None]]:
        return [(one.slot, one.how) for one in (Fault("gpu_missing", seed=seed, host=name) for name in NAMES[:50])]

    assert drawn(1) == drawn(1) != drawn(2)
    assert {how for _, how in drawn(1)} == {"unlisted", "absent"}


def test_a_fault_file_is_taken_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "faults.json"
    file.write_text(json.dumps({"host-0001": "post_hang"}))
    assert faults.choose(str(file), NAMES, seed=1) == {"host-0001": "post_hang"}


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ('{"host-9999": "post_hang"}', "unknown host 'host-9999'"),
        ('{"host-0001": "on_fire"}', "unknown fault 'on_fire' of host 'host-0001'"),
        ('{"host-0001": ["post_hang"]}', "unknown fault"),
        ("[]", "want a JSON object"),
        ("{", "want none, bringup or a JSON file"),
    ],
)
def test_a_wrong_fault_file_is_refused_by_name(tmp_path: Path, content: str, words: str) -> None:
    file = tmp_path / "faults.json"
    file.write_text(content)
    with pytest.raises(BadInput, match=words):
        faults.choose(str(file), NAMES, seed=1)


def test_the_plan_gives_identity_addresses_and_guids(tmp_path: Path) -> None:
    (tmp_path / "devices.csv").write_text(
        "name,role,serial,bmc_address,bmc_mac\nleaf-1,leaf,X,,\nh1,host,TAG1,127.64.0.1,02:00:00:00:00:AA\nh2,host,,,\n"
    )
    (tmp_path / "addresses.csv").write_text(
        "device,interface,network,address,mac\nh1,eth0,provisioning,127.128.0.9,02:00:00:00:00:BB\n"
    )
    (tmp_path / "guids.csv").write_text("device,port,node_guid\nh1,mlx5_3,0xa088c20300001030\n")
    first, second = plan.read(tmp_path, seed=1)
    assert (first.name, first.tag, first.bmc_address, first.os_address) == ("h1", "TAG1", "127.64.0.1", "127.128.0.9")
    assert (first.bmc_mac, first.boot_mac) == ("02:00:00:00:00:aa", "02:00:00:00:00:bb")
    assert first.node_guids[3] == "0xa088c20300001030"
    assert second.bmc_address == "127.64.0.2" and len(second.tag) == 7 and second == plan.read(tmp_path, seed=1)[1]


def test_a_folder_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"devices\.csv: cannot be read"):
        plan.read(tmp_path, seed=1)
    (tmp_path / "devices.csv").write_text("name\nh1\n")
    with pytest.raises(BadInput, match="column 'role' is missing"):
        plan.read(tmp_path, seed=1)
