"""What a notice says, in plain text and as data. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

SUBJECT_MOST = 78  # a line of a mail's header (RFC 5322)
NAMES = 10
LISTED = 100
SEVEREST = ("critical", "warning", "info")
LINKS = {"campaign": "/campaigns/{id}/", "operation": "/operations/{id}/"}
BECAUSE = {
    "opened": "because it was opened",
    "escalated": "because nobody acknowledged it in time",
    "closed": "because it is over",
}


@dataclass(frozen=True)
class Message:
    """One message of a rule. why: of its notices; "digest" for what quiet hours held back, "many" for too many at once.

    findings: at most 100 of them, as data. count: how many there are.
    """

    why: str
    subject: str
    text: str
    count: int
    by_kind: Mapping[str, int]
    findings: Sequence[Mapping[str, Any]]


def message(why: str, told: Sequence[Mapping[str, Any]], *, rule: str, url: str) -> Message:
    """What is said of these findings. told: rows of run.TOLD. url: where Muster's pages are, without a slash."""
    if why == "test":
        return _test(rule, url)
    if why not in ("digest", "many"):
        subject, text = _subject(why, told[0]), _one(why, told[0], rule, url)
    else:
        subject, text = _many(why, told, rule, url)
    kinds = dict(Counter(row["kind"] for row in told).most_common())
    return Message(why, line(subject), text, len(told), kinds, [_plain(row, url) for row in told[:LISTED]])


def _test(rule: str, url: str) -> Message:
    text = f"This is a test of rule {rule}: what it tells comes here.\n\nLook: {url}/policy/notices/\n"
    return Message("test", line(f"Test of rule {rule}"), text, 0, {}, [])


def line(text: str) -> str:
    """A text as one line that fits a header: no line break, nothing that cannot be printed, not too long."""
    plain = "".join(c if c.isprintable() else " " for c in text).strip()
    return plain if len(plain) <= SUBJECT_MOST else plain[: SUBJECT_MOST - 1] + "…"


def _words(name: str) -> str:
    return name.replace("_", " ")


def _about(row: Mapping[str, Any]) -> str:
    """What it is about: a host's name, else the first subject."""
    if row["host"]:
        return str(row["host"])
    subject = (row["subjects"] or [{}])[0]
    if subject.get("kind") == "site":
        return str(row["site"])
    called = subject.get("name") or subject.get("place") or f"{subject.get('kind', '')} {subject.get('id', '')}"
    return str(called).strip() or str(row["domain"])


def _subject(why: str, row: Mapping[str, Any]) -> str:
    what = f"{_about(row)}: {_words(row['kind'])}"
    if why == "closed":
        return f"[over] {what}"
    before = "[not acknowledged] " if why == "escalated" else ""
    return f"{before}[{row['severity']}] {what}"


def _one(why: str, row: Mapping[str, Any], rule: str, url: str) -> str:
    facts = [
        ("Where", where(row)),
        ("Since", when(row["opened_at"])),
        ("Cause", _words(row["cause"])),
        ("Owner", owner(row)),
        ("Seen by", f"{row['acknowledged_by']}: {row['acknowledged_words']}" if row["acknowledged_by"] else ""),
        ("Over since", f"{when(row['closed_at'])}: {row['closed_words']}" if row["closed_at"] else ""),
        ("Look", link(row, url)),
        ("Told", f"by rule {rule}, {BECAUSE[why]}"),
    ]
    head = f"{_about(row)}: {_words(row['kind'])} ({row['severity']})\n{row['words']}\n"
    return head + "\n" + "".join(f"{name}: {value}\n" for name, value in facts if value)


def _many(why: str, told: Sequence[Mapping[str, Any]], rule: str, url: str) -> tuple[str, str]:
    kinds = Counter(_words(row["kind"]) for row in told).most_common()
    counts = ", ".join(f"{n} {kind}" for kind, n in kinds)
    worst = next(severity for severity in SEVEREST if any(row["severity"] == severity for row in told))
    when_ = " in quiet hours" if why == "digest" else ""
    subject = f"[{worst}] {len(told)} finding{'s' if len(told) > 1 else ''}{when_}: {counts}"
    by_worst = sorted(told, key=lambda row: SEVEREST.index(row["severity"]))
    lines = [_short(row) for row in by_worst[:NAMES]]
    if len(told) > NAMES:
        lines.append(f"and {len(told) - NAMES} more")
    text = f"{len(told)} findings{when_}: {counts}\n\n" + "\n".join(lines)
    return subject, f"{text}\n\nLook: {url}/\nTold: by rule {rule}, in one message\n"


def _short(row: Mapping[str, Any]) -> str:
    over = f" (over since {when(row['closed_at'])})" if row["closed_at"] else ""
    place = f", {where(row)}" if row["host"] else ""
    return f"- [{row['severity']}] {_about(row)}: {_words(row['kind'])}, since {when(row['opened_at'])}{place}{over}"


def where(row: Mapping[str, Any]) -> str:
    """Site, row, rack and unit, as far as they are known."""
    named = (("", "site"), ("row ", "row"), ("rack ", "rack"), ("unit ", "unit"))
    return ", ".join(f"{before}{row[name]}" for before, name in named if row[name] not in (None, ""))


def when(moment: datetime | None) -> str:
    """A moment in UTC, to the minute."""
    return moment.strftime("%Y-%m-%d %H:%M UTC") if moment else ""


def owner(row: Mapping[str, Any]) -> str:
    """Who mends it, and how they are reached."""
    reached = ", ".join(row[name] for name in ("owner_contact", "owner_phone", "owner_mail") if row[name])
    return f"{row['owner']} ({reached})" if row["owner"] and reached else row["owner"] or ""


def link(row: Mapping[str, Any], url: str) -> str:
    """The page that shows it."""
    subject = (row["subjects"] or [{}])[0]
    if row["host"]:
        return f"{url}/hosts/{row['host']}/"
    if row["operation"]:
        return f"{url}/operations/{row['operation']}/"
    return url + LINKS.get(subject.get("kind", ""), "/").format(id=subject.get("id"))


PLAIN = ("stable_id", "domain", "kind", "severity", "words", "cause", "owner", "host", "site", "row", "rack", "unit",
         "operation", "subjects", "acknowledged_by")  # fmt: skip


def _plain(row: Mapping[str, Any], url: str) -> dict[str, Any]:
    times = {name: _iso(row[name]) for name in ("opened_at", "acknowledged_at", "closed_at")}
    told = {"id": row["finding"], "why": row["why"], "link": link(row, url)}
    return told | {name: row[name] for name in PLAIN} | times


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat().replace("+00:00", "Z") if moment else None
