"""Lesson C7 (preview before apply) and C2 (a moved end is a change of the cable, not a new one)."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.plan.diff import diff
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from tests.fleet.plan.folders import small


def test_a_plan_does_not_differ_from_itself():
    found = diff(small(), small())
    assert found.is_empty and found.lines() == ["no difference"] and found.as_json()["equal"]


def test_a_moved_end_is_a_change_of_its_cable():
    plan = small()
    plan.cables[0] = replace(plan.cables[0], b_device="leaf-s02-02", b_port="7", length_m=None)
    found = diff(small(), plan)
    assert found.counts() == {"cables.csv": {"added": 0, "removed": 0, "changed": 1}}
    assert found.lines() == [
        "~ cables.csv IB-00001: end b moves from leaf-s01-01 1 to leaf-s02-02 7; length_m 10 becomes (empty)"
    ]
    change = found.as_json()["files"]["cables.csv"]["changed"][0]
    assert change["key"] == "IB-00001" and change["to"] == {"b_device": "leaf-s02-02", "b_port": "7", "length_m": None}


def test_a_renamed_device_keeps_its_rows():
    plan = small()
    for name in ("devices", "cables", "power", "addresses", "guids"):
        rows = getattr(plan, name)
        for i, row in enumerate(rows):
            for column in ("name", "device", "a_device"):
                if getattr(row, column, "") == "host-003":
                    rows[i] = replace(row, **{column: "node-c"})
    found = diff(small(), plan)
    assert found.renamed == {"host-003": "node-c"} and not found.files
    assert found.lines() == ["renamed: host-003 is now node-c"] and not found.is_empty


def test_long_differences_are_cut_for_people_only():
    found = diff(generate(Wanted(hosts=0)), small())
    lines = found.lines(limit=3)
    assert "+ devices.csv: and 33 more" in lines and "+ cables.csv IB-00001: host-001 mlx5_0 to leaf-s01-01 1" in lines
    assert len(found.as_json()["files"]["cables.csv"]["added"]) == len(small().cables)
    assert found.of("parties.csv").added == []


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_every_change_is_found_and_nothing_else(data):
    old, new = small(), small()
    file = data.draw(st.sampled_from(["devices", "cables", "power", "addresses", "guids"]))
    rows = getattr(new, file)
    picks = data.draw(st.lists(st.integers(0, len(rows) - 1), min_size=1, max_size=5, unique=True))
    changed = set()
    fields = {"devices": "hall", "cables": "medium", "power": "circuit", "addresses": "network", "guids": "node_guid"}
    gone = set(picks[1::2])
    for i in picks[::2]:
        rows[i] = replace(rows[i], **{fields[file]: "other"})
        changed.add(i)
    expected_changed = [getattr(old, file)[i] for i in sorted(changed)]
    expected_removed = [getattr(old, file)[i] for i in sorted(gone)]
    setattr(new, file, [row for i, row in enumerate(rows) if i not in gone])
    found = diff(old, new)
    assert set(found.files) == {f"{file}.csv"}
    assert sorted(map(str, expected_changed)) == sorted(str(c.old) for c in found.of(f"{file}.csv").changed)
    assert sorted(map(str, expected_removed)) == sorted(map(str, found.of(f"{file}.csv").removed))
    back = diff(new, old).of(f"{file}.csv")
    assert len(back.added) == len(gone) and len(back.changed) == len(changed)
