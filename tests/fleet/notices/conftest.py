"""Rules and findings for tests of notices, and who hears of them."""

from itertools import count

import pytest
from django.test import override_settings

from fleet import findings
from fleet.findings import Found
from fleet.models import Finding
from fleet.notices import rules
from tests.fleet.notices import peers
from tests.support import make

_numbers = count(1)


@pytest.fixture
def heard():
    with peers.receiver() as receiver, override_settings(URL="https://muster.example"):
        yield receiver


@pytest.fixture
def mails():
    with peers.mail_server() as box, override_settings(SMTP=box.settings(), MAIL_FROM="Muster <muster@fleet.example>"):
        yield box


def rule(heard, **changes):
    """A rule that tells this receiver, signed."""
    wanted = {"name": f"rule {next(_numbers)}", "channel": "webhook", "key": peers.KEY, "severity": "info", **changes}
    wanted.setdefault("target", heard.url + "/signed?token=whole-address")
    return rules.create(rules.Wanted(**wanted), actor=make.actor("A"))


def found(kind="psu_out", severity="warning", **more):
    """A finding that is open."""
    one = Found("health", kind, severity, more.pop("words", f"{kind} it is"), key=str(next(_numbers)), **more)
    findings.open([one])
    return Finding.objects.get(stable_id=one.stable_id)
