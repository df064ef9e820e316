"""Is the machine what its profile says: parts, links, firmware, test results."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.bmc.types import FirmwareRow, Hca, Inventory, Part
from provisioning.operations import judge
from provisioning.operations.judge import SeenPart

PROFILE = {
    "parts": {"gpu": 2, "psu": 1},
    "slots": {"gpu": ["G1", "G2"], "psu": ["P1"]},
    "pcie": {"gpu": {"width": 16, "gen": 5}},
    "baseline": {"159": "2.3.5", "HGX_FW_GPU_*": "24.05", "0@InfiniBand.*": "28.41"},
    "bios": {"SriovGlobalEnable": "Enabled"},
}
PSU = SeenPart("psu", "P1", True, "ok")


def gpu(slot: str, **changes) -> SeenPart:
    return SeenPart(
        **{"kind": "gpu", "slot": slot, "present": True, "health": "ok", "pcie_width": 16, "pcie_gen": 5, **changes}
    )


def words(seen) -> list[tuple[str, str, str]]:
    return [(d.cause, d.check, d.words) for d in judge.parts(PROFILE, seen)]


def test_all_there_is_no_deviation():
    assert words([gpu("G1"), gpu("G2"), PSU]) == []


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        ([gpu("G1"), PSU], [("part_missing", "gpu:G2", "gpu G2 is not there (1 seen)")]),
        (
            [PSU],
            [
                ("part_missing", "gpu:G1", "gpu G1 is not there (0 seen)"),
                ("part_missing", "gpu:G2", "gpu G2 is not there (0 seen)"),
            ],
        ),
        ([gpu("G1"), gpu("G2", present=False), PSU], [("part_missing", "gpu:G2", "gpu G2 is absent")]),
        ([gpu("G1"), gpu("G2", health="critical"), PSU], [("part_missing", "gpu:G2", "gpu G2 has failed")]),
        (
            [gpu("G1"), gpu("G2", pcie_width=8), PSU],
            [("pcie_degraded", "pcie:gpu:G2", "gpu G2 runs at PCIe 5 x8, should be 5 x16")],
        ),
        (
            [gpu("G1", pcie_gen=4), gpu("G2"), PSU],
            [("pcie_degraded", "pcie:gpu:G1", "gpu G1 runs at PCIe 4 x16, should be 5 x16")],
        ),
        ([gpu("X9"), PSU], [("part_missing", "gpu:G1", "gpu G1 is not there (1 seen)")]),
        ([gpu("G1"), gpu("G2")], [("part_missing", "psu:P1", "psu P1 is not there (0 seen)")]),
    ],
)
def test_each_deviation_has_a_cause_a_name_by_which_it_is_waived_and_words(seen, expected):
    assert words(seen) == expected


def test_a_link_that_nobody_told_is_no_deviation():
    assert words([gpu("G1", pcie_width=None, pcie_gen=None), gpu("G2"), PSU]) == []


def test_more_than_the_profile_asks_for_is_fine():
    assert words([gpu("G1"), gpu("G2"), gpu("G3"), PSU]) == []


def test_an_inventory_becomes_parts_of_one_form():
    inventory = Inventory(
        gpus=(Part("G1", "gpu", serial="S1", pcie_width=16, pcie_gen=5),),
        dimms=(Part("D1", "dimm", size_bytes=64 * 2**30),),
        hcas=(Hca("InfiniBand.Slot.31", serial="H1"),),
    )
    seen = {p.kind: p for p in judge.parts_of(inventory)}
    assert seen["gpu"].serial == "S1" and seen["dimm"].size == "64 GiB" and seen["hca"].slot == "InfiniBand.Slot.31"


def row(component: str, version: str | None, fqdd: str = "X") -> FirmwareRow:
    return FirmwareRow(component, None, version, fqdd, True)


RIGHT = [
    row("159", "2.3.5"),
    row("HGX_FW_GPU_1", "24.05"),
    row("HGX_FW_GPU_2", "24.05"),
    row("0", "28.41", "InfiniBand.Slot.31"),
]


def firmware(rows, bios=None) -> list[str]:
    return [d.words for d in judge.firmware(PROFILE, rows, {"SriovGlobalEnable": "Enabled"} if bios is None else bios)]


def test_firmware_at_the_baseline_is_no_deviation():
    assert firmware([*RIGHT, row("0", "1.0", "NIC.Slot.1"), row("other", "7")]) == []


def test_each_row_that_differs_is_named_and_each_that_is_not_listed():
    """Lesson M32: a reason that is empty."""
    rows = [row("159", "2.1.4"), RIGHT[1], row("HGX_FW_GPU_2", None)]
    assert firmware(rows) == [
        "159 X is 2.1.4, baseline 2.3.5",
        "HGX_FW_GPU_2 X is None, baseline 24.05",
        "firmware 0@InfiniBand.* is not listed",
    ]


@pytest.mark.parametrize("value", ["Disabled", None])
def test_a_bios_setting_that_differs_is_named(value):
    assert firmware(RIGHT, {"SriovGlobalEnable": value}) == [f"BIOS SriovGlobalEnable is {value!r}, baseline 'Enabled'"]


class TestWhatAMachineSays:
    def test_in_band(self):
        said = {
            "gpus": [{"slot": "G1", "serial": "S", "pcie_width": 16, "pcie_gen": "5"}, "odd"],
            "hcas": [{"name": "mlx5_0"}],
        }
        seen = judge.in_band(said)
        assert [(p.kind, p.slot, p.serial, p.pcie_width, p.pcie_gen) for p in seen] == [
            ("gpu", "G1", "S", 16, None), ("hca", "mlx5_0", "", None, None),
        ]  # fmt: skip

    @pytest.mark.parametrize(
        "said", [{}, {"gpus": 5}, {"gpus": "x"}, {"gpus": {"a": 1}}, {"gpus": None}, {"other": [1]}]
    )
    def test_nothing_of_it_is_an_error(self, said):
        assert judge.in_band(said) == []

    @given(
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)
        )
    )
    def test_results_of_any_form_are_judged(self, said):
        words = judge.failed_tests(judge.rows_of(said), [{"name": "nvlink"}])
        assert words, "nothing that is made up passes a test"

    def test_what_failed_and_what_has_no_result_is_named(self):
        results = [
            {"name": "a", "passed": True}, {"name": "b", "passed": False, "words": "slow", "limit": 5},
            {"name": "c", "passed": "yes", "value": 7},
        ]  # fmt: skip
        planned = [{"name": n} for n in "abcd"]
        assert judge.failed_tests(results, planned) == ["b: slow (limit 5)", "c: 7", "d: no result"]

    @pytest.mark.parametrize(
        ("said", "count"), [(3, 3), (0, 0), (-1, 0), (True, 0), (2**31, 0), ("3", 0), (None, 0), (1.5, 0)]
    )
    def test_counts(self, said, count):
        assert judge.count_of(said) == count
