"""Ports, plan versions and cables. Plan and observation are separate: a port may have both (lessons C1)."""

from django.db import models

from fleet.models.devices import Device, Subject
from fleet.models.places import one_of

CABLE_KINDS = ["infiniband", "ethernet", "management"]


class PlanVersion(models.Model):
    """One load of a plan folder: who, why, what it held. sha256: of the canonical folder."""

    sha256 = models.TextField()
    loaded_at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey("fleet.Actor", models.PROTECT)
    reason = models.TextField(blank=True, default="")
    counts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return f"plan {self.pk}"


class Port(models.Model):
    """A port that exists on a device. node_guid: of the HCA (hosts), or of the switch on its port ''."""

    device = models.ForeignKey(Device, models.PROTECT, related_name="ports")
    name = models.TextField()
    node_guid = models.TextField(blank=True, default="")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "name"], name="port_once")]
        indexes = [models.Index(fields=["node_guid"], name="port_guid", condition=~models.Q(node_guid=""))]

    def __str__(self) -> str:
        return self.name


class Cable(Subject):
    """A cable is an asset whose id outlives its ends; its ends as planned are CableEnd rows."""

    label = models.TextField(unique=True)
    kind = models.TextField(default="infiniband")
    rate = models.TextField(blank=True, default="")
    length_m = models.FloatField(null=True)
    medium = models.TextField(blank=True, default="")
    serial = models.TextField(blank=True, default="")

    class Meta:
        constraints = [one_of("kind", CABLE_KINDS, "cable_kind")]

    def __str__(self) -> str:
        return self.label


class CableEnd(models.Model):
    """Where an end of a cable belongs. A port takes one planned cable: the database says so."""

    cable = models.ForeignKey(Cable, models.PROTECT, related_name="ends")
    end = models.CharField(max_length=1)
    port = models.OneToOneField(Port, models.PROTECT, related_name="planned_end")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["cable", "end"], name="cable_end_once"),
            one_of("end", ["a", "b"], "cable_end"),
        ]

    def __str__(self) -> str:
        return f"{self.cable_id} {self.end}"
