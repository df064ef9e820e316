"""Acts that wait for a second person."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models.history import Actor


class ActRequest(models.Model):
    """Somebody asked for an act that two persons must want. Written by fleet.second.

    act: a word of fleet.second.ACTS. subject_ids: of this kind. led_to: ids of the transitions that it brought about.
    """

    act = models.TextField()
    subject_kind = models.TextField()
    subject_ids = ArrayField(models.BigIntegerField())
    reason = models.TextField()
    asked_by = models.ForeignKey(Actor, models.PROTECT, related_name="+", db_index=False)
    asked_at = models.DateTimeField()
    valid_until = models.DateTimeField()
    confirmed_by = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+", db_index=False)
    confirmed_at = models.DateTimeField(null=True)
    led_to = ArrayField(models.BigIntegerField(), default=list)

    class Meta:
        indexes = [
            models.Index(fields=["valid_until"], name="act_waiting", condition=models.Q(confirmed_at__isnull=True))
        ]

    def __str__(self) -> str:
        return f"{self.act} {self.pk}"
