"""The health sweep: who is looked at, what comes of it, and that nothing is lost or doubled."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.test.utils import CaptureQueriesContext

from fleet.models import Bmc, Device, Evidence, Finding
from provisioning.bmc.errors import BmcUnreachable
from provisioning.bmc.types import Sensor, Watch
from provisioning.engine import sweep
from tests.provisioning.engine.turns import Bench, in_loop
from tests.support import make

WELL = (Sensor("Fan1", "fan", 9600.0, "ok"), Sensor("Inlet", "inlet", 22.0, "ok"))
HOT = (WELL[0], Sensor("Inlet", "inlet", 41.0, "warning"))


class Watched:
    """A pump without a loop of its own: every host's BMC answers `watch`, or raises it."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.devices = self.bench.devices
        self.bmcs = self
        self.watch: Watch | Exception = Watch("On", "ok", WELL)
        self.asked = 0

    def bmc(self, target):
        pump = self

        class One:
            async def watch(self) -> Watch:
                pump.asked += 1
                if isinstance(pump.watch, Exception):
                    raise pump.watch
                return pump.watch

        return One()

    async def database(self, run, *arguments, **named):
        return run(*arguments, **named)

    def sweep(self, **more) -> int:
        """every_s: below 0, since now() stands still in a test and its hosts were made after it."""
        return in_loop(sweep.run(self, **{"every_s": -600, **more}))


@pytest.fixture
def pump(monkeypatch) -> Watched:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    return Watched()


def serving(n: int = 1, state: str = "in_service") -> list[Device]:
    hosts = [make.wired_host(state) for _ in range(n)]
    Bmc.objects.update(fingerprint="ab" * 32)
    Device.objects.update(profile=hosts[0].profile)
    return hosts


def open_findings() -> dict[str, str]:
    return {f.kind: f.severity for f in Finding.objects.filter(closed_at=None)}


@pytest.mark.usefixtures("db")
class TestWhoIsLookedAt:
    @pytest.mark.parametrize(
        ("state", "looked"),
        [("in_service", 1), ("validated", 1), ("draining", 1), ("installed", 1), ("quarantined", 0), ("cabled", 0)],
    )
    def test_hosts_that_serve_or_could(self, pump, state, looked):
        serving(state=state)
        assert pump.sweep() == pump.asked == looked

    def test_not_one_that_an_operation_is_at(self, pump):
        host = serving()[0]
        operation = make.operation("validate", host, state="active")
        Device.objects.filter(pk=host.pk).update(active_operation=operation.pk)
        assert pump.sweep() == 0

    def test_not_one_that_was_looked_at_a_moment_ago(self, pump):
        serving()
        assert (pump.sweep(), pump.sweep(every_s=300)) == (1, 0)

    @pytest.mark.parametrize("column", ["swept_at", "seen_at"])
    def test_a_look_of_an_operation_counts_too(self, pump, column):
        serving()
        Bmc.objects.update(**{column: Now()})
        assert pump.sweep(every_s=300) == 0

    def test_not_one_whose_login_is_blocked_or_that_was_never_met(self, pump):
        a, b = serving(2)
        Bmc.objects.filter(device=a).update(blocked_until=datetime.now(UTC) + timedelta(minutes=5))
        Bmc.objects.filter(device=b).update(fingerprint="")
        assert pump.sweep() == 0

    def test_many_hosts_cost_no_query_each(self, pump):
        serving(3)
        with CaptureQueriesContext(connection) as few:
            pump.sweep()
        serving(30)
        with CaptureQueriesContext(connection) as many:
            assert pump.sweep() == 33
        assert len(many) <= len(few), "the first one makes its actor, too"


@pytest.mark.usefixtures("db")
class TestWhatComesOfIt:
    def test_a_host_that_is_well_gets_a_reading_and_evidence_once(self, pump):
        host = serving()[0]
        pump.sweep()
        pump.sweep()
        bmc = Bmc.objects.get(device=host)
        assert bmc.reading["inlet_c"] == 22.0 and bmc.verdict == "" and bmc.missed == 0
        assert [e.words for e in Evidence.objects.filter(device_id=host.pk)] == [
            "well: power On, health ok, inlet_c 22.0, fans 1, psus 0"
        ]
        assert open_findings() == {}

    def test_what_is_wrong_opens_a_finding_and_closes_when_it_is_well_again(self, pump):
        host = serving()[0]
        pump.watch = Watch("On", "warning", HOT)
        pump.sweep()
        assert open_findings() == {"inlet_hot": "warning"}
        assert Device.objects.get(pk=host.pk).health == "warning"
        pump.watch = Watch("On", "ok", WELL)
        pump.sweep()
        assert open_findings() == {} and Device.objects.get(pk=host.pk).health == "ok"
        assert Finding.objects.get().closed_words == "the health sweep sees it well again"
        assert Evidence.objects.filter(device_id=host.pk).count() == 2, "each change is on record"

    def test_findings_of_others_stay(self, pump):
        host = serving()[0]
        Finding.objects.create(stable_id="x", domain="operation", kind="burn_in", severity="critical", words="x",
                               device=host)  # fmt: skip
        pump.sweep()
        assert open_findings() == {"burn_in": "critical"}

    def test_a_bmc_that_is_away_is_a_finding_at_the_third_look(self, pump):
        serving()
        pump.watch = BmcUnreachable("host", "read the sensors", "no_answer", "no answer within 20 s")
        seen = []
        for _ in range(3):
            pump.sweep()
            seen.append(open_findings())
        assert seen == [{}, {}, {"bmc_lost": "warning"}]
        assert "did not answer 3 looks in a row" in Finding.objects.get().words
        pump.watch = Watch("On", "ok", WELL)
        pump.sweep()
        assert open_findings() == {} and Bmc.objects.get().missed == 0

    def test_what_was_wrong_stays_open_while_nobody_can_look(self, pump):
        serving()
        pump.watch = Watch("On", "warning", HOT)
        pump.sweep()
        pump.watch = BmcUnreachable("host", "read the sensors", "no_answer", "no answer")
        pump.sweep()
        assert open_findings() == {"inlet_hot": "warning"}, "silence is no proof"
