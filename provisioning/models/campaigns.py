"""Many operations under one request."""

from django.db import models

from fleet.models import Actor, Site, Subject


class Campaign(Subject):
    """One request over many hosts. at_once: how many hosts may have an operation under way, empty for all."""

    kind = models.TextField()
    site = models.ForeignKey(Site, models.PROTECT)
    select = models.JSONField(default=dict)
    params = models.JSONField(default=dict)
    at_once = models.PositiveIntegerField(null=True)
    hosts = models.PositiveIntegerField(default=0)
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["state", "-id"], name="campaign_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"
