"""The history is verified once a day; a chain that is broken is for people at once."""

import logging
from datetime import timedelta
from typing import Any

from django.utils import timezone

from fleet import findings, lifecycle
from fleet.findings import Found
from fleet.models import Evidence

log = logging.getLogger("muster.history")

EVERY = timedelta(hours=23, minutes=30)  # asked for every hour: each day at about the same time


def check(*, every: timedelta = EVERY) -> dict[str, Any] | None:
    """Verify every chain and keep the result as evidence; None when that was done a short while ago.

    A broken one opens a finding, which a person closes: a tampered history does not mend itself.
    """
    if Evidence.objects.filter(kind="history", at__gt=timezone.now() - every).exists():
        return None
    found = lifecycle.verify()
    broken = found["first_broken"]
    words = f"{found['rows']} transitions in {found['chains']} chains, heads {found['heads_sha256'][:12]}"
    words = f"{words}: {_where(broken)}" if broken else f"{words}: as they were written"
    seen = Evidence.objects.create(at=timezone.now(), kind="history", words=words, data=found)
    if broken:
        log.error("the history is broken: %s", words)
        subject = {"kind": broken["kind"], "id": broken["subject"]}
        said = f"the history was changed behind Muster's back: {_where(broken)}"
        findings.open([Found("history", "history_broken", "critical", said, subjects=[subject], evidence=[seen.pk])])
    return found


def _where(broken: dict[str, Any]) -> str:
    number = f", transition {broken['transition']}" if broken["transition"] else ""
    return f"{broken['kind']} {broken['subject']}{number}: {broken['words']}"
