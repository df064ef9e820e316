"""A state past its limit is a finding, of whatever kind the subject is, once, until the state is left."""

import pytest

from fleet import lifecycle
from fleet.models import Cable, Device, Finding
from fleet.states import DAY, KINDS
from provisioning.engine import claim, limits
from provisioning.models import Operation
from provisioning.operations import pace
from tests.provisioning.engine.test_campaign import due, end, start
from tests.support import make

pytestmark = pytest.mark.usefixtures("db")

LIMITED = [(kind.name, s.name) for kind in KINDS.values() for s in kind.states if s.limit_s is not None]
UNLIMITED = [(kind.name, s.name) for kind in KINDS.values() for s in kind.states if s.limit_s is None]


@pytest.fixture
def everything_is_late(monkeypatch, settings_of):
    """In a test's transaction now() stands still: limits that end before a state begins are past at once."""
    settings_of(TIME_SCALE=1_000_000)
    monkeypatch.setattr(pace, "SCALED_GRACE_S", -DAY)


def late() -> list[Finding]:
    """The findings that are open after one look; a second one opens nothing more."""
    standing = set(Finding.objects.filter(closed_at=None).values_list("pk", flat=True))
    opened = limits.judge()
    assert limits.judge() == 0
    found = list(Finding.objects.filter(closed_at=None).order_by("id"))
    assert len({f.pk for f in found} - standing) == opened
    return found


@pytest.mark.parametrize(("kind", "state"), LIMITED)
def test_every_state_that_has_a_limit_is_judged(everything_is_late, kind, state):
    pk = make.subject(kind, state)
    (finding,) = (f for f in late() if f.subjects[0]["kind"] == kind)
    then = next(s.then for s in KINDS[kind].states if s.name == state)
    assert finding.subjects[0]["id"] == pk and (finding.kind, finding.severity) == ("state_limit", "info")
    assert finding.words.endswith(f"is {state} for longer than its limit; then: {then}")


@pytest.mark.parametrize(("kind", "state"), UNLIMITED)
def test_no_other_is(everything_is_late, kind, state):
    make.subject(kind, state)
    assert not [f for f in late() if f.subjects[0]["kind"] == kind]


def test_stands_at_its_device_where_it_has_one_and_names_what_it_is_about(everything_is_late):
    host = make.host("inspected", name="host-1")
    lost = make.operation("power", make.host("in_service", name="host-2"), state="lost")
    cable = Cable.objects.get(pk=make.subject("cable", "laid"))
    found = {f.stable_id: f for f in late()}
    assert set(found) == {
        f"inventory:state_limit:{host.pk}",
        f"inventory:state_limit:{lost.device_id}:operation:{lost.pk}",
        f"inventory:state_limit:cable:{cable.pk}",
    }
    words = {f.words.partition(" is ")[0]: f.device for f in found.values()}
    assert words == {"host-1": host, f"power {lost.pk} of host-2": lost.device, f"cable {cable.label}": None}
    assert Device.objects.get(pk=host.pk).health == "info"


def test_closes_when_the_state_is_left(everything_is_late):
    host, cable = make.host("inspected"), make.subject("cable", "laid")
    assert len(late()) == 2
    lifecycle.move("host", [host.pk], to="baselined", actor=make.actor("S"), reason="done")
    lifecycle.move("cable", [cable], to="connected", actor=make.actor("S"), reason="done")
    limits.judge()
    closed = Finding.objects.exclude(closed_at=None)
    assert {f.closed_words for f in closed} == {"the state was left"} and len(closed) == 2
    assert len(late()) == 2, "where they are now has a limit of its own"


class TestWhoWaitsForUs:
    """Is not forgotten: an operation is under way, or in a queue of ours."""

    @pytest.mark.parametrize("state", ["queued", "active"])
    def test_not_while_an_operation_is_there(self, everything_is_late, state):
        make.operation("inspect", make.host("discovered"), state=state)
        assert late() == []

    def test_a_lost_one_is_judged_itself_not_its_host_too(self, everything_is_late):
        operation = make.operation("inspect", make.host("discovered"), state="lost")
        assert [f.subjects[0]["kind"] for f in late()] == ["operation"]
        assert late()[0].device_id == operation.device_id

    @pytest.mark.parametrize("to", ["running", "paused", "halted"])
    def test_not_in_the_queue_of_a_campaign(self, everything_is_late, to):
        """Also when that campaign stands: it says so itself, once."""
        made = start(3, at_once=1)
        if to != "running":
            lifecycle.move("campaign", [made.pk], to=to, actor=make.actor(), reason="look first")
        assert late() == []

    def test_not_between_two_operations_of_a_chain(self, everything_is_late):
        start(1)
        claim.claim(room=1, worker="m:1:1")
        assert Operation.objects.filter(state="queued").exists()
        assert late() == []

    def test_but_behind_a_failed_one_it_waits_for_a_person(self, everything_is_late):
        start(1)
        end(due()[0], "failed")
        assert Operation.objects.filter(state="queued").exists()
        assert len(late()) == 1
