"""Steps of burn-in and install: what the ramdisk and the new system say, and what is believed of it."""

from dataclasses import replace

import pytest

from fleet import secrets
from provisioning.agent.client import AgentError, Facts
from provisioning.bmc.types import Override
from provisioning.operations import burn_in, install
from provisioning.operations.outcomes import CloseWindow, Done, Evidence, Fail, HostSeen, Retry, Wait
from tests.provisioning.operations.contexts import STATE, Answers, FakeAgent, context
from tests.provisioning.operations.test_steps import kinds_of

IMAGE = "5e" * 32


class TestBurnIn:
    profile = {
        "parts": {"gpu": 1, "psu": 6},
        "burn_in": {"tests": [{"name": "a", "minutes": 3}, {"name": "b", "minutes": 2}]},
    }

    def context(self, **window):
        return context(window=window, profile=self.profile, result={"fingerprint": "f"})

    async def test_what_the_ramdisk_sees_is_compared(self):
        outcome = await burn_in.compare(self.context(inventory={"gpus": [{"slot": "G1", "serial": "S"}]}))
        assert isinstance(outcome, Done) and len(outcome.result["fingerprint"]) == 64

    async def test_the_fingerprint_is_that_of_the_parts_in_any_order(self):
        prints = set()
        for gpus in (
            [{"slot": "1", "serial": "A"}, {"slot": "2", "serial": "B"}],
            [{"slot": "2", "serial": "B"}, {"slot": "1", "serial": "A"}],
        ):
            prints.add((await burn_in.compare(self.context(inventory={"gpus": gpus}))).result["fingerprint"])
        assert len(prints) == 1

    @pytest.mark.parametrize("inventory", [{}, {"gpus": []}, {"gpus": None}, {"cpus": [{"slot": "1"}]}])
    async def test_parts_that_it_does_not_even_list_are_missing(self, inventory):
        outcome = await burn_in.compare(self.context(inventory=inventory))
        assert isinstance(outcome, Fail) and outcome.cause == "part_missing"

    async def test_no_inventory_yet_is_waited_for(self):
        assert isinstance(await burn_in.compare(self.context()), Wait)
        assert isinstance(await burn_in.compare(context()), Wait)
        failed = await burn_in.compare(self.context(failed_code="disk", words="no disk"))
        assert (failed.why, failed.cause) == ("no disk", "disk")

    async def test_tests_under_way_are_waited_for_as_long_as_they_take(self):
        outcome = await burn_in.tests(self.context(tests=[{"name": "a", "passed": True}]))
        assert isinstance(outcome, Wait) and outcome.seconds == 3 * 60 and outcome.progress == (1, 2)
        assert outcome.why == "test 2 of 2, 2 min left"

    async def test_all_passed_stores_the_fingerprint_and_closes_the_window(self):
        results = [{"name": n, "passed": True} for n in "ab"]
        outcome = await burn_in.tests(self.context(tested={"passed": True, "results": results}))
        assert isinstance(outcome, Done) and kinds_of(outcome) == [Evidence, HostSeen, CloseWindow]
        assert outcome.effects[1] == HostSeen({"fingerprint": "f"})

    @pytest.mark.parametrize(
        "tested",
        [
            {"passed": False, "results": [{"name": "a", "passed": True}, {"name": "b", "passed": True}]},
            {"passed": True, "results": [{"name": "a", "passed": True}]},
            {"passed": True, "results": [{"name": "a", "passed": True}, {"name": "b", "passed": False}]},
            {"passed": True, "results": "all well"}, {"passed": True}, {}, {"passed": "true", "results": []},
            {"passed": True, "results": [{"name": ["a"], "passed": True}]},
        ],
    )  # fmt: skip
    async def test_else_it_failed(self, tested):
        outcome = await burn_in.tests(self.context(tested=tested))
        assert isinstance(outcome, Fail) and outcome.cause == "burn_in" and kinds_of(outcome) == [Evidence]


class TestInstall:
    async def test_needs_an_image_of_the_catalogue(self):
        outcome = await install.has_image(context(profile={"image": "debian"}))
        assert isinstance(outcome, Fail) and outcome.cause == "no_image"
        image = {"name": "debian", "sha256": IMAGE, "size_bytes": 4}
        assert (await install.has_image(context(profile={"image_file": image}))).result == {"image": IMAGE}

    async def test_its_orders_name_the_disk_by_role_never_by_name(self):
        orders = install.orders(context(profile={"image_file": {"sha256": IMAGE}}))
        assert orders["disk"] == {"role": "os"} and orders["serial"] == "TAG0001" and orders["hostname"] == "host-001"

    async def test_the_next_boot_is_from_disk(self):
        bmc = Answers()
        ctx = context(bmc)
        assert isinstance(await install.boot_from_disk(ctx), Done) and bmc.sent == [("set_boot_once", "Hdd")]
        assert ctx.intended == [("set boot override: Hdd, once", False)]

    async def test_what_is_set_already_is_not_sent_again(self):
        """A worker that died after the command: the next one looks, and sends nothing."""
        bmc = Answers(replace(STATE, override=Override(enabled="Once", target="Hdd", mode=None)))
        ctx = context(bmc)
        assert isinstance(await install.boot_from_disk(ctx), Done) and bmc.sent == [] and ctx.intended == []

    @pytest.mark.parametrize(("enabled", "target"), [("Once", "UefiHttp"), ("Continuous", "Hdd"), ("Disabled", "Hdd")])
    async def test_another_override_is_no_boot_from_disk(self, enabled, target):
        bmc = Answers(replace(STATE, override=Override(enabled=enabled, target=target, mode=None)))
        await install.boot_from_disk(context(bmc))
        assert bmc.sent == [("set_boot_once", "Hdd")]

    @pytest.mark.parametrize(
        ("window", "kind", "cause"),
        [
            (None, Wait, ""),
            ({"done": 42, "total": 100}, Wait, ""),
            ({"written": {"sha256": IMAGE, "disk_serial": "D"}}, Done, ""),
            ({"written": {"sha256": "other"}}, Fail, "image_write"),
            ({"written": {}}, Fail, "image_write"),
            ({"failed_code": "image_write", "words": "read-only"}, Fail, "image_write"),
        ],
    )
    async def test_written_is_the_ordered_image(self, window, kind, cause):
        outcome = await install.written(context(window=window, result={"image": IMAGE}))
        assert isinstance(outcome, kind) and getattr(outcome, "cause", "") == cause

    async def test_home_is_another_boot_of_the_ordered_image(self):
        """Lesson M11: the boot id expected to change is stored before, the new one matched after."""
        home = {"boot_id": "b2", "image": IMAGE}
        outcome = await install.phone_home(
            context(window={"boot_id": "b1", "phone_home": home}, result={"image": IMAGE})
        )
        assert isinstance(outcome, Done) and outcome.result == {"boot_id": "b2"}
        assert kinds_of(outcome) == [Evidence, HostSeen, CloseWindow]

    @pytest.mark.parametrize(
        ("home", "cause"),
        [({"boot_id": "b1", "image": IMAGE}, "no_phone_home"), ({"boot_id": "b2", "image": "other"}, "image_mismatch")],
    )
    async def test_anything_else_is_not(self, home, cause):
        outcome = await install.phone_home(
            context(window={"boot_id": "b1", "phone_home": home}, result={"image": IMAGE})
        )
        assert isinstance(outcome, Fail) and outcome.cause == cause

    async def test_silence_is_a_failure_but_not_for_a_host_in_post(self):
        early = context(Answers(AssertionError()), window={}, waited_s=60)
        assert isinstance(await install.phone_home(early), Wait)
        late = {"window": {}, "waited_s": 59 * 60}
        assert isinstance(
            await install.phone_home(
                context(Answers(replace(STATE, boot_progress="MemoryInitializationStarted")), **late)
            ),
            Wait,
        )
        outcome = await install.phone_home(context(Answers(), **late))
        assert isinstance(outcome, Fail) and outcome.cause == "no_phone_home" and "59 min ago" in outcome.why

    def facts(self, **changes):
        right = {
            "boot_id": "b2",
            "serial": "TAG0001",
            "hostname": "host-001",
            "image": IMAGE,
            "versions": {"kernel": "6.1"},
        }
        return FakeAgent(Facts(**{**right, **changes}))

    async def test_facts_are_as_ordered(self):
        outcome = await install.facts(context(agent=self.facts(), result={"boot_id": "b2", "image": IMAGE}))
        assert isinstance(outcome, Done) and kinds_of(outcome) == [Evidence]

    @pytest.mark.parametrize("field", ["boot_id", "serial", "hostname", "image"])
    async def test_each_fact_that_differs_is_named(self, field):
        outcome = await install.facts(
            context(agent=self.facts(**{field: "other"}), result={"boot_id": "b2", "image": IMAGE})
        )
        assert isinstance(outcome, Fail) and outcome.cause == "facts_differ" and f"{field} is 'other'" in outcome.why

    @pytest.mark.parametrize("passing", [True, False])
    async def test_an_agent_that_does_not_answer_is_asked_again(self, passing):
        agent = FakeAgent(AgentError("no answer", passing=passing))
        outcome = await install.facts(context(agent=agent))
        assert isinstance(outcome, Retry) and outcome.counts == (not passing)

    async def test_the_agents_token_is_per_host_and_boot(self):
        assert len({install.agent_token(s, b) for s in "AB" for b in "12"}) == 4
        assert install.agent_token("A", "1") == secrets.derive("agent", "A", "1")
