"""The search, and the thin pages that hits lead to."""

import pytest

from fleet.models import Bmc, Cable, CableEnd, FormerName, Part, PartMove, Port
from fleet.reads.ports import number_of, spelled
from tests.support import make, people


@pytest.fixture
def lab(db):
    """A host on a leaf, with all that has a name."""
    host = make.wired_host("installed", name="host-014", serial="7F3K2", uuid="")
    Bmc.objects.filter(device=host).update(address="127.64.9.9", mac="02:48:23:df:62:03")
    leaf = make.switch()
    leaf.name = "leaf-s01-01"
    leaf.save(update_fields=["name"])
    a = Port.objects.create(device=host, name="mlx5_0", node_guid="0xa088c20300001000")
    b = Port.objects.create(device=leaf, name="33")
    cable = Cable.objects.get(pk=make.subject("cable", "verified"))
    Cable.objects.filter(pk=cable.pk).update(label="IB-04217")
    CableEnd.objects.create(cable=cable, end="a", port=a)
    CableEnd.objects.create(cable=cable, end="b", port=b)
    part = Part.objects.create(kind="gpu", serial="1650523012345", device=host, slot="4")
    PartMove.objects.create(part=part, to_device=host, to_slot="4", actor=make.actor(), reason="first seen")
    FormerName.objects.create(name="old-014", device=host)
    operation = make.operation("inspect", host)
    return {"host": host, "operation": operation}


def find(q, client=None):
    return (client or people.signed_in("viewer")).get("/search/", {"q": q})


@pytest.mark.parametrize(
    ("q", "place"),
    [
        ("host-014", "/hosts/host-014/"),
        (" HOST-014 ", "/hosts/host-014/"),
        ("7f3k2", "/hosts/host-014/"),
        ("old-014", "/hosts/host-014/"),
        ("127.64.9.9", "/hosts/host-014/"),
        ("02:48:23:DF:62:03", "/hosts/host-014/"),
        ("024823df6203", "/hosts/host-014/"),
        ("0248.23df.6203", "/hosts/host-014/"),
        ("IB-04217", "/cables/IB-04217/"),
        ("ib-04217", "/cables/IB-04217/"),
        ("1650523012345", "/parts/1650523012345/"),
        ("0xA088C20300001000", "/hosts/host-014/#port-mlx5_0"),
        ("a088:c203:0000:1000", "/hosts/host-014/#port-mlx5_0"),
        ("leaf-s01-01", "/switches/leaf-s01-01/"),
        ("leaf-s01-01 33", "/switches/leaf-s01-01/#port-33"),
        ("leaf-s01-01 17/1", "/switches/leaf-s01-01/#port-33"),
        ("leaf-s01-01 1/17/1", "/switches/leaf-s01-01/#port-33"),
        ("host-014 mlx5_0", "/hosts/host-014/#port-mlx5_0"),
        ("1/17/1", "/switches/leaf-s01-01/#port-33"),
    ],
)
def test_one_exact_hit_goes_straight_there(lab, q, place):
    answer = find(q)
    assert (answer.status_code, answer.get("Location")) == (302, place)


def test_an_address_of_an_interface_leads_to_its_host(lab):
    address = lab["host"].addresses.get()
    for q in (address.address, address.mac):
        assert find(q)["Location"] == "/hosts/host-014/"


def test_numbers_of_operations(lab):
    number = lab["operation"].pk
    for q in (f"op {number}", f"operation #{number}", f"inspect {number}"):
        assert find(q)["Location"] == f"/operations/{number}/"
    assert find(f"campaign {number}").status_code == 200


def test_what_is_not_there_shows_what_is_nearest(lab):
    text = find("7F3K9").content.decode()
    assert "Nothing is called" in text and "Nearest:" in text
    assert "host-014" in text and "7F3K2" in text
    assert "IB-04217" in find("4217").content.decode(), "the last four digits of a label"
    assert "Nothing comes near" in find("zzzzzzzzzzz").content.decode()


def test_wild_cards_and_markup_are_only_letters(lab):
    assert "IB-04217" not in find("%%%").content.decode()
    assert "<script>" not in find("<script>x").content.decode()


@pytest.mark.parametrize(
    ("q", "status"), [("", 200), ("a\0b", 422), ("x" * 300, 422), ("9" * 40, 200), ("1" * 19, 200)]
)
def test_what_cannot_be_asked(lab, q, status):
    assert find(q).status_code == status


def test_nobody_finds_what_stands_elsewhere(lab):
    from fleet.models import Site

    elsewhere = Site.objects.create(name="site-2")
    client = people.signed_in("viewer", site=elsewhere)
    for q in ("host-014", "7F3K2", "IB-04217", "1650523012345", "0xa088c20300001000", "leaf-s01-01 33", "127.64.9.9"):
        answer = find(q, client)
        assert answer.status_code == 200 and "Nothing comes near" in answer.content.decode(), q
    for path in ("/cables/IB-04217/", "/parts/1650523012345/", "/switches/leaf-s01-01/"):
        assert client.get(path).status_code == 404


def test_a_scanned_label_opens_the_thing(lab):
    client = people.signed_in("technician")
    assert client.get("/s/IB-04217")["Location"] == "/cables/IB-04217/"
    assert client.get("/s/7F3K2")["Location"] == "/hosts/host-014/"
    assert client.get("/s/IB-99999").status_code == 404


def test_the_thin_pages(lab):
    client = people.signed_in("viewer")
    cable = client.get("/cables/IB-04217/").content.decode()
    assert "host-014" in cable and "leaf-s01-01" in cable and "1/17/1" in cable and "verified" in cable
    part = client.get("/parts/1650523012345/").content.decode()
    assert "first seen" in part and "host-014" in part
    switch = client.get("/switches/leaf-s01-01/").content.decode()
    assert 'id="port-33"' in switch and "IB-04217" in switch
    assert client.get("/switches/host-014/").status_code == 404


@pytest.mark.parametrize(
    ("text", "port"),
    [
        ("1/17/1", "33"),
        ("17/1", "33"),
        ("17/2", "34"),
        ("33", "33"),
        ("033", "33"),
        ("1/1/1", "1"),
        ("0/1", "0/1"),
        ("mlx5_0", "mlx5_0"),
    ],
)
def test_ports_in_any_spelling(text, port):
    assert number_of(text) == port


def test_every_port_is_spelled_as_it_is_read():
    for n in range(1, 65):
        assert number_of(spelled(str(n))) == str(n)
    assert spelled("mlx5_0") == "mlx5_0"
