"""How pages show states, times and spans."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine
from django.template import Context, Template

from fleet.states import KINDS
from fleet.templatetags import show

GROUPS = {"ok", "busy", "warn", "bad", "out"}


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_state_has_a_colour_group_a_shape_and_a_word(kind):
    for state in KINDS[kind].states:
        assert state.group in GROUPS
        drawn = show.state(kind, state.name)
        assert f'class="state {state.group}"' in drawn
        assert f"#shape-{state.group}" in drawn
        assert drawn.endswith(f"{state.name.replace('_', ' ')}</span>")


def test_an_operation_under_way_makes_it_busy():
    assert 'class="state busy"' in show.state("host", "cabled", busy=7)


@pytest.mark.parametrize(("health", "group"), [("ok", "ok"), ("critical", "bad"), ("warning", "warn")])
def test_health(health, group):
    assert f'class="state {group}"' in show.health(health)


def test_what_nobody_knows_is_never_shown_as_ok():
    drawn = show.health("unknown")
    assert 'class="state none"' in drawn
    assert "svg" not in drawn


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min 0 s"), (7800, "2 h 10 min"), (7200, "2 h"), (90061, "1 d 1 h"), (-5, "0 s")],
)
def test_spans_in_their_two_greatest_units(seconds, words):
    assert show.duration(timedelta(seconds=seconds)) == words


@time_machine.travel("2026-01-31T12:00:00Z", tick=False)
def test_times():
    today, before = datetime(2026, 1, 31, 9, 5, 7, tzinfo=UTC), datetime(2026, 1, 30, 9, 5, 7, tzinfo=UTC)
    assert ">09:05:07</time>" in show.when(today)
    assert 'title="2026-01-31 09:05:07 UTC"' in show.when(today)
    assert ">2026-01-30 09:05:07</time>" in show.when(before)
    assert show.when(None) == show.since(None) == show.until(today, None) == ""
    assert show.since(before) == "1 d 2 h"
    assert show.until(today, before) == "1 d"
    assert show.until(None, today) == "2 h 54 min"


def test_nothing_is_trusted_as_markup():
    template = Template("{% load show %}{{ data|pretty }} {% query filters cursor=more %}")
    text = template.render(Context({"data": {"x": "<b>"}, "filters": {"q": "<b>&", "state": ""}, "more": None}))
    assert "<b>" not in text
    assert "q=%3Cb%3E%26" in text
    assert "state" not in text
    assert "&lt;script&gt;" in show.state("host", "<script>")
