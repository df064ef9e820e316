"""Rules: make, change, delete. The address of a webhook or chat and the key that signs are stored encrypted."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import time
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.db.models.functions import Now
from psycopg.errors import UniqueViolation

from fleet import findings, secrets
from fleet.errors import BadValue, NotFound, WrongState
from fleet.models import Actor, NoticeRule, Secret
from fleet.models.evidence import SEVERITIES
from fleet.models.notices import CHANNELS

KEY_LEAST, KEY_MOST = 16, 200
ADDRESS_MOST = 1000
WORD = re.compile(r"[a-z][a-z0-9_]{0,49}")
WORDS_MOST = 50
MINUTES_MOST = 7 * 24 * 60


@dataclass(frozen=True)
class Wanted:
    """A rule as somebody wants it. target, key: empty for what stands already. key: signs a webhook."""

    name: str
    channel: str
    target: str = ""
    key: str = ""
    site_id: int | None = None
    severity: str = "warning"
    domains: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    quiet_from: time | None = None
    quiet_until: time | None = None
    critical_breaks_quiet: bool = True
    escalate_after_min: int | None = None
    escalate_to_id: int | None = None
    tell_closed: bool = False
    active: bool = True


PLAIN = ("name", "channel", "site_id", "severity", "quiet_from", "quiet_until", "critical_breaks_quiet",
         "escalate_after_min", "escalate_to_id", "tell_closed", "active")  # fmt: skip


def create(wanted: Wanted, *, actor: Actor) -> NoticeRule:
    """A new rule. What stands open already is told by it too, in one message when it is much.

    Raises BadValue (422), WrongState (409) for a name that is taken.
    """
    return _write(NoticeRule(), wanted, actor)


def change(rule_id: int, changes: Mapping[str, Any], *, actor: Actor) -> NoticeRule:
    """Change these fields of Wanted; what waits is tried again at once. Raises as create(), NotFound (404)."""
    with transaction.atomic():
        rule = _locked(rule_id)
        stands = {name: getattr(rule, name) for name in PLAIN}
        stands |= {"domains": tuple(rule.domains), "kinds": tuple(rule.kinds)}
        return _write(rule, Wanted(**{**stands, **changes}), actor)


def delete(rule_id: int, *, actor: Actor) -> None:
    """It tells nothing any more, not even what waits; what it told is kept.

    Raises NotFound (404), WrongState (409) when others escalate to it.
    """
    with transaction.atomic():
        rule = _locked(rule_id)
        above = list(NoticeRule.objects.filter(escalate_to=rule, deleted_at=None).values_list("name", flat=True))
        if above:
            title = f"rule {rule.name} is escalated to by {', '.join(sorted(above))}"
            raise WrongState(title, field="id", value=rule_id, hint="change these first")
        NoticeRule.objects.filter(pk=rule_id).update(deleted_at=Now(), active=False, changed_by=actor, secret=None)
        rule.notices.filter(state="waiting").update(state="dropped", ended_at=Now())
        Secret.objects.filter(name=_secret_name(rule)).delete()
        findings.close(Q(kind="not_told", stable_id=f"notices:not_told:{rule_id}"), words="the rule was deleted")


def address_of(rule: NoticeRule) -> tuple[str, str]:
    """Where its messages go, and the key that signs them."""
    if rule.secret is None:
        return rule.target, ""
    kept = json.loads(secrets.decrypt(bytes(rule.secret.ciphertext)))
    return kept["address"], kept["key"]


def _secret_name(rule: NoticeRule) -> str:
    return f"notice_rule:{rule.pk}"


def _locked(rule_id: int) -> NoticeRule:
    rows = NoticeRule.objects.select_related("secret").select_for_update(of=("self",), no_key=True)
    rule = rows.filter(pk=rule_id, deleted_at=None).first()
    if rule is None:
        raise NotFound(f"there is no rule {rule_id}", field="id", value=rule_id)
    return rule


def _write(rule: NoticeRule, wanted: Wanted, actor: Actor) -> NoticeRule:
    _check(rule, wanted)
    has_target = bool(rule.pk) and rule.channel == wanted.channel
    stands = address_of(rule) if has_target else ("", "")
    address, key = _address(wanted, stands[0]), wanted.key or stands[1]
    if wanted.channel == "webhook" and not KEY_LEAST <= len(key) <= KEY_MOST:
        expected = f"{KEY_LEAST} to {KEY_MOST} characters that the receiver knows too"
        raise BadValue("a webhook needs a key to sign with", field="key", expected=expected)
    for name in PLAIN:
        setattr(rule, name, getattr(wanted, name))
    rule.domains, rule.kinds, rule.changed_by, rule.retry_at = list(wanted.domains), list(wanted.kinds), actor, None
    rule.target = address if wanted.channel == "mail" else _shown(address)
    try:
        with transaction.atomic():
            rule.save()
            _seal(rule, address, key)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        raise WrongState(f"there is a rule {wanted.name!r} already", field="name", value=wanted.name) from error
    return rule


def _seal(rule: NoticeRule, address: str, key: str) -> None:
    kept = None
    if rule.channel != "mail":
        kept = secrets.store(_secret_name(rule), json.dumps({"address": address, "key": key}))
    rule.secret = kept
    rule.save(update_fields=["secret"])
    if kept is None:
        Secret.objects.filter(name=_secret_name(rule)).delete()


def _check(rule: NoticeRule, wanted: Wanted) -> None:
    for name, value, known in (("channel", wanted.channel, CHANNELS), ("severity", wanted.severity, SEVERITIES)):
        if value not in known:
            raise BadValue(f"there is no {name} {value!r}", field=name, value=value, expected=", ".join(known))
    if not 1 <= len(wanted.name) <= 60 or not wanted.name.isprintable():
        raise BadValue("a name is needed", field="name", value=wanted.name[:60], expected="1 to 60 characters, a line")
    for name, listed in (("domains", wanted.domains), ("kinds", wanted.kinds)):
        if len(listed) > WORDS_MOST or not all(WORD.fullmatch(word) for word in listed):
            expected = "words as findings have them, such as health or psu_out"
            raise BadValue(f"{name} hold something else", field=name, value=", ".join(listed)[:200], expected=expected)
    if (wanted.quiet_from is None) != (wanted.quiet_until is None) or (
        wanted.quiet_from is not None and wanted.quiet_from == wanted.quiet_until
    ):
        raise BadValue("quiet hours need a beginning and another end", field="quiet_until", expected="such as 07:00")
    _check_escalation(rule, wanted)


def _check_escalation(rule: NoticeRule, wanted: Wanted) -> None:
    after, to = wanted.escalate_after_min, wanted.escalate_to_id
    if (after is None) != (to is None):
        field = "escalate_to" if to is None else "escalate_after_min"
        raise BadValue("an escalation needs minutes and a rule", field=field, expected="both or none")
    if after is None or to is None:
        return
    if not 1 <= after <= MINUTES_MOST:
        expected = f"1 to {MINUTES_MOST} minutes"
        raise BadValue("escalation after such a time", field="escalate_after_min", value=after, expected=expected)
    if to == rule.pk or not NoticeRule.objects.filter(pk=to, deleted_at=None).exists():
        raise BadValue("there is no other rule of that id", field="escalate_to", value=to, expected="another rule")


def _address(wanted: Wanted, stands: str) -> str:
    """The address to use, checked again even if it stands: what is allowed may have changed."""
    address = wanted.target or stands
    if wanted.channel == "mail":
        return _mail_address(address)
    try:
        parts = urlsplit(address)
        is_whole = bool(parts.hostname) and (parts.port is None or parts.port > 0) and parts.username is None
    except ValueError:
        is_whole = False
    is_plain = is_whole and (parts.scheme == "http" and (settings.NOTICE_PLAIN or is_loopback(parts.hostname or "")))
    if (
        not is_whole
        or not (parts.scheme == "https" or is_plain)
        or len(address) > ADDRESS_MOST
        or not address.isascii()
    ):
        raise BadValue("this address cannot be used", field="target", expected="https://host/path, without a sign-in")
    if not address.isprintable() or " " in address:
        raise BadValue("this address cannot be used", field="target", expected="an address without blanks")
    return address


def _mail_address(address: str) -> str:
    try:
        validate_email(address)
    except ValidationError as error:
        expected = "one address, such as oncall@example.org; a list or another rule for more"
        raise BadValue("no mail address", field="target", value=address[:200], expected=expected) from error
    if settings.SMTP is None:
        hint = "an admin of the machine sets MUSTER_SMTP_URL and MUSTER_MAIL_FROM"
        raise BadValue("no mail server is set", field="channel", value="mail", expected="webhook or chat", hint=hint)
    return address


def is_loopback(host: str) -> bool:
    """Whether this host of a URL is this machine."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _shown(address: str) -> str:
    """What may be shown of a URL: chat tools let anybody write who knows the rest."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}/…"
