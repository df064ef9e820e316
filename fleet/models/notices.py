"""Who is told of which findings, by which way, and what was told."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from fleet.models.access import Secret
from fleet.models.evidence import SEVERITIES, Finding
from fleet.models.places import Site, one_of

CHANNELS = ["mail", "webhook", "chat"]
WHYS = ["opened", "escalated", "closed", "test"]
NOTICE_STATES = ["waiting", "sent", "failed", "dropped"]


class NoticeRule(models.Model):
    """Tell somebody of findings. Written by fleet.notices.

    target: the mail address; of a webhook or chat only its host, since who has the whole address may write there: that
    is in `secret`, with the key that signs. domains, kinds: of either; none of both means all. quiet_from, quiet_until:
    hours of the site (UTC without one). escalate_after_min: from when it was told. sending_until, sending_by: who
    sends for this rule now. retry_at: not before, after a failure. deleted_at: kept for what it told.
    """

    name = models.TextField()
    site = models.ForeignKey(Site, models.PROTECT, null=True, related_name="+")
    severity = models.TextField(default="warning")
    domains = ArrayField(models.TextField(), default=list)
    kinds = ArrayField(models.TextField(), default=list)
    channel = models.TextField()
    target = models.TextField()
    secret = models.OneToOneField(Secret, models.SET_NULL, null=True, related_name="+")
    quiet_from = models.TimeField(null=True)
    quiet_until = models.TimeField(null=True)
    critical_breaks_quiet = models.BooleanField(default=True)
    escalate_after_min = models.PositiveIntegerField(null=True)
    escalate_to = models.ForeignKey("self", models.PROTECT, null=True, related_name="+")
    tell_closed = models.BooleanField(default=False)
    active = models.BooleanField(default=True)
    changed_by = models.ForeignKey("fleet.Actor", models.PROTECT, related_name="+", db_index=False)
    changed_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    sending_until = models.DateTimeField(null=True)
    sending_by = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            one_of("severity", SEVERITIES, "rule_severity"),
            one_of("channel", CHANNELS, "rule_channel"),
            models.UniqueConstraint(fields=["name"], name="rule_once", condition=Q(deleted_at__isnull=True)),
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_until__isnull=True)
                | Q(quiet_from__isnull=False, quiet_until__isnull=False),
                name="rule_quiet_whole",
            ),
            models.CheckConstraint(
                condition=Q(escalate_after_min__isnull=True, escalate_to__isnull=True)
                | Q(escalate_after_min__isnull=False, escalate_to__isnull=False),
                name="rule_escalates_whole",
            ),
            models.CheckConstraint(
                condition=Q(escalate_to__isnull=True) | ~Q(escalate_to=F("id")), name="rule_not_to_itself"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class Notice(models.Model):
    """One thing to tell by one rule. Those that went out in one message share its delivery, also when it is sent again.

    finding: None for a test. held: came in quiet hours. subject: what the message said. ended_at: sent, given up or
    dropped. error: why the last try failed.
    """

    rule = models.ForeignKey(NoticeRule, models.PROTECT, related_name="notices", db_index=False)
    finding = models.ForeignKey(Finding, models.PROTECT, null=True, related_name="notices", db_index=False)
    why = models.TextField()
    state = models.TextField(default="waiting")
    held = models.BooleanField(default=False)
    delivery = models.UUIDField(null=True)
    subject = models.TextField(blank=True, default="")
    tries = models.PositiveSmallIntegerField(default=0)
    made_at = models.DateTimeField(auto_now_add=True)
    ended_at = models.DateTimeField(null=True)
    error = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            one_of("why", WHYS, "notice_why"),
            one_of("state", NOTICE_STATES, "notice_state"),
            models.UniqueConstraint(fields=["finding", "rule", "why"], name="notice_once"),
            models.CheckConstraint(condition=Q(why="test") | Q(finding__isnull=False), name="notice_of_something"),
        ]
        indexes = [
            models.Index(fields=["rule", "id"], name="notice_waiting", condition=Q(state="waiting")),
            models.Index(fields=["rule", "-id"], name="notice_rule"),
        ]

    def __str__(self) -> str:
        return f"{self.why} by rule {self.rule_id}"
