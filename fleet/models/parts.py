"""Parts by serial, and every move of one."""

from django.db import models

from fleet.models.devices import Device


class Part(models.Model):
    """A thing with a serial that can be swapped: GPU, DIMM, drive, HCA, PSU. Known by (kind, serial)."""

    kind = models.TextField()
    serial = models.TextField()
    model = models.TextField(blank=True, default="")
    firmware = models.TextField(blank=True, default="")
    size = models.TextField(blank=True, default="")
    device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="parts")
    slot = models.TextField(blank=True, default="")
    seen_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["kind", "serial"], name="part_once"),
            models.UniqueConstraint(
                fields=["device", "kind", "slot"], name="slot_once", condition=models.Q(device__isnull=False)
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.serial}"


class PartMove(models.Model):
    """A part came, went or changed its slot. Append-only."""

    part = models.ForeignKey(Part, models.PROTECT, related_name="moves")
    from_device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="+")
    from_slot = models.TextField(blank=True, default="")
    to_device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="+")
    to_slot = models.TextField(blank=True, default="")
    at = models.DateTimeField(auto_now_add=True)
    actor = models.ForeignKey("fleet.Actor", models.PROTECT)
    reason = models.TextField(blank=True, default="")

    class Meta:
        indexes = [models.Index(fields=["to_device", "-at"], name="partmove_to")]

    def __str__(self) -> str:
        return f"{self.part_id} to {self.to_slot}"
