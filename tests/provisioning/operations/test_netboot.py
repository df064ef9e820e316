"""Address, override, and what comes of a boot that does not come."""

from dataclasses import replace

import pytest
from django.test import override_settings

from fleet import secrets
from provisioning.bmc.types import HttpBoot, Override
from provisioning.operations import netboot
from provisioning.operations.outcomes import Done, Fail, OpenWindow, Retry, Wait
from tests.provisioning.operations.contexts import NOW, STATE, Answers, context

MINUTE = 60


def http_boot(uri: str | None = None, *, enabled: bool = True) -> HttpBoot:
    return HttpBoot(None, False, None, uri, enabled, None)


class TestWindow:
    async def test_is_opened_with_the_digest_of_a_token_that_is_stored_nowhere(self):
        ctx = context(profile={"delivery": "uefi_http"})
        outcome = await netboot.open_window("install", lambda c: {"mode": "install"}).run(ctx)
        (window,) = outcome.effects
        assert isinstance(window, OpenWindow) and window.delivery == "uefi_http"
        assert window.uri_sha256 == secrets.digest(netboot.uri_token(ctx))

    async def test_another_operation_or_host_has_another_token(self):
        tokens = {
            netboot.uri_token(context(operation_id=op, host={"serial": serial}))
            for op in (1, 2)
            for serial in ("A", "B")
        }
        assert len(tokens) == 4


class TestAddress:
    async def test_is_set_with_a_permit(self):
        bmc = Answers(gives={"http_boot": http_boot()})
        ctx = context(bmc, profile={"http_interface": "NIC.1"})
        assert isinstance(await netboot.set_uri(ctx), Done)
        assert bmc.sent == [("set_http_boot", f"http://boot/u/{netboot.uri_token(ctx)}/ipxe.efi", "NIC.1")]
        assert ctx.intended == [("set the one-time UEFI HTTP address", False)]

    async def test_a_second_run_sends_nothing(self):
        uri = f"http://boot/u/{netboot.uri_token(context())}/ipxe.efi"
        bmc = Answers(gives={"http_boot": http_boot(uri)})
        ctx = context(bmc)
        assert isinstance(await netboot.set_uri(ctx), Done) and bmc.sent == ctx.intended == []

    async def test_by_pxe_there_is_none(self):
        bmc = Answers()
        assert isinstance(await netboot.set_uri(context(bmc, profile={"delivery": "pxe"})), Done) and bmc.sent == []


class TestOverride:
    @pytest.mark.parametrize(("delivery", "target"), [("uefi_http", "UefiHttp"), ("pxe", "Pxe")])
    async def test_is_set_once_and_marks_what_the_host_was_like(self, delivery, target):
        bmc = Answers()
        outcome = await netboot.set_override(context(bmc, profile={"delivery": delivery}))
        assert bmc.sent == [("set_boot_once", target)]
        assert outcome.result["before_reset"]["last_reset_at"] == "t0"

    async def test_a_second_run_sends_nothing(self):
        bmc = Answers(replace(STATE, override=Override("Once", "UefiHttp", None)))
        outcome = await netboot.set_override(context(bmc))
        assert bmc.sent == [] and outcome.result["before_reset"]["power"] == "On"


class TestBooted:
    async def test_the_agent_is_up(self):
        outcome = await netboot.booted(context(window={"boot_used_at": NOW, "asks": 1, "boot_id": "abcdef123456"}))
        assert isinstance(outcome, Done) and "abcdef12" in outcome.words

    async def test_a_failure_of_the_ramdisk_is_its_own_cause(self):
        outcome = await netboot.booted(context(window={"failed_code": "disk", "words": "no disk"}))
        assert (outcome.why, outcome.cause) == ("no disk", "disk")

    async def test_no_ask_yet_is_waited_for_without_a_call(self):
        bmc = Answers(AssertionError("nobody asks the BMC"))
        outcome = await netboot.booted(context(bmc, window={}))
        assert isinstance(outcome, Wait) and outcome.poked and outcome.why == "no ask yet"

    @pytest.mark.parametrize("asks", [1, 4])
    async def test_some_asks_are_waited_for(self, asks):
        outcome = await netboot.booted(context(window={"asks": asks, "stage": "script"}))
        assert isinstance(outcome, Wait) and f"asked {asks} times" in outcome.why

    async def test_many_asks_are_a_loop(self):
        """Eight boots in six minutes were seen."""
        outcome = await netboot.booted(context(window={"asks": 5}))
        assert isinstance(outcome, Fail) and outcome.cause == "boot_loop"

    async def test_asks_of_the_try_before_are_not_counted_again(self):
        outcome = await netboot.booted(context(window={"asks": 5}, result={"asks_before": 3}))
        assert isinstance(outcome, Wait) and "asked 2 times" in outcome.why

    async def test_silence_is_tried_once_more_from_the_override(self):
        bmc = Answers(replace(STATE, boot_progress="OSBootStarted"))
        outcome = await netboot.booted(context(bmc, waited_s=31 * MINUTE, window={}))
        assert isinstance(outcome, Retry) and outcome.back_to == "override"
        assert outcome.result == {"boot_tries": 1, "asks_before": 0}

    async def test_silence_again_is_a_failure_that_says_what_was_seen(self):
        """Lesson M17."""
        state = replace(STATE, boot_progress="OSBootStarted", override=Override("Once", "UefiHttp", None))
        outcome = await netboot.booted(
            context(Answers(state), waited_s=31 * MINUTE, window={}, result={"boot_tries": 1})
        )
        assert (outcome.cause, outcome.why) == (
            "no_network_boot", "no network boot in 31 min: power On, OSBootStarted, override UefiHttp Once",
        )  # fmt: skip

    @pytest.mark.parametrize("progress", sorted(netboot.IN_POST))
    async def test_a_slow_post_is_waited_for_a_hang_is_not(self, progress):
        bmc = Answers(replace(STATE, boot_progress=progress))
        slow = await netboot.booted(context(bmc, waited_s=31 * MINUTE, window={}))
        assert isinstance(slow, Wait) and "still in POST" in slow.why
        hung = await netboot.booted(context(bmc, waited_s=46 * MINUTE, window={}))
        assert isinstance(hung, Fail) and hung.cause == "post_hang"

    async def test_on_a_scaled_installation_silence_needs_half_a_minute(self):
        """Hosts ask in a queue behind all others, whatever the scale."""
        with override_settings(TIME_SCALE=600):
            outcome = await netboot.booted(context(Answers(AssertionError()), waited_s=29, window={}))
        assert isinstance(outcome, Wait)


class TestAdopted:
    """The ramdisk of a burn-in that has just ended is up: the install takes it over."""

    async def test_it_is_looked_for_with_a_fresh_look(self):
        assert isinstance(await netboot.adopt(context(window={}, waited_s=0)), Wait)
        assert (await netboot.adopt(context(window={}))).result == {"adopted": False}
        assert (await netboot.adopt(context(window={"boot_used_at": NOW}))).result == {"adopted": True}

    @pytest.mark.parametrize("step", [netboot.set_uri, netboot.set_override, netboot.restart], ids=lambda f: f.__name__)
    async def test_then_nothing_is_sent(self, step):
        bmc = Answers(AssertionError("nobody asks the BMC"))
        ctx = context(bmc, result={"adopted": True})
        assert isinstance(await step(ctx), Done) and ctx.intended == []

    async def test_it_takes_its_orders(self):
        outcome = await netboot.booted(
            context(window={"stage": "orders", "boot_id": "b" * 9}, result={"adopted": True})
        )
        assert isinstance(outcome, Done)

    async def test_or_is_waited_for_and_then_booted_anew(self):
        waiting = context(window={"stage": netboot.ADOPTED}, result={"adopted": True})
        assert isinstance(await netboot.booted(waiting), Wait)
        gone = context(window={"stage": netboot.ADOPTED, "asks": 2}, result={"adopted": True}, waited_s=7 * MINUTE)
        outcome = await netboot.booted(gone)
        assert isinstance(outcome, Retry) and outcome.back_to == "uri"
        assert outcome.result == {"adopted": False, "asks_before": 2}
