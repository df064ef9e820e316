"""A claim without an outcome, again and again: no operation takes a worker with it for ever."""

from datetime import timedelta

from fleet.models import Finding
from provisioning.engine import claim
from provisioning.models import Operation
from provisioning.operations.outcomes import Wait
from tests.provisioning.engine.test_claims import ME, set_row
from tests.provisioning.engine.test_intents import want
from tests.provisioning.engine.test_turn import asked, now_is
from tests.provisioning.engine.turns import LONG_AGO, Script, again


def die(operation: Operation, times: int) -> None:
    for _ in range(times):
        assert operation.pk in [row["id"] for row in claim.claim(room=100, worker=ME)]
        set_row(operation, claimed_until=LONG_AGO)


def test_fails_after_a_few(bench, kind):
    script = kind()
    operation = asked()
    die(operation, claim.MOST_CLAIMS)
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("failed", "worker_died")
    assert operation.words.startswith("6 workers ended in step look before it had an outcome")
    assert script.seen == [] and bench.bmc.calls == [], "nothing of it is run again"
    assert operation.device.state == "quarantined" and Finding.objects.get().kind == "worker_died"


def test_is_lost_where_something_may_have_been_sent(bench, kind):
    kind()
    operation = asked()
    die(operation, 1)
    claim.claim(room=1, worker=ME)
    claim.intend([want(now_is(operation), what="reset: On")])
    set_row(operation, claimed_until=LONG_AGO)
    die(operation, claim.MOST_CLAIMS - 2)
    bench.turn()
    assert (now_is(operation).state, operation.cause) == ("lost", "outcome_unknown")


def test_not_when_it_had_an_outcome_in_between(bench, kind):
    kind(Script(look=[Wait(60, "not yet")]))
    operation = asked()
    die(operation, claim.MOST_CLAIMS - 1)
    bench.turn()
    assert now_is(operation).claims == 0
    again(operation)
    die(operation, claim.MOST_CLAIMS - 1)
    bench.turn()
    assert now_is(operation).state == "succeeded"


def test_is_claimed_alone_so_that_those_beside_it_are_told_apart(bench, kind):
    kind()
    operations = [asked() for _ in range(3)]
    for _ in range(claim.SUSPECT_CLAIMS):
        assert len(claim.claim(room=100, worker=ME)) == 3
        Operation.objects.update(claimed_until=LONG_AGO)
    fresh = asked()
    first = {row["id"] for row in claim.claim(room=100, worker=ME)}
    assert fresh.pk in first and len(first) == 2
    assert claim.claim(room=100, worker=ME) == [], "while one is in flight"
    Operation.objects.filter(pk__in=first).update(claims=0, claimed_until=None, wake_at=None)
    (second,) = claim.claim(room=100, worker=ME)
    Operation.objects.filter(pk=second["id"]).update(claimed_until=LONG_AGO + timedelta(days=1))
    (third,) = claim.claim(room=100, worker=ME)
    assert {second["id"], third["id"]} == {o.pk for o in operations} - first, "in turn"
