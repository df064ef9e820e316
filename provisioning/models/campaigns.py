"""Many operations under one request, and the brakes on how many hosts may leave service."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models import Actor, Site, Subject


class Campaign(Subject):
    """One request over many hosts, in waves. Columns that may be empty: no such limit.

    waves: as they were asked for; sizes: how many hosts each one has. at_once: how many hosts may be under way.
    bake_s: how long a wave must be over before the next, in field time. budget: so many failures halt it. floor: so
    many hosts of the site stay in service. limits: how many hosts of one {"rack", "leaf", "feed"} may be under way.
    opens, closes: of the site's day; until: nothing begins after that. on_common_cause: failures of one cause halt it.
    """

    kind = models.TextField()
    site = models.ForeignKey(Site, models.PROTECT)
    select = models.JSONField(default=dict)
    params = models.JSONField(default=dict)
    waves = models.JSONField(default=list)
    sizes = ArrayField(models.PositiveIntegerField(), default=list)
    at_once = models.PositiveIntegerField(null=True)
    bake_s = models.PositiveIntegerField(default=0)
    budget = models.PositiveIntegerField(null=True)
    floor = models.PositiveIntegerField(null=True)
    limits = models.JSONField(default=dict)
    opens = models.TimeField(null=True)
    closes = models.TimeField(null=True)
    until = models.DateTimeField(null=True)
    on_common_cause = models.BooleanField(default=False)
    hosts = models.PositiveIntegerField(default=0)
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    reason = models.TextField(blank=True, default="")
    asked_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [models.Index(fields=["state", "-id"], name="campaign_state")]

    def __str__(self) -> str:
        return f"{self.kind} {self.pk}"


class Brake(models.Model):
    """How many hosts of a site may leave service unplanned within a time; more only by an admin (engine.brakes).

    Its row is locked by whatever takes hosts out of service, so that what is counted stays so until it is done.
    percent: of those in service; most: and no more than that. override_until: until then nothing is held back.
    """

    site = models.OneToOneField(Site, models.PROTECT, related_name="brake")
    percent = models.PositiveSmallIntegerField(default=5)
    most = models.PositiveIntegerField(default=25)
    within_s = models.PositiveIntegerField(default=3600)
    override_until = models.DateTimeField(null=True)
    override_by = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+", db_index=False)
    override_reason = models.TextField(blank=True, default="")

    def __str__(self) -> str:
        return f"brake of {self.site_id}"
