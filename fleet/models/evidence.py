"""What was seen (append-only), what it means (findings), and files by digest."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models.devices import Device
from fleet.models.places import Party, one_of

SEVERITIES = ["info", "warning", "critical"]


class File(models.Model):
    """Bytes at MUSTER_FILES/<first two>/<sha256>; rows never hold more than 64 kB themselves."""

    sha256 = models.TextField(unique=True)
    kind = models.TextField()
    name = models.TextField(blank=True, default="")
    size_bytes = models.BigIntegerField()
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name or self.sha256


class Evidence(models.Model):
    """One observation as it came. Partitioned by month (migration 0002); never edited.

    at: when it was seen. data: at most 64 kB; more goes into a file.
    """

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    kind = models.TextField()
    device_id = models.BigIntegerField(null=True)
    operation_id = models.BigIntegerField(null=True)
    words = models.TextField(blank=True, default="")
    data = models.JSONField(default=dict)
    file_id = models.BigIntegerField(null=True)

    class Meta:
        managed = False
        db_table = "fleet_evidence"

    def __str__(self) -> str:
        return f"{self.kind}: {self.words}"


class Finding(models.Model):
    """Something is not as it should be, followed until it is: fabric, health, inventory, security in one table.

    stable_id: made from what it is about, so that it can be followed, ignored and quoted; open once at a time.
    subjects: what it is about where a device does not say it all, as {"kind", "id", ...}. Written by fleet.findings.
    """

    stable_id = models.TextField()
    domain = models.TextField()
    kind = models.TextField()
    severity = models.TextField()
    words = models.TextField()
    cause = models.TextField(blank=True, default="")
    owner = models.ForeignKey(Party, models.PROTECT, null=True)
    device = models.ForeignKey(Device, models.PROTECT, null=True, related_name="findings")
    operation_id = models.BigIntegerField(null=True)
    incident = models.ForeignKey("fleet.Incident", models.PROTECT, null=True, related_name="findings", db_index=False)
    subjects = models.JSONField(default=list)
    evidence = ArrayField(models.BigIntegerField(), default=list)
    opened_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(auto_now_add=True)
    acknowledged_at = models.DateTimeField(null=True)
    acknowledged_by = models.ForeignKey("fleet.Actor", models.PROTECT, null=True, related_name="+", db_index=False)
    acknowledged_words = models.TextField(blank=True, default="")
    closed_at = models.DateTimeField(null=True)
    closed_by = models.ForeignKey("fleet.Actor", models.PROTECT, null=True, related_name="+", db_index=False)
    closed_words = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            one_of("severity", SEVERITIES, "finding_severity"),
            models.UniqueConstraint(
                fields=["stable_id"], name="finding_open_once", condition=models.Q(closed_at__isnull=True)
            ),
        ]
        indexes = [
            models.Index(
                fields=["device", "severity"], name="finding_open", condition=models.Q(closed_at__isnull=True)
            ),
            models.Index(fields=["device", "-opened_at"], name="finding_device"),
            models.Index(fields=["incident"], name="finding_folded", condition=models.Q(incident__isnull=False)),
        ]

    def __str__(self) -> str:
        return self.words
