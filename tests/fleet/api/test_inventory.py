"""Devices, parts, ports, cables, plans and evidence: flat rows, filters, pages, one by number or name, per site."""

import time
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet.models import Bmc, CableEnd, Evidence, Part, PartMove, PlanVersion, Port, Site
from fleet.plan import load
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from tests.support import make, people


@pytest.fixture
def stuff(db):
    """A host wired to a switch, a host at another site, a spare cable; parts, evidence and a plan."""
    host, leaf = make.host("cabled", name="host-001", serial="AAA111"), make.switch()
    far = make.host("cabled", name="host-far", site=Site.objects.create(name="site-2"))
    Bmc.objects.create(device=host, address="127.64.0.1")
    near, there = (Port.objects.create(device=d, name=n) for d, n in ((host, "mlx5_0"), (leaf, "33")))
    Port.objects.create(device=far, name="mlx5_0", node_guid="0xbeef")
    laid, spare = make.subject("cable", "connected"), make.subject("cable", "planned")
    for end, port in (("a", near), ("b", there)):
        CableEnd.objects.create(cable_id=laid, end=end, port=port)
    part = Part.objects.create(kind="gpu", serial="G1", device=host, slot="4", model="H100")
    Part.objects.create(kind="psu", serial="P1")
    PartMove.objects.create(part=part, to_device=host, to_slot="4", actor=make.actor(), reason="came")
    early = timezone.now() - timedelta(hours=1)
    for kind, device, at in (("inventory", host, early), ("last_look", host, timezone.now()), ("x", far, early)):
        Evidence.objects.create(at=at, kind=kind, device_id=device.pk, words=kind)
    plan = PlanVersion.objects.create(sha256="5e" * 32, actor=make.actor(), reason="first", counts={"holds": {}})
    return SimpleNamespace(host=host, leaf=leaf, far=far, laid=laid, spare=spare, part=part, plan=plan)


def items(path, program=None, **query):
    answer = (program or people.program("viewer")).get(path, **query)
    assert answer.status_code == 200, answer.content
    return answer.json()["items"]


@pytest.mark.parametrize(
    ("path", "query", "found"),
    [
        ("/devices", {"kind": "host"}, ["host-001", "host-far"]),
        ("/devices", {"role": "leaf", "name": "nobody"}, []),
        ("/devices", {"serial": "AAA111", "state": "cabled", "health": "unknown"}, ["host-001"]),
        ("/devices", {"site": "site-2"}, ["host-far"]),
        ("/parts", {"kind": "gpu", "model": "H100"}, ["G1"]),
        ("/parts", {"device": "host-001", "slot": "4"}, ["G1"]),
        ("/parts", {"serial": "P1"}, ["P1"]),
        ("/parts", {"firmware": "1.2"}, []),
        ("/ports", {"device": "host-001"}, ["mlx5_0"]),
        ("/ports", {"node_guid": "0xbeef", "name": "mlx5_0"}, ["mlx5_0"]),
        ("/evidence", {"kind": "last_look"}, ["last_look"]),
        ("/evidence", {"device": "host-001"}, ["last_look", "inventory"]),
        ("/evidence", {"operation": 7}, []),
        ("/plans", {"sha256": "5e" * 32}, ["first"]),
        ("/plans", {"sha256": "00" * 32}, []),
    ],
)
def test_filters(stuff, path, query, found):
    named = {"/parts": "serial", "/evidence": "words", "/plans": "reason"}.get(path, "name")
    assert [row[named] for row in items(path, **query)] == found


def test_evidence_of_a_time(stuff):
    half = (timezone.now() - timedelta(minutes=30)).isoformat()
    assert [e["words"] for e in items("/evidence", since=half)] == ["last_look"]
    assert [e["words"] for e in items("/evidence", until=half)] == ["x", "inventory"]


def test_a_cable_has_both_ends_in_one_row_and_one_without_ends_has_none(stuff):
    by_id = {row["id"]: row for row in items("/cables")}
    row = by_id[stuff.laid]
    assert (row["a_device"], row["a_port"]) == ("host-001", "mlx5_0")
    assert (row["b_device"], row["b_port"]) == (stuff.leaf.name, "33")
    assert by_id[stuff.spare]["a_device"] is by_id[stuff.spare]["b_port"] is None
    for device in ("host-001", stuff.leaf.name):
        assert [r["id"] for r in items("/cables", device=device)] == [stuff.laid]
    assert [r["id"] for r in items("/cables", state="planned", kind="infiniband")] == [stuff.spare]


def test_a_port_says_where_its_cable_goes(stuff):
    near = items("/ports", device="host-001")[0]
    assert (near["end"], near["far_device"], near["far_port"]) == ("a", stuff.leaf.name, "33")
    assert {p["far_device"] for p in items("/ports", cable=near["cable"])} == {"host-001", stuff.leaf.name}
    assert items("/ports", device="host-far")[0]["far_device"] is None


@pytest.mark.parametrize("noun", ["devices", "cables"])
def test_one_by_number_and_by_name(stuff, noun):
    program = people.program("viewer")
    row = items(f"/{noun}", program)[0]
    for called in (row["id"], row["name" if noun == "devices" else "label"]):
        assert program.get(f"/{noun}/{called}").json() == row
    for nothing in (0, 10**12, "nobody", "ü"):
        assert program.get(f"/{noun}/{nothing}").status_code == 404


def test_one_of_the_others_and_where_a_part_has_been(stuff):
    program = people.program("viewer")
    for noun in ("parts", "ports", "evidence", "plans"):
        row = items(f"/{noun}", program)[0]
        assert program.get(f"/{noun}/{row['id']}").json() == row
        assert program.get(f"/{noun}/999999").status_code == 404
    (move,) = items(f"/parts/{stuff.part.pk}/moves", program)
    assert (move["from_device"], move["to_device"], move["to_slot"], move["role"]) == (None, "host-001", "4", "O")
    assert program.get("/parts/999999/moves").status_code == 404


def test_only_what_stands_at_ones_site(stuff):
    program = people.program("viewer", site=Site.objects.get(name="site-2"))
    assert [d["name"] for d in items("/devices", program)] == ["host-far"]
    assert [p["device"] for p in items("/ports", program)] == ["host-far"]
    assert [e["words"] for e in items("/evidence", program)] == ["x"]
    assert items("/cables", program) == items("/parts", program) == items("/plans", program) == []
    here = people.program("viewer", site=stuff.host.site)
    assert [c["id"] for c in items("/cables", here)] == [stuff.laid]
    for path in (f"/cables/{stuff.laid}", "/devices/host-001", f"/parts/{stuff.part.pk}", f"/plans/{stuff.plan.pk}"):
        assert program.get(path).status_code == 404
    assert program.get("/plans/current/devices.csv", site="site-1").status_code == 403


@pytest.mark.parametrize(
    ("path", "query", "right"),
    [
        ("/devices", {"state": "happy"}, "in_service"),
        ("/devices", {"kind": "fish"}, "host, switch"),
        ("/devices", {"role": "boss"}, "leaf"),
        ("/devices", {"health": "fine"}, "critical"),
        ("/cables", {"kind": "rope"}, "infiniband"),
        ("/cables", {"state": "cabled"}, "verified"),
        ("/findings", {"severity": "bad"}, "warning"),
        ("/operations", {"kind": "dance"}, "burn_in"),
        ("/operations", {"state": "tired"}, "active"),
        ("/transitions", {"subject_kind": "fish"}, "campaign"),
        ("/hosts", {"state": "happy"}, "quarantined"),
    ],
)
def test_a_word_that_is_none_is_422_with_the_field_the_value_and_what_would_be_right(db, path, query, right):
    answer = people.program("viewer").get(path, **query)
    problem, ((field, value),) = answer.json(), query.items()
    assert (answer.status_code, problem["field"], problem["value"]) == (422, field, value)
    assert right in problem["expected"]


class TestThePlanThatStands:
    @pytest.fixture(scope="class")
    def plan(self):
        return generate(Wanted(hosts=32))

    @pytest.fixture
    def loaded(self, db, plan):
        load.load(plan=plan, actor=make.actor("S", "importer"), start="cabled")
        return plan

    def test_as_the_files_of_a_plan_folder(self, loaded):
        program = people.program("viewer")
        answer = program.get("/plans/current/cables.csv")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert len(answer.content.splitlines()) == len(loaded.cables) + 1
        assert program.get("/plans/current/power.csv", site="nowhere").status_code == 404
        assert program.get("/plans/current/secrets.csv").status_code == 422

    def test_all_cables_in_pages_and_quickly(self, loaded):
        """peers.md: 1,000 in 60 ms, all with both ends in a second; here only that no query is made a row."""
        program, seen, cursor, began = people.program("viewer"), [], {}, time.process_time()
        with CaptureQueriesContext(connection) as queries:
            while True:
                page = program.get("/cables", limit=1000, **cursor).json()
                seen += page["items"]
                if not page["next"]:
                    break
                cursor = {"cursor": page["next"]}
        assert [c["label"] for c in seen] == sorted(c.label for c in loaded.cables)
        assert all(c["a_device"] and c["b_device"] for c in seen)
        pages = -(-len(seen) // 1000)
        assert len(queries) <= 3 * pages
        assert time.process_time() - began < 5
