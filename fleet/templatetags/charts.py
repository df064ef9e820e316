"""Charts as SVG that the server draws: by classes and attributes, with a title for each piece and a table beside."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from fleet.states import group_of
from fleet.templatetags.show import duration, in_words

register = template.Library()

WIDTH, HEIGHT, TOP = 960, 48, 24
Span = tuple[str, datetime, datetime]  # state, from, to
LETTER = 7  # of 12 px text, as wide as it gets on average


@register.simple_tag
def timeline(kind: str, moves: Sequence[Mapping[str, Any]], days: int = 7) -> SafeString:
    """The states of one subject over the last days, one block each. moves: its transitions, the latest first."""
    now = timezone.now()
    start = now - timedelta(days=days)
    spans = _spans(moves, start, now)
    words = (
        "; ".join(f"{in_words(state)} {duration(end - begun)}" for state, begun, end in spans) or "nothing on record"
    )
    blocks = format_html_join("", "{}", ((_block(kind, span, start, now),) for span in spans))
    return format_html(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="States of the last {} days: {}">{}{}</svg>',
        WIDTH, HEIGHT, days, words, blocks, _axis(start, now),
    )  # fmt: skip


def _spans(moves: Sequence[Mapping[str, Any]], start: datetime, now: datetime) -> list[Span]:
    """What can be seen, the oldest first."""
    spans, end = [], now
    for move in moves:
        begun = max(move["at"], start)
        if end > begun:
            spans.append((move["to_state"], begun, end))
        end = begun
        if move["at"] <= start:
            break
    return spans[::-1]


def _x(at: datetime, start: datetime, now: datetime) -> float:
    return round(WIDTH * ((at - start) / (now - start)), 1)


def _block(kind: str, span: Span, start: datetime, now: datetime) -> SafeString:
    state, begun, end = span
    left = _x(begun, start, now)
    width = max(_x(end, start, now) - left, 1)
    group, word = group_of(kind, state), in_words(state)
    label: str | SafeString = ""
    if width > len(word) * LETTER + 8:
        label = format_html('<text class="{}-ink" x="{}" y="16">{}</text>', group, left + 4, word)
    return format_html(
        '<g><title>{} since {}, for {}</title><rect class="{}" x="{}" y="0.5" width="{}" height="{}"/>{}</g>',
        word, f"{begun:%Y-%m-%d %H:%M}", duration(end - begun), group, left, width, TOP - 1, label,
    )  # fmt: skip


def _axis(start: datetime, now: datetime) -> SafeString:
    """A tick at each midnight."""
    first = (start + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    days = [first + timedelta(days=n) for n in range((now - first).days + 1)]
    return format_html_join(
        "",
        '<path class="axis" d="M{} {}v4"/><text x="{}" y="{}">{}</text>',
        ((_x(d, start, now), TOP, _x(d, start, now) + 2, HEIGHT - 6, f"{d:%b} {d.day}") for d in days),
    )
