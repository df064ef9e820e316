"""Campaigns, drains and moves by hand at the same moment: the floor and the limits are those of the site."""

from collections.abc import Callable
from threading import Barrier, Thread

from django.db import connection

from fleet.errors import MusterError
from fleet.models import Device, Rack, Row
from provisioning.engine import campaign, moves, release
from provisioning.engine.rules import Rules
from tests.support import limits_held, make

FLOOR = 12


def at_once(*work: Callable[[], object]) -> list[Exception]:
    """Run all of it at the same moment, each on a connection of its own; what went wrong."""
    barrier, wrong = Barrier(len(work)), []

    def run(one: Callable[[], object]) -> None:
        try:
            barrier.wait(30)
            one()
        except MusterError:
            pass  # a host that another one had first
        except Exception as error:  # noqa: BLE001 (handed to the test)
            wrong.append(error)
        finally:
            connection.close()

    threads = [Thread(target=run, args=[one]) for one in work]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return wrong


def begin(hosts: list[Device]) -> object:
    rules = Rules(waves=["rest"], floor=FLOOR, limits={"rack": 2})
    asked = {"select": {}, "params": {}, "actor": make.actor(), "reason": "as planned"}
    return campaign.create(kind="validate", devices=hosts, rules=rules, **asked)


def test_whatever_happens_at_once_the_floor_holds_and_nobody_waits_for_ever(real_db):
    row = Row.objects.create(site=make.site(), name="A")
    racks = [Rack.objects.create(row=row, name=f"A{n}") for n in range(6)]
    hosts = [host for rack in racks for host in make.hosts(4, "in_service", rack=rack)]
    actor = make.actor()
    wrong = at_once(
        lambda: begin(hosts[:8]),
        lambda: begin(hosts[8:16]),
        lambda: begin(hosts[16:22]),
        lambda: moves.move(hosts=[hosts[22].pk, hosts[23].pk], to="quarantined", reason="smoke", actor=actor),
        *[release.release] * 3,
    )
    assert wrong == []
    while release.release():
        pass
    assert Device.objects.filter(state="quarantined").count() == 2, "whoever moves hosts by hand is not held by a floor"
    # Hosts that left by hand before the campaigns counted are not theirs to take; those that left after, were.
    draining = Device.objects.filter(state="draining").count()
    assert 24 - 2 - FLOOR <= draining <= 24 - FLOOR
    assert Device.objects.filter(state="in_service").count() == 24 - 2 - draining
    made = list(campaign.Campaign.objects.values_list("id", flat=True))
    assert limits_held.broken(made, floor=FLOOR, limits={"rack": 2}) == []
