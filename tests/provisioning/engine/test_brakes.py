"""Brakes: so many hosts leave service unplanned within a time; then the others stay, and a person is told."""

from datetime import timedelta
from functools import partial
from threading import Thread

import pytest
from django.db import connection, transaction
from django.utils import timezone

from fleet import lifecycle
from fleet.errors import BadValue, NotFound
from fleet.models import Device, Finding
from provisioning.engine import brakes, moves, reconcile
from provisioning.models import Brake
from tests.support import make
from tests.support.waiting import eventually, somebody_waits


def leave(hosts: list[Device]) -> set[int]:
    """As whatever takes hosts out does it."""
    with transaction.atomic():
        may = brakes.admit([h.pk for h in hosts])
        lifecycle.move("host", sorted(may), to="quarantined", actor=lifecycle.system("engine"), reason="it is gone")
        return may


@pytest.mark.usefixtures("db")
class TestAdmit:
    def test_a_twentieth_of_those_in_service_and_not_one_more(self):
        hosts = make.hosts(60, "in_service")
        assert leave(hosts[:2]) == {h.pk for h in hosts[:2]}
        assert leave(hosts[2:8]) == {hosts[2].pk}
        assert leave(hosts[10:11]) == set()
        assert Device.objects.filter(state="quarantined").count() == 3

    def test_twenty_five_at_most(self):
        make.hosts(5, "in_service")
        standing = brakes.standing()[0]
        assert standing.limit == 1
        Brake.objects.create(site=make.site(), percent=100, most=3)
        assert brakes.standing()[0].limit == 3

    def test_who_does_not_serve_needs_no_leave(self):
        make.hosts(3, "in_service")
        others = make.hosts(5, "installed")
        assert leave(others) == {o.pk for o in others}

    def test_a_person_is_told_with_the_numbers(self):
        hosts = make.hosts(20, "in_service")
        leave(hosts[:4])
        finding = Finding.objects.get(kind="brake_open")
        assert finding.severity == "critical" and finding.subjects == [{"kind": "site", "id": make.site().pk}]
        assert "0 hosts of site-1 left service within 60 min, 1 may: 3 more would" in finding.words

    def test_what_left_long_ago_counts_no_more_and_the_finding_closes(self):
        hosts = make.hosts(20, "in_service")
        leave(hosts[:2])
        assert brakes.tell() == 1 and Finding.objects.get().closed_at is None
        Brake.objects.update(within_s=0)
        assert brakes.tell() == 0
        assert Finding.objects.get().closed_words == "fewer have left service by now"

    def test_planned_work_does_not_count(self):
        hosts = make.hosts(20, "in_service")
        make.bring("host", [h.pk for h in hosts[:5]], "draining", start="in_service")
        assert brakes.standing()[0].gone == 0

    def test_people_are_not_held_back_but_count(self):
        hosts = make.hosts(20, "in_service")
        for host in hosts[:3]:
            moves.move(hosts=[host.pk], to="quarantined", reason="smoke", actor=make.actor())
        assert brakes.standing()[0].gone == 3 and leave(hosts[5:6]) == set()


@pytest.mark.usefixtures("db")
class TestOverride:
    def test_an_admin_lets_them_go_for_a_time(self):
        hosts = make.hosts(20, "in_service")
        leave(hosts[:2])
        brakes.override(site="site-1", minutes=30, reason="the row has no cooling", actor=make.actor("L", "Ada"))
        finding = Finding.objects.get()
        assert finding.closed_by.name == "Ada" and "the row has no cooling" in finding.closed_words
        assert len(leave(hosts[2:12])) == 10
        Brake.objects.update(override_until=timezone.now() - timedelta(seconds=1))
        assert leave(hosts[12:14]) == set()

    @pytest.mark.parametrize("minutes", [0, 1441])
    def test_not_for_ever(self, minutes):
        make.site()
        with pytest.raises(BadValue):
            brakes.override(site="site-1", minutes=minutes, reason="because", actor=make.actor("L"))

    def test_of_a_site_that_exists(self):
        with pytest.raises(NotFound):
            brakes.override(site="nowhere", minutes=5, reason="because", actor=make.actor("L"))


@pytest.mark.usefixtures("db")
def test_the_reconciler_looks_at_it():
    leave(make.hosts(20, "in_service")[:2])
    assert reconcile.run()["brakes that are open"] == 1


def test_two_who_count_at_the_same_time_let_no_more_go_than_one(real_db):
    hosts = make.hosts(40, "in_service")
    answers: list[set[int]] = []

    def other() -> None:
        try:
            answers.append(leave(hosts[2:4]))
        finally:
            connection.close()

    with transaction.atomic():
        first = leave(hosts[:2])
        thread = Thread(target=partial(other))
        thread.start()
        eventually(lambda: somebody_waits() or not thread.is_alive(), within_s=20)
        assert answers == []
    thread.join(30)
    assert len(first) == 2 and answers == [set()]
