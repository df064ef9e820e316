"""Which answer becomes which error: by message id first, by status second."""

import json

import pytest

from provisioning.bmc import BmcBusy, BmcRefused, BmcUnknown, BmcUnsupported
from provisioning.bmc.answers import Answer, http_date, messages, refusal, retry_after
from tests.provisioning.bmc.fake import extended


def judged(status, body=b"", *, changes=False, **head):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return refusal(Answer(status, content, **head), target="host-001", verb="test", changes=changes)


@pytest.mark.parametrize(
    ("status", "message_id", "kind", "code", "passing"),
    [
        (503, "SYS518", BmcBusy, "not_ready", True),
        (400, "SWC0700", BmcBusy, "not_ready", True),
        (500, "RAC0508", BmcBusy, "not_ready", True),
        (503, "RAC0218", BmcBusy, "sessions_full", True),
        (400, "UnableToModifyDuringSystemPOST", BmcBusy, "in_post", True),
        (403, "PasswordChangeRequired", BmcRefused, "must_change_password", False),
        (409, "PSU501", BmcRefused, "conflict", False),
        (400, "SYS011", BmcRefused, "conflict", False),
        (409, "ActionParameterValueConflict", BmcRefused, "settling", True),
        (400, "PropertyUnknown", BmcUnsupported, "not_supported", False),
        (400, "SYS999", BmcRefused, "rejected", False),
    ],
)
def test_message_id_decides(status, message_id, kind, code, passing):
    """iDRAC says "not ready" with 400 as well (quirk idrac-not-ready-400)."""
    error = judged(status, extended(message_id))
    assert type(error) is kind
    assert (error.code, error.passing, error.status) == (code, passing, status)
    assert error.message_ids == (message_id,)


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, BmcRefused, "rejected"),
        (403, BmcRefused, "rejected"),
        (404, BmcUnsupported, "not_found"),
        (405, BmcUnsupported, "not_supported"),
        (409, BmcRefused, "conflict"),
        (412, BmcRefused, "precondition_failed"),
        (415, BmcRefused, "rejected"),
        (428, BmcRefused, "precondition_failed"),
        (429, BmcBusy, "too_many_requests"),
        (500, BmcBusy, "server_error"),
        (501, BmcUnsupported, "not_supported"),
        (503, BmcBusy, "not_ready"),
        (302, BmcRefused, "rejected"),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>No</html>", b'{"error": "short', b"[1]", b'"text"', b"\xff\xfe"])
def test_status_decides_without_a_known_message(status, kind, code, body):
    error = judged(status, body)
    assert (type(error), error.code) == (kind, code)


def test_a_write_that_met_a_server_error_may_have_been_done():
    """Job creation answers 500 and the job exists (quirk job-post-400-created); 503 means that it does not."""
    assert type(judged(500, changes=True)) is BmcUnknown
    assert type(judged(503, changes=True)) is BmcBusy


def test_lockdown_is_known_by_its_words():
    error = judged(400, extended("LC999", "Unable to run the command because Lockdown mode is enabled."))
    assert error.code == "locked"


@pytest.mark.parametrize(
    "info",
    [
        {"MessageId": "Base.1.8.PasswordChangeRequired"},
        [{"MessageId": "PasswordChangeRequired"}],
        ["noise", {"MessageId": "IDRAC.2.1.PasswordChangeRequired", "MessageArgs": "no list"}, 7],
    ],
)
def test_extended_info_of_any_shape(info):
    assert judged(403, {"error": {"@Message.ExtendedInfo": info}}).code == "must_change_password"


def test_error_object_without_extended_info():
    error = judged(400, {"error": {"code": "Base.1.0.GeneralError", "message": "no such thing"}})
    assert error.words == "HTTP 400: no such thing"


def test_strings_as_extended_info_become_words():
    assert [row.words for row in messages({"error": {"@Message.ExtendedInfo": "it is late"}})] == ["it is late"]


def test_error_inside_a_good_status():
    """200 with an error object, seen at the boot override (quirk error-in-200)."""
    assert judged(200, extended("SYS428", "invalid"), changes=True).code == "rejected"
    warned = {"@Message.ExtendedInfo": [{"MessageId": "x", "Severity": "Warning", "RelatedProperties": ["#/Boot"]}]}
    assert judged(200, warned, changes=True).code == "rejected"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        {},
        {"@Message.ExtendedInfo": [{"MessageId": "Base.1.12.Success", "Severity": "OK"}]},
        {"error": {"@Message.ExtendedInfo": [{"MessageId": "Base.1.12.Success", "Severity": "OK"}]}},
        {"@Message.ExtendedInfo": [{"MessageId": "IDRAC.2.8.SYS430", "Severity": "Warning"}]},
        {"Members": [{"Message": 'an "error" happened'}]},
    ],
)
def test_success_is_success(body):
    assert judged(200, body, changes=True) is None
    assert judged(202, body) is None


def test_retry_after_of_the_answer_wins():
    assert judged(503, retry_after="120").retry_after_s == 120
    assert judged(503).retry_after_s == 30
    waiting = extended("ServiceTemporarilyUnavailable", MessageArgs=["45"])
    assert judged(503, waiting).retry_after_s == 45


@pytest.mark.parametrize("value", ["", None, "soon", "-5", "9" * 400, "Wed, 99 Nov 2026 00:00:00 GMT"])
def test_unreadable_retry_after_is_none(value):
    assert retry_after(value) is None


def test_retry_after_as_a_date_and_too_far():
    assert retry_after("Wed, 01 Jan 2020 00:00:00 GMT") == 0
    assert retry_after("999999") == 3600
    assert http_date("Mon, 02 Nov 2026 16:11:12 GMT").hour == 16


def test_words_hold_no_endless_text():
    assert len(judged(400, extended("X", "long " * 1000)).words) < 330
