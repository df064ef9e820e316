"""Operations, their steps, log lines, and intents (engine.md)."""

from django.db import models

from fleet.models import Actor, Device, Site, Subject
from provisioning.models.campaigns import Campaign

# States in which an operation keeps its host: it waits for nobody but us, runs, or a person must look.
UNDER_WAY = ("queued", "active", "lost")


class Operation(Subject):
    """What someone asked for, on one device or on a site. Its queue, claim and place in its kind's steps.

    after: the operation of the same chain that must succeed first; cleared when it has. wake_at: when to look next,
    empty while it is held back by its campaign. fence: the number of the newest claim; a write with an older one writes
    nothing. claims: how many since its last outcome. pokes: counts what happened from outside (a boot event, a cancel),
    so that none falls between two looks. result: what its steps found, at most 64 kB. seen: the last observation, in
    words. wave: of its campaign, from 1. excused: it failed, and a person let its campaign go on all the same; it
    counts no more.
    Written often, so it has no index but those that something reads by.
    """

    kind = models.TextField()
    device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="operations", db_index=False)
    site = models.ForeignKey(Site, models.PROTECT, db_index=False)
    campaign = models.ForeignKey(Campaign, models.PROTECT, null=True, related_name="operations", db_index=False)
    after = models.ForeignKey("self", models.PROTECT, null=True, related_name="followers", db_index=False)
    chain_n = models.PositiveSmallIntegerField(default=0)
    wave = models.PositiveSmallIntegerField(default=0)
    excused = models.BooleanField(default=False)
    mutating = models.BooleanField(default=True)
    params = models.JSONField(default=dict)
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+", db_index=False)
    reason = models.TextField(blank=True, default="")
    step = models.PositiveSmallIntegerField(default=0)
    step_name = models.TextField(blank=True, default="")
    attempt = models.PositiveSmallIntegerField(default=1)
    wake_at = models.DateTimeField(null=True)
    pokes = models.PositiveIntegerField(default=0)
    waits_for = models.TextField(blank=True, default="")
    deadline_at = models.DateTimeField(null=True)
    step_started_at = models.DateTimeField(null=True)
    step_deadline_at = models.DateTimeField(null=True)
    fence = models.BigIntegerField(default=0)
    claims = models.PositiveSmallIntegerField(default=0)
    claimed_by = models.TextField(blank=True, default="")
    claimed_until = models.DateTimeField(null=True)
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    result = models.JSONField(default=dict)
    seen = models.TextField(blank=True, default="")
    cause = models.TextField(blank=True, default="")
    words = models.TextField(blank=True, default="")
    cancel_by = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+", db_index=False)
    cancel_reason = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"],
                name="one_mutating_operation",
                condition=models.Q(mutating=True, state__in=["", *UNDER_WAY], after__isnull=True),
            )
        ]
        indexes = [
            models.Index(
                fields=["wake_at"],
                name="operation_due",
                condition=models.Q(state__in=["queued", "active"], after__isnull=True, wake_at__isnull=False),
            ),
            models.Index(fields=["device", "-id"], name="operation_device"),
            models.Index(fields=["after"], name="operation_after", condition=models.Q(after__isnull=False)),
            models.Index(fields=["campaign", "state"], name="operation_campaign"),
            models.Index(fields=["state", "-id"], name="operation_state"),
            models.Index(
                fields=["claimed_by"], name="operation_claims", condition=models.Q(claimed_until__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Step(models.Model):
    """One outcome of one attempt at one step. outcome: done, retry, fail, cancelled, skipped."""

    operation = models.ForeignKey(Operation, models.PROTECT, related_name="steps", db_index=False)
    n = models.PositiveSmallIntegerField()
    name = models.TextField()
    attempt = models.PositiveSmallIntegerField()
    fence = models.BigIntegerField()
    started_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    outcome = models.TextField()
    words = models.TextField(blank=True, default="")
    traceback = models.TextField(blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["operation", "id"], name="step_operation")]

    def __str__(self) -> str:
        return f"{self.name}: {self.outcome}"


class Intent(models.Model):
    """What a step is about to do to hardware, committed before it is sent. settled_at: its outcome is on record."""

    operation = models.ForeignKey(Operation, models.PROTECT, related_name="intents", db_index=False)
    device = models.ForeignKey(Device, models.PROTECT, related_name="+")
    step = models.PositiveSmallIntegerField()
    attempt = models.PositiveSmallIntegerField()
    what = models.TextField()
    power = models.BooleanField(default=False)
    fence = models.BigIntegerField()
    at = models.DateTimeField()
    settled_at = models.DateTimeField(null=True)

    class Meta:
        indexes = [
            models.Index(fields=["operation", "id"], name="intent_operation"),
            models.Index(fields=["operation"], name="intent_unsettled", condition=models.Q(settled_at__isnull=True)),
        ]

    def __str__(self) -> str:
        return self.what


class LogLine(models.Model):
    """A line of an operation's log; by month (migration 0002)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    operation_id = models.BigIntegerField()
    source = models.TextField()
    line = models.TextField()

    class Meta:
        managed = False
        db_table = "provisioning_logline"

    def __str__(self) -> str:
        return self.line


class WorkerProcess(models.Model):
    """A turn worker's process, so that a start on the same machine frees the claims of those that are gone."""

    name = models.TextField(unique=True)
    machine = models.TextField()
    pid = models.PositiveIntegerField()
    started = models.TextField()
    seen_at = models.DateTimeField()

    def __str__(self) -> str:
        return self.name
