"""Findings: one row while it stands, an owner, somebody's word; and the health of the host follows at once."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from fleet import findings
from fleet.errors import NotFound, WrongState
from fleet.findings import Found
from fleet.models import Bmc, Device, Finding, Party
from tests.fleet.test_lifecycle_bulk import in_parallel
from tests.support import make
from tests.support.waiting import eventually, somebody_waits


def fan(host: Device, severity: str = "warning", words: str = "a fan is slow", **more) -> Found:
    return Found("health", "fan", severity, words, host.pk, **more)


def health(host: Device) -> str:
    return Device.objects.values_list("health", flat=True).get(pk=host.pk)


def seen_by_bmc(host: Device) -> Device:
    Bmc.objects.create(device=host, address=f"127.64.1.{host.pk % 250}", seen_at="2026-01-01T00:00:00Z")
    return host


@pytest.mark.usefixtures("db")
class TestOpen:
    def test_has_what_was_found_and_sets_health(self):
        host = make.host()
        findings.open([fan(host, key="3", operation=7, evidence=[4, 5], cause="dust", subjects=[{"kind": "fan"}])])
        found = Finding.objects.get()
        assert found.stable_id == f"health:fan:{host.pk}:3"
        assert (found.operation_id, found.evidence, found.cause) == (7, [4, 5], "dust")
        assert found.subjects == [{"kind": "fan"}] and found.closed_at is None
        assert health(host) == "warning"

    def test_health_is_the_worst_that_is_open(self):
        host, other = make.hosts(2)
        findings.open([Found("x", severity, severity, "x", host.pk) for severity in ("info", "critical", "warning")])
        seen = [health(host)]
        for kind in ("critical", "warning", "info"):
            findings.close(Q(kind=kind), words="over")
            seen.append(health(host))
        assert seen == ["critical", "warning", "info", "unknown"], "nobody has ever looked at it"
        assert health(other) == "unknown"

    def test_with_nothing_open_a_host_that_was_looked_at_is_ok(self):
        host = seen_by_bmc(make.host())
        findings.open([fan(host)])
        findings.close(Q(device=host), words="over")
        assert health(host) == "ok"

    @pytest.mark.parametrize(
        ("first", "then", "is_now"),
        [("info", "critical", "critical"), ("critical", "info", "critical"), ("warning", "warning", "warning")],
    )
    def test_seen_again_is_one_row_with_new_words_and_a_severity_that_only_gets_worse(self, first, then, is_now):
        host = make.host()
        findings.open([fan(host, first)])
        old = Finding.objects.get()
        Finding.objects.update(seen_at="2020-01-01T00:00:00Z")
        findings.open([fan(host, then, "it is slower")])
        new = Finding.objects.get()
        assert (new.pk, new.words, new.severity, new.opened_at) == (old.pk, "it is slower", is_now, old.opened_at)
        assert new.seen_at == old.seen_at
        assert health(host) == is_now

    @pytest.mark.parametrize("severities", [("critical", "info"), ("info", "critical")])
    def test_twice_in_one_batch_is_one_row_with_the_worse(self, severities):
        host = make.host()
        findings.open([fan(host, severity, severity) for severity in severities])
        found = Finding.objects.get()
        assert (found.severity, found.words) == ("critical", severities[-1])

    def test_mended_at_once_is_on_record_and_no_harm(self):
        host = seen_by_bmc(make.host())
        findings.open([fan(host, "critical", mended="turned by hand")])
        found = Finding.objects.get()
        assert found.closed_at is not None and found.closed_words == "turned by hand"
        assert health(host) == "ok"

    def test_the_owner_of_the_kind_comes_before_the_owner_of_the_domain(self):
        everything = Party.objects.create(name="us", owns=["health"])
        fans = Party.objects.create(name="maker", owns=["fan", "psu"])
        host = make.host()
        findings.open([fan(host), Found("health", "psu", "info", "x", host.pk), Found("health", "clock", "info", "x")])
        findings.open([Found("fabric", "slow", "info", "x")])
        owners = {f.kind: f.owner for f in Finding.objects.select_related("owner")}
        assert owners == {"fan": fans, "psu": fans, "clock": everything, "slow": None}

    def test_seen_again_it_has_the_proof_of_its_new_words(self):
        host = make.host("installed")
        first, second = (make.operation("power", host, state="failed") for _ in range(2))
        seen = {"domain": "health", "kind": "fan", "severity": "info", "device": host.pk}
        findings.open([Found(**seen, words="slow", cause="dust", operation=first.pk, evidence=[1, 2])])
        findings.open([Found(**seen, words="stopped", cause="no_power", operation=second.pk, evidence=[2, 3])])
        found = Finding.objects.get()
        assert (found.words, found.cause, found.operation_id) == ("stopped", "no_power", second.pk)
        assert found.evidence == [1, 2, 3]
        findings.open([Found(**seen, words="stopped", evidence=range(10, 10 + 2 * findings.MOST_EVIDENCE))])
        assert Finding.objects.get().evidence == list(
            range(10 + findings.MOST_EVIDENCE, 10 + 2 * findings.MOST_EVIDENCE)
        )

    def test_costs_the_same_for_one_and_for_many(self):
        def cost(n):
            hosts = make.hosts(n)
            with CaptureQueriesContext(connection) as queries:
                findings.open([fan(host) for host in hosts])
            return len(queries)

        assert cost(1) == cost(50) <= 4

    def test_nothing_is_nothing(self):
        with CaptureQueriesContext(connection) as queries:
            findings.open([])
            assert findings.close(Q(kind="fan"), words="x") == 0
        assert len(queries) <= 1


@pytest.mark.usefixtures("db")
class TestClose:
    def test_what_is_meant_and_nothing_else(self):
        one, two = make.hosts(2)
        findings.open([fan(one), fan(two), Found("health", "psu", "info", "x", one.pk)])
        assert findings.close(Q(device=one, kind="fan"), words="it turns", actor=make.actor()) == 1
        closed = Finding.objects.exclude(closed_at=None).get()
        assert (closed.device, closed.kind, closed.closed_words, closed.closed_by) == (
            one,
            "fan",
            "it turns",
            make.actor(),
        )
        assert (health(one), health(two)) == ("info", "warning")

    def test_what_was_closed_stays_as_it_was(self):
        host = make.host()
        findings.open([fan(host)])
        findings.close(Q(device=host), words="first")
        assert findings.close(Q(device=host), words="second") == 0
        assert Finding.objects.get().closed_words == "first"

    def test_what_stands_still_is_a_new_row(self):
        host = make.host()
        findings.open([fan(host)])
        findings.close_by_hand(ids=[Finding.objects.get().pk], reason="I do not believe it", actor=make.actor())
        findings.open([fan(host)])
        closed, again = Finding.objects.order_by("id")
        assert closed.closed_at is not None and again.closed_at is None and closed.stable_id == again.stable_id
        assert health(host) == "warning"


@pytest.mark.usefixtures("db")
class TestByHand:
    @pytest.fixture
    def finding(self) -> Finding:
        findings.open([fan(make.host("installed"))])
        return Finding.objects.get()

    def test_acknowledged_it_stays_open(self, finding):
        findings.acknowledge(ids=[finding.pk], reason="ordered one", actor=make.actor("O", "olga"))
        finding.refresh_from_db()
        assert finding.acknowledged_by.name == "olga" and finding.acknowledged_words == "ordered one"
        assert finding.acknowledged_at is not None and finding.closed_at is None
        assert health(finding.device) == "warning"

    def test_acknowledged_twice_names_the_first(self, finding):
        findings.acknowledge(ids=[finding.pk], reason="ordered one", actor=make.actor("O", "olga"))
        with pytest.raises(WrongState, match="by olga: ordered one"):
            findings.acknowledge(ids=[finding.pk], reason="me too", actor=make.actor("O", "otto"))

    @pytest.mark.parametrize("act", [findings.acknowledge, findings.close_by_hand])
    def test_closed_it_is_over(self, finding, act):
        findings.close_by_hand(ids=[finding.pk], reason="swapped", actor=make.actor("O", "olga"))
        with pytest.raises(WrongState, match="was closed by olga: swapped"):
            act(ids=[finding.pk], reason="again", actor=make.actor())

    def test_closed_by_what_it_told_of(self, finding):
        findings.close(Q(pk=finding.pk), words="the state was left")
        with pytest.raises(WrongState, match="was closed: the state was left"):
            findings.acknowledge(ids=[finding.pk], reason="again", actor=make.actor())

    @pytest.mark.parametrize("act", [findings.acknowledge, findings.close_by_hand])
    def test_that_is_not_there(self, act):
        with pytest.raises(NotFound):
            act(ids=[1], reason="again", actor=make.actor())

    def test_about_no_device(self):
        findings.open([Found("inventory", "state_limit", "info", "cable 7 is laid", key="cable:7")])
        finding = Finding.objects.get()
        assert finding.stable_id == "inventory:state_limit:cable:7" and finding.device is None
        findings.close_by_hand(ids=[finding.pk], reason="plugged", actor=make.actor())
        finding.refresh_from_db()
        assert finding.closed_words == "plugged"

    def test_an_unknown_outcome_closes_only_by_what_was_found(self):
        host = make.host()
        findings.open([Found("operation", "outcome_unknown", "critical", "a reset may have been sent", host.pk)])
        finding = Finding.objects.get()
        with pytest.raises(WrongState, match="not closed by hand") as refused:
            findings.close_by_hand(ids=[finding.pk], reason="it is on", actor=make.actor())
        assert "say what you found" in refused.value.hint
        assert health(host) == "critical"
        findings.acknowledge(ids=[finding.pk], reason="I walk there", actor=make.actor())


def test_many_at_once_lose_nothing_and_never_deadlock(real_db):
    """In any order, also with an engine that has locked the hosts for its own outcomes."""
    hosts = make.hosts(60)
    found = [fan(host, severity, severity) for host in hosts for severity in ("info", "critical")]

    def open_all(step):
        def run():
            for _ in range(5):
                findings.open(found[::step])

        return run

    def close_all():
        for _ in range(5):
            findings.close(Q(kind="fan", device__in=hosts[::-3]), words="over")

    assert in_parallel(open_all(1), open_all(-1), open_all(7), close_all, close_all) == []
    standing = dict(Finding.objects.filter(closed_at=None).values_list("device_id", "severity"))
    assert dict(Device.objects.values_list("id", "health")) == {h.pk: standing.get(h.pk, "unknown") for h in hosts}


LATER = {
    "open": lambda host: findings.open([Found("health", "psu", "info", "x", host.pk)]),
    "close": lambda host: findings.close(Q(kind="old"), words="over"),
    "judge": lambda host: findings.judge([host.pk], looked=True),
}


@pytest.mark.parametrize("later", LATER)
def test_whoever_comes_second_sees_what_the_first_has_found(real_db, later):
    """The row of the host is locked before its health is read from findings: else the last one wins, not the worst."""
    host = make.host()
    findings.open([Found("health", "old", "info", "x", host.pk)])
    with ThreadPoolExecutor() as threads:
        with transaction.atomic():
            findings.open([fan(host, "critical")])
            second = threads.submit(closing(LATER[later]), host)
            eventually(somebody_waits)
        second.result(60)
    assert health(host) == "critical"


def closing(run):
    def one(host: Device) -> None:
        try:
            run(host)
        finally:
            connection.close()

    return one
