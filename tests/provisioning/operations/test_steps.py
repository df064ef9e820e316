"""The steps of each kind: what they look at, what they say, and that a second run does no harm."""

from dataclasses import replace
from datetime import timedelta

import pytest

from provisioning.agent.client import AgentError
from provisioning.bmc.errors import BmcBusy, BmcRefused, BmcUnsupported
from provisioning.bmc.types import Clock, FirmwareRow, FirstContact, Identity, Inventory, Part
from provisioning.operations import identify, inspect, power, preflight, update, validate
from provisioning.operations.outcomes import (
    BmcSeen,
    Done,
    Evidence,
    Fail,
    HostSeen,
    IntoService,
    OpenFinding,
    PartsSeen,
    Retry,
    Wait,
)
from tests.provisioning.operations.contexts import NOW, STATE, Answers, FakeAgent, context

PRINT = "ab" * 32


def kinds_of(outcome) -> list[type]:
    return [type(e) for e in outcome.effects]


def first(tag: str | None = "TAG0001", fingerprint: str = PRINT) -> FirstContact:
    return FirstContact(fingerprint, "Dell", None, None, tag, None, None)


def identity(tag: str = "TAG0001", macs: tuple[str, ...] = ("02:00:00:00:00:01",)) -> Identity:
    return Identity(tag, None, "uuid-1", "XE9680", "2.3.5", None, "7.10", macs, None)


class TestIdentify:
    async def test_first_contact_pins_the_certificate(self):
        ctx = context(Answers(gives={"first_contact": first()}))
        outcome = await identify.contact(ctx)
        assert isinstance(outcome, Done) and outcome.effects == (BmcSeen({"fingerprint": PRINT, "vendor": "Dell"}),)
        assert ctx.target.fingerprint == PRINT, "the next step logs in with it"

    async def test_another_certificate_than_the_pinned_one_is_final(self):
        outcome = await identify.contact(
            context(Answers(gives={"first_contact": first()}), host={"bmc_fingerprint": "cd" * 32})
        )
        assert isinstance(outcome, Fail) and outcome.cause == "bmc_tls"

    @pytest.mark.parametrize("step", ["contact", "match"])
    async def test_another_machine_than_the_plans_is_final_before_anything_is_written(self, step):
        bmc = Answers(gives={"first_contact": first("OTHER"), "identity": identity("OTHER")})
        outcome = await getattr(identify, step)(context(bmc))
        assert isinstance(outcome, Fail) and outcome.cause == "identity_mismatch"
        assert "says tag OTHER; the plan has TAG0001 there" in outcome.why and kinds_of(outcome) == [Evidence]

    async def test_a_root_without_a_tag_is_no_reason_to_stop(self):
        assert isinstance(await identify.contact(context(Answers(gives={"first_contact": first(None)}))), Done)

    async def test_tag_and_mac_match(self):
        outcome = await identify.match(context(Answers(gives={"identity": identity()})))
        assert isinstance(outcome, Done) and kinds_of(outcome) == [Evidence, HostSeen, BmcSeen]

    async def test_none_of_the_planned_macs_is_another_machine(self):
        outcome = await identify.match(context(Answers(gives={"identity": identity(macs=("02:ff:00:00:00:01",))})))
        assert isinstance(outcome, Fail) and outcome.cause == "identity_mismatch"


class TestPreflight:
    async def test_ready_known_and_well(self):
        assert isinstance(await preflight.check(context()), Done)

    @pytest.mark.parametrize(
        ("changes", "kind", "cause"),
        [
            ({"tag": "OTHER"}, Fail, "identity_mismatch"),
            ({"power": None}, Retry, "bmc_refused"),
            ({"health": "critical"}, Fail, "bmc_health"),
        ],
    )
    async def test_or_not(self, changes, kind, cause):
        outcome = await preflight.check(context(Answers(replace(STATE, **changes))))
        assert isinstance(outcome, kind) and outcome.cause == cause

    @pytest.mark.parametrize("step", [preflight.check, inspect.check, power.mark], ids=["check", "inspect", "power"])
    async def test_whatever_begins_on_another_machine_stops(self, step):
        outcome = await step(context(Answers(replace(STATE, tag="OTHER"))))
        assert isinstance(outcome, Fail) and outcome.cause == "identity_mismatch"
        assert outcome.why == "the BMC says tag OTHER, the plan says TAG0001"
        assert isinstance(await step(context(Answers(replace(STATE, tag=None)))), Done)

    async def test_a_bmc_that_is_not_ready_says_so(self):
        with pytest.raises(BmcBusy):
            await preflight.check(context(Answers(gives={"ready": BmcBusy("h", "v", "not_ready", "starting")})))


def clock(offset_s: float) -> Answers:
    return Answers(gives={"clock": Clock(NOW + timedelta(seconds=offset_s), NOW)})


class TestClock:
    """Lesson M33."""

    @pytest.mark.parametrize("offset", [0, 59, -59])
    async def test_within_a_minute_is_right(self, offset):
        bmc = clock(offset)
        outcome = await preflight.set_clock(context(bmc))
        assert isinstance(outcome, Done) and bmc.sent == [] and kinds_of(outcome) == [BmcSeen]

    @pytest.mark.parametrize(("offset", "words"), [(3600, "3600 s ahead"), (-90, "90 s behind")])
    async def test_else_it_is_set_and_read_back(self, offset, words):
        bmc = clock(offset)
        outcome = await preflight.set_clock(context(bmc))
        assert isinstance(outcome, Wait) and words in outcome.why and outcome.result == {"clock_was_s": offset}
        assert [name for name, *_ in bmc.sent] == ["set_clock"]

    async def test_what_was_corrected_is_a_finding_that_is_closed(self):
        outcome = await preflight.set_clock(context(clock(1), result={"clock_was_s": 3600}))
        (finding,) = [e for e in outcome.effects if isinstance(e, OpenFinding)]
        assert finding.closed and finding.words == "the BMC's clock was +3600 s off and was corrected"

    async def test_also_when_who_set_it_died_before_it_said_so(self):
        outcome = await preflight.set_clock(context(clock(1), sent=(("set the BMC's clock", 5, 1, False),)))
        (finding,) = [e for e in outcome.effects if isinstance(e, OpenFinding)]
        assert finding.words == "the BMC's clock was off and was corrected"

    async def test_twice_and_no_more(self):
        twice = tuple(("set the BMC's clock", ago, 1, True) for ago in (20, 10))
        outcome = await preflight.set_clock(context(clock(3600), sent=twice))
        assert isinstance(outcome, Fail) and outcome.cause == "clock" and "stays so" in outcome.why

    @pytest.mark.parametrize(
        "error", [BmcRefused("h", "v", "rejected", "no"), BmcUnsupported("h", "v", "not_found", "no")]
    )
    async def test_a_bmc_that_refuses_is_a_failure_with_evidence(self, error):
        bmc = clock(3600)
        bmc.gives["set_clock"] = error
        outcome = await preflight.set_clock(context(bmc))
        assert isinstance(outcome, Fail) and outcome.cause == "clock" and kinds_of(outcome) == [Evidence]


class TestInspect:
    profile = {"parts": {"gpu": 1}, "slots": {"gpu": ["G1"]}}

    async def test_bad_health_does_not_stop_it_the_parts_will_say_why(self):
        assert isinstance(await inspect.check(context(Answers(replace(STATE, health="critical")))), Done)

    async def test_what_is_seen_is_kept(self):
        inventory = Inventory(gpus=(Part("G1", "gpu", serial="S1"),))
        outcome = await inspect.parts(context(Answers(gives={"inventory": inventory}), profile=self.profile))
        assert isinstance(outcome, Done) and outcome.words == "1 gpu"
        assert outcome.effects[1] == PartsSeen((("gpu", "G1", "S1", "", "", ""),))

    async def test_what_is_missing_is_kept_as_evidence_too(self):
        outcome = await inspect.parts(context(Answers(gives={"inventory": Inventory()}), profile=self.profile))
        assert (
            isinstance(outcome, Fail) and outcome.cause == "part_missing" and kinds_of(outcome) == [Evidence, PartsSeen]
        )

    async def test_a_waived_deviation_is_none_but_stands_in_the_evidence(self):
        waived = {"waived": frozenset({"gpu:G1"})}
        outcome = await inspect.parts(
            context(Answers(gives={"inventory": Inventory()}), profile=self.profile, host=waived)
        )
        assert isinstance(outcome, Done)
        assert outcome.effects[0].data["deviations"][0]["check"] == "gpu:G1" and outcome.effects[0].data["waived"] == [
            "gpu:G1"
        ]


class TestUpdate:
    profile = {"baseline": {"159": "2.3.5"}, "bios": {"A": "1"}}

    @pytest.mark.parametrize(
        ("version", "setting", "kind"), [("2.3.5", "1", Done), ("2.1.4", "1", Fail), ("2.3.5", "0", Fail)]
    )
    async def test_versions_and_settings_are_compared(self, version, setting, kind):
        """Lesson M29: success is that the inventory equals the target."""
        bmc = Answers(
            gives={"firmware": (FirmwareRow("159", "BIOS", version, "BIOS.1", True),), "bios": {"A": setting}}
        )
        outcome = await update.compare(context(bmc, profile=self.profile))
        assert isinstance(outcome, kind) and kinds_of(outcome) == [Evidence]
        assert outcome.effects[0].data["versions"] == {"159 BIOS.1": version}
        assert kind is Done or outcome.cause == "firmware_drift"

    async def test_settings_are_read_only_when_the_profile_has_some(self):
        bmc = Answers(gives={"firmware": (), "bios": AssertionError("not asked for")})
        assert isinstance(await update.compare(context(bmc, profile={})), Done)


class TestValidate:
    profile = {"validate": {"tests": [{"name": "nvlink", "minutes": 2}]}}

    @pytest.mark.parametrize(
        ("changes", "cause"),
        [({"power": "Off"}, "power_off"), ({"power": None}, "power_off"), ({"health": "critical"}, "bmc_health")],
    )
    async def test_only_a_host_that_is_on_and_well(self, changes, cause):
        assert isinstance(await validate.check(context()), Done)
        outcome = await validate.check(context(Answers(replace(STATE, **changes))))
        assert isinstance(outcome, Fail) and outcome.cause == cause

    async def test_tests_are_started_under_the_operations_id_so_that_a_second_run_starts_none(self):
        ctx = context(profile=self.profile, agent=FakeAgent())
        outcome = await validate.start(ctx)
        assert isinstance(outcome, Done) and outcome.result == {"test_minutes": 2} and ctx.agent.started == ["7-1"]
        assert ctx.intended == [("start the validation tests", False)]

    async def test_they_are_looked_at_when_they_may_be_done(self):
        ctx = context(
            profile=self.profile,
            agent=FakeAgent(AgentError("too early", passing=True)),
            waited_s=0,
            result={"test_minutes": 2},
        )
        outcome = await validate.tests(ctx)
        assert isinstance(outcome, Wait) and outcome.seconds == 150

    @pytest.mark.parametrize(
        "state",
        [{"state": "running", "done": 0, "total": 1}, {"state": "running", "done": -5, "total": "x"}, {}, {"state": 7}],
    )
    async def test_under_way_is_waited_for(self, state):
        outcome = await validate.tests(context(profile=self.profile, agent=FakeAgent(state)))
        assert isinstance(outcome, Wait) and all(n >= 0 for n in outcome.progress)

    @pytest.mark.parametrize("asked", [True, False])
    async def test_passed_goes_into_service_if_it_was_asked_for(self, asked):
        done = {"state": "done", "results": [{"name": "nvlink", "passed": True}]}
        outcome = await validate.tests(
            context(profile=self.profile, agent=FakeAgent(done), params={"into_service": asked})
        )
        assert isinstance(outcome, Done) and kinds_of(outcome) == [Evidence, *([IntoService] if asked else [])]

    @pytest.mark.parametrize(
        "results", [[], None, "well", [{"name": "nvlink", "passed": False}], [{"name": "other", "passed": True}]]
    )
    async def test_anything_less_fails(self, results):
        """A gate that peers lack: no result is no proof."""
        outcome = await validate.tests(
            context(profile=self.profile, agent=FakeAgent({"state": "done", "results": results}))
        )
        assert isinstance(outcome, Fail) and outcome.cause == "validation" and kinds_of(outcome) == [Evidence]
