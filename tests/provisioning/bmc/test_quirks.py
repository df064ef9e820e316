"""Rows of quirks.yaml, and what chooses them."""

import pytest

from provisioning.bmc import quirks
from provisioning.bmc.quirks import Quirks, quirks_of
from tests.provisioning.bmc import fake


def test_a_dell_gets_its_table():
    found = quirks_of(fake.root())
    assert found.table == "dell" and found.tag_in_sku and found.expand and found.http_boot == "httpdev"
    assert "serial-in-sku" in found.applied


@pytest.mark.parametrize(
    "root", [None, [], "Dell", {}, {"Vendor": 5}, {"Vendor": "Contoso"}, {"ProtocolFeaturesSupported": []}]
)
def test_anything_else_is_plain_redfish(root):
    assert quirks_of(root) == Quirks()


def test_expansion_is_used_only_where_it_is_offered():
    root = fake.root()
    root["ProtocolFeaturesSupported"]["ExpandQuery"]["Levels"] = False
    assert not quirks_of(root).expand


def test_rows_are_unique_and_say_why():
    ids = [row["id"] for row in quirks.rows()]
    assert len(ids) == len(set(ids)) and all(row["why"] for row in quirks.rows())


def test_a_row_with_an_unknown_flag_stops_the_start(monkeypatch):
    monkeypatch.setattr(quirks.yaml, "safe_load", lambda _: [{"id": "x", "why": "", "when": {}, "set": {"speed": 1}}])
    quirks.rows.cache_clear()
    with pytest.raises(ValueError, match="unknown flag"):
        quirks.rows()
    monkeypatch.undo()
    quirks.rows.cache_clear()
