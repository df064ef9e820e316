"""Everybody locks operations by their host and id, then hosts by id: nobody who waits holds what comes later."""

from threading import Thread

import pytest
from django.db import connection, transaction

from fleet.models import Device
from provisioning.engine import ask, claim, write
from provisioning.models import Operation
from tests.provisioning.engine.test_claims import record
from tests.provisioning.engine.test_intents import want
from tests.support import make
from tests.support.waiting import eventually, somebody_waits


def last_first(n: int = 20) -> list[Operation]:
    """Operations whose hosts come in the other order than they do."""
    return [make.operation("power", host) for host in reversed(make.hosts(n, "installed"))]


def claimed() -> list[Operation]:
    made = last_first()
    claim.claim(room=100, worker=claim.me())
    return list(Operation.objects.filter(pk__in=[o.pk for o in made]).select_related("device").order_by("pk"))


def waits_without(work, held, others) -> None:
    """While somebody has `held`, `work` waits; of `others`, whatever is to be locked later, it has nothing then."""
    working = Thread(target=lambda: (work(), connection.close()))
    with transaction.atomic():
        list(held.select_for_update())
        working.start()
        eventually(somebody_waits, within_s=20)
        assert len(others.select_for_update(nowait=True)) == others.count() > 0
    working.join(30)


def rest_of(operations: list[Operation]):
    """Held: the one whose host comes first. Others: the rest."""
    first = operations[-1].pk
    rows = Operation.objects.filter(pk__in=[o.pk for o in operations])
    return rows.filter(pk=first), rows.exclude(pk=first)


def test_the_renewal_of_claims(real_db):
    operations = claimed()
    waits_without(lambda: claim.renew([(o.pk, o.fence) for o in operations]), *rest_of(operations))


def test_the_freeing_of_dead_workers_claims(real_db):
    operations = claimed()
    name = claim.me().rpartition(":")[0]
    Operation.objects.update(claimed_by=f"{name}:dead")
    claim.WorkerProcess.objects.create(
        name=f"{name}:dead", machine=name.partition(":")[0], pid=1, started="dead", seen_at=operations[0].asked_at
    )
    waits_without(claim.register, *rest_of(operations))
    assert not Operation.objects.filter(claimed_until__gt=operations[0].claimed_until).exists()


def test_intents_have_all_operations_before_any_host(real_db):
    operations = claimed()
    held = Operation.objects.filter(pk=operations[0].pk)
    waits_without(lambda: claim.intend([want(o) for o in operations]), held, Device.objects.filter(kind="host"))


def test_claims_of_what_begins(real_db):
    operations = last_first()
    first = Device.objects.filter(pk=operations[-1].device_id)
    waits_without(
        lambda: claim.claim(room=100, worker="m:1:1"), first, Device.objects.exclude(pk=operations[-1].device_id)
    )
    assert Device.objects.filter(active_operation__isnull=False).count() == len(operations)


@pytest.mark.parametrize("end", ["succeeded", "cancelled"])
def test_the_end_of_one_has_the_next_of_its_chain_before_the_host(real_db, end):
    host = make.host("cabled")
    kinds = enumerate(("identify", "inspect", "update"))
    ask.create([ask.Asked(k, host, {}, n - 1 if n else None, n) for n, k in kinds], actor=make.actor())
    claim.claim(room=10, worker="m:1:1")
    first, *rest = Operation.objects.select_related("device").order_by("pk")
    done = record(first, ended=end, release=True)
    waits_without(
        lambda: write.write([done]), Operation.objects.filter(pk=rest[0].pk), Device.objects.filter(pk=host.pk)
    )
    assert {o.state for o in Operation.objects.filter(pk__in=[o.pk for o in rest])} == {
        {"succeeded": "queued", "cancelled": "cancelled"}[end]
    }
