"""Reviews: what somebody is about to do, shown before anything happens, and what came of it."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

from fleet.models.history import Actor


class Review(models.Model):
    """An act on hosts that are stored with what they were: shown, confirmed by who asked, then by a second person.

    code: its address. verb: a word of provisioning.engine.verbs; '' while hosts are chosen and nothing else. rules: of
    a campaign. select: how the hosts were found, {"hosts": names} or {"filters"}. hosts, states, seqs, operations: in
    one order; 0 for no operation. shows: what was shown (provisioning.engine.blast). second: a word of
    fleet.second.ACTS where another person must confirm. asked_at: who asked has confirmed. led_to: {noun: ids}.
    Written by provisioning.engine.act, the second person by fleet.second.
    """

    code = models.TextField(unique=True)
    verb = models.TextField(blank=True, default="")
    params = models.JSONField(default=dict)
    rules = models.JSONField(default=dict)
    select = models.JSONField(default=dict)
    hosts = ArrayField(models.BigIntegerField())
    states = ArrayField(models.TextField())
    seqs = ArrayField(models.IntegerField())
    operations = ArrayField(models.BigIntegerField())
    shows = models.JSONField(default=dict)
    second = models.TextField(blank=True, default="")
    reason = models.TextField(blank=True, default="")
    asked_by = models.ForeignKey(Actor, models.PROTECT, related_name="+", db_index=False)
    made_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    asked_at = models.DateTimeField(null=True)
    confirmed_by = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+", db_index=False)
    confirmed_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    led_to = models.JSONField(default=dict)

    class Meta:
        indexes = [
            models.Index(fields=["valid_until"], name="act_waiting", condition=Q(done_at=None) & ~Q(asked_at=None)),
            models.Index(fields=["made_at"], name="review_unused", condition=Q(asked_at=None)),
        ]

    def __str__(self) -> str:
        return f"{self.verb} {self.code}"
