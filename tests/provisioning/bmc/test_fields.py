"""Readers of single values."""

from datetime import UTC, datetime

import pytest

from provisioning.bmc import fields


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("B0:7B:25:00:00:01", "b0:7b:25:00:00:01"),
        ("b07b25000001", "b0:7b:25:00:00:01"),
        ("B0-7B-25-00-00-01", "b0:7b:25:00:00:01"),
        ("", None),
        ("00:00:00:00:00:00", None),
        ("Not Available", None),
        (17, None),
        (None, None),
    ],
)
def test_mac(value, found):
    assert fields.mac(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("0xB83FD20300ABCDEF", "0xb83fd20300abcdef"),
        ("b83f:d203:00ab:cdef", "0xb83fd20300abcdef"),
        ("B8-3F-D2-03-00-AB-CD-EF", "0xb83fd20300abcdef"),
        ("0x0000000000000000", None),
        ("b83f", None),
        ([], None),
    ],
)
def test_guid(value, found):
    assert fields.guid(value) == found


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (5, 5),
        ("5", 5),
        (5.0, 5),
        (5.5, None),
        (True, None),
        ("five", None),
        (2**63, None),
        (float("inf"), None),
        ("٣", None),
    ],
)
def test_integer(value, found):
    assert fields.integer({"a": value}, "a") == found


@pytest.mark.parametrize(
    ("value", "found"),
    [("", None), ("  ", None), (" a ", "a"), (7, "7"), (True, None), ({}, None), ("a\0b", "ab"), ("\ud800a", "?a")],
)
def test_text(value, found):
    """An empty string equals an absent one, and what comes out fits a database column."""
    assert fields.text({"a": value}, "a") == found
    assert fields.text([value], "a") is None


def test_words_for_nothing_are_nothing():
    assert fields.real_text({"a": "Not Available"}, "a") is None
    assert fields.real_text({"a": "N/A"}, "a") is None
    assert fields.real_text({"a": "0.9"}, "a") == "0.9"


@pytest.mark.parametrize(
    "value",
    [
        "http://elsewhere/redfish/v1",
        "//elsewhere/redfish",
        "redfish/v1",
        "/a\r\nX: y",
        "/\ud800",
        "",
        None,
        5,
        {"href": "/a"},
    ],
)
def test_no_link_leads_away_from_the_bmc(value):
    """A token must not be sent to an address that an answer names."""
    assert fields.link(value) is None
    assert fields.link({"@odata.id": value}) is None


def test_link_is_a_path():
    assert fields.link({"@odata.id": "/redfish/v1/Systems/1"}) == "/redfish/v1/Systems/1"


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("2026-11-02T10:11:12-06:00", datetime(2026, 11, 2, 16, 11, 12, tzinfo=UTC)),
        ("2026-11-02T10:11:12", datetime(2026, 11, 2, 10, 11, 12, tzinfo=UTC)),
        ("0000-00-00", None),
        ("0001-01-01T00:00:00+14:00", None),
        (12, None),
    ],
)
def test_moment(value, found):
    assert fields.moment(value) == found


@pytest.mark.parametrize(
    ("status", "found"),
    [
        ({"Health": "OK"}, "ok"),
        ({"Health": "OK", "HealthRollup": "Critical"}, "critical"),
        ({"Health": "", "HealthRollup": None}, "unknown"),
        ("OK", "unknown"),
    ],
)
def test_empty_health_is_unknown_not_good(status, found):
    assert fields.verdict({"Status": status}) == found


def test_slots_sort_by_number():
    assert sorted(["NIC.Slot.10-1", "NIC.Slot.9-1", "NIC.Embedded.1"], key=fields.slot_order) == [
        "NIC.Embedded.1",
        "NIC.Slot.9-1",
        "NIC.Slot.10-1",
    ]


@pytest.mark.parametrize(("value", "found"), [("Gen5", 5), ("5", 5), (4, 4), (True, None), ("fast", None), (99, None)])
def test_generation(value, found):
    assert fields.generation(value) == found
