"""Resets by the journal against intents: what counts as doubled."""

from bench.rig import resets


def applied(host, intent, event="reset_applied"):
    return {"event": event, "host": host, "intent": intent, "kind": "ForceRestart"}


def judge(*journal, intents, retries=None):
    return resets.judge(journal, intents=intents, retries=retries or {})


def test_one_reset_each_with_its_intent_is_right():
    noise = [{"event": "guest_reset", "host": "h1"}, {"event": "claim", "host": "h1", "status": 200}]
    found = judge(*noise, applied("h1", "1"), applied("h2", "2"), intents={"h1": 1, "h2": 1, "h3": 1})
    assert (found.asked, found.wrong) == (2, 0)


def test_an_intent_that_never_reached_its_bmc_is_right():
    assert judge(intents={"h1": 1}).wrong == 0


def test_a_reset_without_an_intent():
    found = judge(applied("h1", None), intents={})
    assert (found.without_intent, found.beyond_intents, found.doubled) == (1, 1, 0)


def test_an_intent_used_twice():
    found = judge(applied("h1", "1"), applied("h1", "1", "reset_moot"), intents={"h1": 1})
    assert (found.intents_reused, found.beyond_intents, found.doubled) == (1, 1, 1)


def test_a_second_reset_needs_a_retry_on_record():
    twice = (applied("h1", "1"), applied("h1", "2"))
    assert judge(*twice, intents={"h1": 2}).doubled == 1
    assert judge(*twice, intents={"h1": 2}, retries={"h1": 1}).wrong == 0
