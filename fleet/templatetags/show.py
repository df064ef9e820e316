"""How pages show states, times, durations and links, so that every page shows them alike."""

import json
from datetime import datetime, timedelta
from typing import Any

from django import template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString

from fleet.models import ROLES
from fleet.states import KINDS, group_of

register = template.Library()


def in_words(state: str) -> str:
    """A state, kind, cause or step as people say it."""
    return state.replace("_", " ")


register.filter("words", in_words)


@register.simple_tag
def state(kind: str, name: str, busy: Any = None, group: str = "") -> SafeString:
    """A state as word and shape in the colours of its group. busy: something truthy while an operation works on it.

    group: where more than the state decides, as for a host with a finding.
    """
    group = group or ("busy" if busy else group_of(kind, name))
    means = next((s.means for s in KINDS[kind].states if s.name == name), "")
    return _badge(group, in_words(name) or "new", means)


@register.simple_tag
def health(name: str) -> SafeString:
    """The health of a host. Nobody has looked yet: "unknown", never shown as ok; what is only told has no colour."""
    group = {"ok": "ok", "warning": "warn", "critical": "bad"}.get(name, "none")
    return _badge(group, name, "the worst open finding")


@register.simple_tag
def outcome(name: str) -> SafeString:
    """The outcome of a step."""
    group = {"done": "ok", "retry": "warn", "fail": "bad", "running": "busy"}.get(name, "out")
    return _badge(group, {"fail": "failed"}.get(name, name), "")


@register.simple_tag
def severity(name: str) -> SafeString:
    """The severity of a finding."""
    return _badge({"warning": "warn", "critical": "bad"}.get(name, "none"), name, "")


GROUP_WORDS = {"ok": "well", "busy": "working", "warn": "warning", "bad": "fault", "out": "out", "none": "unknown"}


@register.simple_tag(name="group")
def group_badge(name: str) -> SafeString:
    """A colour group by its word."""
    return _badge(name, GROUP_WORDS[name], "")


@register.simple_tag
def shape(group: str) -> SafeString:
    """The shape of a group alone, where its word stands elsewhere."""
    drawn = '<svg class="shape" aria-hidden="true" width="12" height="12"><use href="#shape-{}"></use></svg>'
    return format_html(drawn, group)


def _badge(group: str, word: str, means: str) -> SafeString:
    drawn = shape(group) if group != "none" else ""
    return format_html('<span class="state {}" title="{}">{}{}</span>', group, means, drawn, word)


@register.filter
def when(value: datetime | None) -> SafeString | str:
    """A time as 12:03:07, with its date when that is not today; in full on hover. UTC."""
    if value is None:
        return ""
    now = timezone.now()
    pattern = "%H:%M:%S" if value.date() == now.date() else "%Y-%m-%d %H:%M:%S"
    full = value.strftime("%Y-%m-%d %H:%M:%S UTC")
    return format_html('<time datetime="{}" title="{}">{}</time>', value.isoformat(), full, value.strftime(pattern))


@register.filter
def since(value: datetime | None) -> str:
    """How long ago, as 2 h 10 min."""
    return "" if value is None else duration(timezone.now() - value)


@register.filter
def is_past(value: datetime) -> bool:
    """Whether a moment has come."""
    return value <= timezone.now()


@register.filter
def until(end: datetime | None, start: datetime | None) -> str:
    """How long something took, or has taken so far."""
    return "" if start is None else duration((end or timezone.now()) - start)


def duration(span: timedelta) -> str:
    """A span in its two greatest units."""
    total = max(0, int(span.total_seconds()))
    days, rest = divmod(total, 86400)
    hours, rest = divmod(rest, 3600)
    minutes, seconds = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (minutes, "min"), (seconds, "s")]
    first = next((n for n, (value, _) in enumerate(parts) if value), len(parts) - 1)
    return " ".join(f"{value} {unit}" for value, unit in parts[first : first + 2] if value or unit == "s")


@register.filter
def span(value: timedelta | None) -> str:
    """A span of time."""
    return "" if value is None else duration(value)


@register.filter
def usually(spans: tuple[timedelta, timedelta]) -> str:
    """From and to of what most took, as 11 to 14 min."""
    low, high = (max(1, round(s.total_seconds())) for s in spans)
    unit, word = next(((u, w) for u, w in ((86400, "d"), (3600, "h"), (60, "min")) if low >= 2 * u), (1, "s"))
    first, last = low // unit, -(-high // unit)
    return f"{first} {word}" if first == last else f"{first} to {last} {word}"


@register.filter
def seconds(n: float | None) -> str:
    """A number of seconds as a span."""
    return "" if n is None else duration(timedelta(seconds=n))


@register.filter
def role(letter: str) -> str:
    """The role of a letter."""
    return ROLES.get(letter, letter)


@register.filter
def pretty(data: Any) -> str:
    """Data as JSON that people can read."""
    return json.dumps(data, indent=2, ensure_ascii=False, default=str)


@register.filter
def at(names: dict[str, Any], name: str) -> Any:
    """What a table has under a name that a template holds in a variable."""
    return names.get(name, "")


@register.simple_tag
def query(filters: dict[str, Any], drop: str = "", **changes: Any) -> str:
    """The query string of these filters with some changed and one dropped; empty ones are left out."""
    return urlencode({k: v for k, v in {**filters, **changes}.items() if v not in (None, "") and k != drop})
