"""A worker that died while it logged in has left a session of which nobody knows the token: it is closed first."""

from dataclasses import replace

import pytest

from fleet.models import Bmc
from provisioning.bmc.errors import BmcBusy
from provisioning.bmc.types import Session
from provisioning.engine.snapshot import seal
from provisioning.models import Operation
from provisioning.operations.outcomes import Done
from tests.provisioning.engine.test_turn import asked, now_is
from tests.provisioning.engine.turns import Script, again

CLOSED = ["close /sessions/1", "close /sessions/2"]


def bmc_of(operation: Operation, **columns) -> Bmc:
    Bmc.objects.filter(device=operation.device_id).update(**columns)
    return Bmc.objects.get(device=operation.device_id)


@pytest.fixture
def left(bench, kind):
    """An operation whose BMC row says `opening`, and what the BMC has open."""
    bench.bmc.open = ["/sessions/1", "/sessions/mine", "/sessions/2"]
    return bench


def test_every_session_but_its_own_is_closed_before_the_step_runs(left, kind):
    async def look(ctx):
        left.bmc.calls.append(("", "look"))
        return Done("looked")

    kind(Script(look=[look]))
    operation = asked()
    bmc_of(operation, session_state="opening", fingerprint="ab" * 32)
    left.turn()
    assert [what for _, what in left.bmc.calls] == ["system", *CLOSED, "look"]
    assert now_is(operation).state == "succeeded" and bmc_of(operation).session_state == "open"


def test_also_when_the_certificate_becomes_known_in_the_same_turn(left, kind):
    """The worker died so early that not even the first contact is on record."""

    async def contact(ctx):
        ctx.target = replace(ctx.target, fingerprint="ab" * 32)
        return Done("pinned")

    kind(Script(look=[contact]))
    operation = asked()
    bmc_of(operation, session_state="opening")
    left.turn()
    assert [what for _, what in left.bmc.calls] == ["system", *CLOSED]
    assert now_is(operation).state == "succeeded"


def test_once_a_flight(left, kind):
    kind()
    operation = asked()
    bmc_of(operation, session_state="opening", fingerprint="ab" * 32)
    left.turn()
    assert len([c for c in left.bmc.calls if c[1] == "system"]) == 1
    assert len(now_is(operation).steps.all()) == 3


def test_a_bmc_that_is_busy_then_is_swept_the_next_time(left, kind):
    script = kind()
    operation = asked()
    bmc_of(operation, session_state="opening", fingerprint="ab" * 32)
    left.bmc.open, open_now = BmcBusy("host", "list sessions", "not_ready", "starting"), left.bmc.open
    left.turn()
    assert now_is(operation).state == "active" and script.seen == []
    assert bmc_of(operation).session_state == "opening", "whoever comes next sweeps"
    left.bmc.open = open_now
    again(operation)
    left.turn()
    assert [what for _, what in left.bmc.calls if what.startswith("close")] == CLOSED
    assert now_is(operation).state == "succeeded"


@pytest.mark.parametrize("state", ["", "open"])
def test_nothing_is_closed_where_nobody_died(left, kind, state):
    kind()
    operation = asked()
    bmc_of(operation, session_state=state, session_ciphertext=seal(Session("t", "/sessions/1")), fingerprint="ab" * 32)
    left.turn()
    assert left.bmc.calls == [] and now_is(operation).state == "succeeded"


def test_a_session_that_another_process_opened_is_taken_over(left, kind):
    script = kind()
    operation = asked()
    session = Session("t0ken", "/sessions/9")
    bmc_of(operation, session_state="open", session_ciphertext=seal(session))
    left.turn()
    assert script.contexts[0].target.session == session
