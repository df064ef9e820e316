"""Transitions (the only way to change a state), who acts, and holds."""

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models.devices import Device

ROLES = {
    "R": "viewer",
    "T": "technician",
    "O": "operator",
    "V": "liaison",
    "C": "scheduler",
    "L": "admin",
    "S": "system",
}


class Actor(models.Model):
    """Someone or something acting in one role; never changed. role: a letter of ROLES."""

    kind = models.TextField()
    name = models.TextField()
    role = models.CharField(max_length=1)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True)
    token = models.ForeignKey("fleet.Token", models.PROTECT, null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "name", "role"], name="actor_once")]

    def __str__(self) -> str:
        return self.name


class Transition(models.Model):
    """One change of state of one subject. Append-only, chained by hash, numbered by the database (migration 0002)."""

    subject_kind = models.TextField()
    subject_id = models.BigIntegerField()
    seq = models.PositiveIntegerField()
    from_state = models.TextField(blank=True)
    to_state = models.TextField()
    cause = models.TextField(blank=True, default="")
    reason = models.TextField(blank=True, default="")
    actor = models.ForeignKey(Actor, models.PROTECT)
    evidence = ArrayField(models.BigIntegerField(), default=list)
    at = models.DateTimeField()
    prev = models.BinaryField()
    hash = models.BinaryField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["subject_kind", "subject_id", "seq"], name="transition_seq")]
        indexes = [models.Index(fields=["at"], name="transition_at")]

    def __str__(self) -> str:
        return f"{self.subject_kind} {self.subject_id}: {self.from_state} to {self.to_state}"


class LifecycleSubject(models.Model):
    """Registry that each app's migration fills: where the subjects of a kind live, and whether they are chained."""

    kind = models.TextField(primary_key=True)
    table_name = models.TextField()
    chained = models.BooleanField(default=True)

    def __str__(self) -> str:
        return self.kind


class LifecycleEdge(models.Model):
    """The edges that the database allows; copied from fleet.lifecycle after each migrate."""

    kind = models.TextField()
    from_state = models.TextField(blank=True)
    to_state = models.TextField()
    role = models.CharField(max_length=1)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["kind", "from_state", "to_state", "role"], name="edge_once")]

    def __str__(self) -> str:
        return f"{self.kind}: {self.from_state} to {self.to_state} by {self.role}"


class Hold(models.Model):
    """Somebody wants a device left alone. Placed and lifted by fleet.holds, which keeps Device.held."""

    device = models.ForeignKey(Device, models.PROTECT, related_name="holds")
    kind = models.TextField()
    reason = models.TextField()
    actor = models.ForeignKey(Actor, models.PROTECT, related_name="+")
    placed_at = models.DateTimeField(auto_now_add=True)
    until = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.ForeignKey(Actor, models.PROTECT, null=True, related_name="+")

    class Meta:
        indexes = [models.Index(fields=["device"], name="hold_standing", condition=models.Q(ended_at__isnull=True))]

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}"
