"""The table of kinds: every step has an end, every state exists, every error of the driver is an outcome."""

import inspect

import pytest

from fleet.states import KINDS as SUBJECTS
from fleet.states import allowed
from provisioning.bmc import errors
from provisioning.operations.outcomes import ERRORS, Fail, LoginRefused, Retry, from_error
from provisioning.operations.registry import CHAINS, KINDS

STEPS = [(kind, step) for kind in KINDS.values() for step in kind.steps]
ERROR_CLASSES = [
    c
    for _, c in inspect.getmembers(errors, inspect.isclass)
    if issubclass(c, errors.BmcError) and c is not errors.BmcError
]
FINAL = {
    "bmc_tls": "certificate_changed",
    "bmc_credentials": "must_change_password",
    "bmc_locked": "locked",
    "bmc_unsupported": "not_found",
}


@pytest.mark.parametrize(("kind", "step"), STEPS, ids=lambda v: v.name)
def test_a_step_has_a_deadline_a_cause_and_its_attempts(kind, step):
    """Lesson M4: a wait state without any timeout."""
    assert step.deadline_s > 0 and step.cause and step.attempts >= 1
    assert [s.name for s in kind.steps].count(step.name) == 1
    assert inspect.iscoroutinefunction(step.run) and (step.run.__doc__ or step.name == "window")


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda k: k.name)
def test_a_kind_starts_ends_and_fails_in_states_that_exist(kind):
    states = {s.name for s in SUBJECTS["host"].states}
    assert kind.from_states <= states and kind.name in KINDS
    assert kind.becomes in states | {""} and kind.fails_to in {"quarantined", ""}
    for state in kind.from_states - {"quarantined"} if kind.fails_to else ():
        assert kind.fails_to in allowed("host", state, "S"), state
    assert not kind.from_states & {"retired", "expected", "received"}
    assert kind.name == "drain" or "in_service" not in kind.from_states, "never on a host that serves"


def test_a_bring_up_goes_from_cabled_into_service():
    state = "cabled"
    for name in CHAINS["bring_up"]:
        kind = KINDS[name]
        assert state in kind.from_states, name
        assert kind.becomes in allowed("host", state, "S"), name
        state = kind.becomes
    assert "in_service" in allowed("host", state, "S")


@pytest.mark.parametrize("name", CHAINS["bring_up"])
def test_every_link_may_be_taken_up_again_from_quarantine(name):
    """Lesson M9."""
    kind = KINDS[name]
    assert "quarantined" in kind.from_states and kind.becomes in allowed("host", "quarantined", "S")


@pytest.mark.parametrize("error", ERROR_CLASSES, ids=lambda c: c.__name__)
def test_every_error_of_the_driver_is_an_outcome(error):
    assert isinstance(from_error(error("h", "verb", "a code of tomorrow", "words")), Fail | Retry)


@pytest.mark.parametrize("code", [code for code in ERRORS if code[0].islower()])
def test_every_code_in_the_table_is_one_of_the_drivers(code):
    """A code that the driver does not know would be a row that never applies."""
    documented = " ".join(c.__doc__ or "" for c in ERROR_CLASSES)
    assert code in documented


@pytest.mark.parametrize(("cause", "code"), FINAL.items())
def test_what_asking_again_cannot_mend_is_final(cause, code):
    """Lesson M8: 4xx is permanent."""
    error = {"bmc_tls": errors.BmcTlsRefused, "bmc_unsupported": errors.BmcUnsupported}.get(cause, errors.BmcRefused)
    outcome = from_error(error("h", "verb", code, "words"))
    assert isinstance(outcome, Fail) and (outcome.cause, outcome.why) == (cause, "verb: words")


def test_a_busy_bmc_is_asked_again_when_it_says_and_never_counts():
    """Lesson M19: one failed query aborted a commissioning."""
    outcome = from_error(errors.BmcBusy("h", "verb", "not_ready", "starting", retry_after_s=30))
    assert isinstance(outcome, Retry) and (outcome.counts, outcome.after_s) == (False, 30)


def test_a_write_without_an_answer_is_in_doubt():
    outcome = from_error(errors.BmcUnknown("h", "reset", "answer_timeout", "no answer"))
    assert isinstance(outcome, Retry) and outcome.in_doubt and not outcome.counts


def test_a_refused_login_counts_for_the_breaker():
    """Lessons M25, M26."""
    outcome = from_error(errors.BmcRefused("h", "login", "bad_credentials", "refused"))
    assert isinstance(outcome, Retry) and outcome.counts and outcome.effects == (LoginRefused(),)
