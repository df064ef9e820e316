"""Lessons C6 (export is a valid import) and C9 (every error at once, by row and column, nothing done)."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleet.plan import files
from fleet.plan.fields import TABLES
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from fleet.plan.problems import PlanRefused
from tests.fleet.plan.folders import small

DEVICES = "name,role,profile,site\n"


def read(tmp_path: Path, **texts: str | bytes):
    for name, text in texts.items():
        (tmp_path / f"{name}.csv").write_bytes(text if isinstance(text, bytes) else text.encode())
    return files.read(tmp_path)


def found(problems):
    return [(p.file, p.line, p.column, p.value) for p in problems]


def test_what_is_written_is_read_back_and_written_the_same(tmp_path):
    plan = generate(Wanted(hosts=20))
    assert files.write(plan, tmp_path) == list(TABLES)
    again, problems = files.read(tmp_path)
    assert not problems and again == plan and files.texts(again) == files.texts(plan)
    assert files.sha256(again) == files.sha256(plan)


def test_a_second_plan_in_the_same_folder_leaves_nothing_of_the_first(tmp_path):
    files.write(generate(Wanted(hosts=4)), tmp_path)
    plan = small()
    plan.guids.clear()
    files.write(plan, tmp_path)
    assert not (tmp_path / "guids.csv").exists() and files.read(tmp_path)[0] == plan


def test_any_column_order_line_ends_and_byte_order_mark(tmp_path):
    text = (
        "\ufeffsite, role,name,profile,unit,bmc_mac\r\nx,leaf,sw-1,QM9700, 7 ,AA-BB-CC-DD-EE-FF\r\n\r\nx,host,h,P,,\r\n"
    )
    plan, problems = read(tmp_path, devices=text + "x,core,c,P,,02aa.bbcc.ddee")
    assert not problems
    assert [(d.name, d.unit, d.bmc_mac, d.line) for d in plan.devices] == [
        ("sw-1", 7, "aa:bb:cc:dd:ee:ff", 2),
        ("h", None, "", 4),
        ("c", None, "02:aa:bb:cc:dd:ee", 5),
    ]


def test_kind_is_infiniband_when_the_column_is_absent(tmp_path):
    plan, problems = read(
        tmp_path, devices=DEVICES, cables="label,a_device,a_port,b_device,b_port\nIB-1,a,mlx5_0,b,1\n"
    )
    assert not problems and plan.cables[0].kind == "infiniband"


def test_order_in_the_files_is_of_no_account(tmp_path):
    plan = small()
    for name in plan.__slots__:
        getattr(plan, name).reverse()
    assert files.texts(plan) == files.texts(small())


@pytest.mark.parametrize(
    ("file", "text", "expected"),
    [
        ("devices", "name,role,profile,site,colour\n", (1, "colour", "colour")),
        ("devices", "name,role,profile,site,name\n", (1, "name", "name")),
        ("devices", "name,role,profile\n", (1, "site", "name,role,profile")),
        ("devices", "", (1, "name", "")),
        ("devices", DEVICES + "a,hots,P,s\n", (2, "role", "hots")),
        ("devices", DEVICES + "a b,host,P,s\n", (2, "name", "a b")),
        ("devices", DEVICES + "001,host,P,s\n", (2, "name", "001")),
        ("devices", DEVICES + "a,host,,s\n", (2, "profile", "")),
        ("devices", DEVICES + "a,host,P\n", (2, "", "a,host,P")),
        ("devices", DEVICES + "a,host,P,s,t\n", (2, "", "a,host,P,s,t")),
        ("devices", DEVICES + "a,host,P,s\nb,host,P,s\na,leaf,P,s\n", (4, "name", "a")),
        ("devices", DEVICES + 'a,host,"P"x,s\n', (2, "", "")),
        ("devices", DEVICES + 'a,host,"P,s\nb,host,P,s\n', (2, "", "")),
        ("cables", "label,a_device,a_port,b_device,b_port,length_m\nI,a,p,b,q,0\n", (2, "length_m", "0")),
        ("cables", "label,a_device,a_port,b_device,b_port,length_m\nI,a,p,b,q,3m\n", (2, "length_m", "3m")),
        ("cables", "label,a_device,a_port,b_device,b_port,rate\nI,a,p,b,q,fast\n", (2, "rate", "fast")),
        ("cables", "label,a_device,a_port,b_device,b_port,kind\nI,a,p,b,q,fibre\n", (2, "kind", "fibre")),
        ("cables", "label,a_device,a_port,b_device,b_port\nI 1,a,p,b,q\n", (2, "label", "I 1")),
        ("power", "device,psu,feed,limit_w\na,1,A,-5\n", (2, "limit_w", "-5")),
        ("networks", "name,purpose,cidr\nm,management,10.0.0.7/24\n", (2, "cidr", "10.0.0.7/24")),
        ("networks", "name,purpose,cidr\nm,management,ten\n", (2, "cidr", "ten")),
        ("networks", "name,purpose,cidr,vlan\nm,management,10.0.0.0/24,4095\n", (2, "vlan", "4095")),
        ("networks", "name,purpose,cidr,dns\nm,management,10.0.0.0/24,a b_c\n", (2, "dns", "a b_c")),
        ("networks", "name,purpose,cidr,dhcp\nm,management,10.0.0.0/24,yes\n", (2, "dhcp", "yes")),
        ("addresses", "device,interface,network,address\na,e,n,10.0.0.256\n", (2, "address", "10.0.0.256")),
        ("addresses", "device,interface,network,address,mac\na,e,n,::1,01:00:00:00:00:00\n", (2, "mac", None)),
        ("guids", "device,port,node_guid\na,mlx5_0,0\n", (2, "node_guid", "0")),
        ("parties", "name,kind,phone\nus,we,a\x07b\n", (2, "phone", "a\x07b")),
    ],
)
def test_each_error_names_file_line_column_and_value(tmp_path, file, text, expected):
    _, problems = read(tmp_path, **{"devices": DEVICES, file: text})
    assert problems
    line, column, value = expected
    first = problems[0]
    assert (first.file, first.line, first.column) == (f"{file}.csv", line, column)
    assert value is None or first.value == value
    assert first.expected and first.words
    assert len({p.line for p in problems}) == 1


def test_all_errors_of_all_files_at_once(tmp_path):
    _, problems = read(
        tmp_path,
        devices=DEVICES + "a,hots,P,s\nb,host,P,\n",
        power="device,psu,feed,limit_w\na,1,,x\n",
        cabels="label\n",
        guids=b"device,port,node_guid\na,mlx5_0,\xff\n",
    )
    assert found(problems) == [
        ("cabels.csv", 0, "", "cabels.csv"),
        ("devices.csv", 2, "role", "hots"),
        ("devices.csv", 3, "site", ""),
        ("guids.csv", 2, "", "ff"),
        ("guids.csv", 2, "node_guid", "\ufffd"),
        ("power.csv", 2, "feed", ""),
        ("power.csv", 2, "limit_w", "x"),
    ]


@pytest.mark.parametrize("text", ["a088c20300001000", "0xA088C20300001000", "a088:c203:0000:1000"])
def test_spellings_of_a_guid(tmp_path, text):
    plan, problems = read(tmp_path, devices=DEVICES, guids=f"device,node_guid\nsw,{text}\n")
    assert not problems and plan.guids[0].node_guid == "0xa088c20300001000" and plan.guids[0].port == ""


def test_no_folder_and_no_devices(tmp_path):
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(PlanRefused, match="no"):
            files.read(folder)


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None)
def test_no_bytes_break_the_reader(tmp_path_factory, raw):
    folder = tmp_path_factory.mktemp("raw")
    plan, problems = read(folder, devices=b"name,role,profile,site\n" + raw, cables=raw)
    assert problems or not plan.cables
    assert files.texts(plan)


_TEXT = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=20)


@given(st.lists(st.tuples(_TEXT, _TEXT), max_size=5))
@settings(max_examples=60, deadline=None)
def test_free_text_survives_the_round_trip(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("text")
    quoted = [",".join('"' + t.replace('"', '""') + '"' for t in row) for row in rows]
    lines = [f"p{i},us,{row}" for i, row in enumerate(quoted)]
    plan, problems = read(folder, devices=DEVICES, parties="\n".join(["name,kind,contact,hours", *lines]))
    assert not problems
    files.write(plan, folder)
    again, problems = files.read(folder)
    assert again == plan and not problems
