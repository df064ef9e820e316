"""Boot windows, what was asked of the boot service, and OS images."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models import Device, File
from provisioning.models.operations import Operation


class BootWindow(models.Model):
    """An operation lets its host boot from the network: who is expected, what it gets, how far it came.

    Tokens are kept as sha256; a newer one replaces an older one. Open while closed_at is empty.
    """

    operation = models.ForeignKey(Operation, models.PROTECT, related_name="windows", db_index=False)
    device = models.ForeignKey(Device, models.PROTECT, related_name="+")
    mode = models.TextField()
    delivery = models.TextField()
    opened_at = models.DateTimeField()
    closed_at = models.DateTimeField(null=True)
    macs = ArrayField(models.TextField(), default=list)
    uuid = models.TextField(blank=True, default="")
    serial = models.TextField(blank=True, default="")
    orders = models.JSONField(default=dict)
    uri_sha256 = models.TextField(blank=True, default="")
    boot_sha256 = models.TextField(blank=True, default="")
    boot_used_at = models.DateTimeField(null=True)
    claimed_from = models.TextField(blank=True, default="")
    session_sha256 = models.TextField(blank=True, default="")
    home_sha256 = models.TextField(blank=True, default="")
    home_used_at = models.DateTimeField(null=True)
    seed_sha256 = models.TextField(blank=True, default="", db_default="")
    asks = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField(null=True)
    refused = models.PositiveIntegerField(default=0)
    stage = models.TextField(blank=True, default="")
    stage_at = models.DateTimeField(null=True)
    words = models.TextField(blank=True, default="")
    done = models.PositiveIntegerField(default=0)
    total = models.PositiveIntegerField(default=0)
    failed_code = models.TextField(blank=True, default="")
    boot_id = models.TextField(blank=True, default="")
    inventory = models.JSONField(null=True)
    tests = models.JSONField(default=list)
    tested = models.JSONField(null=True)
    written = models.JSONField(null=True)
    phone_home = models.JSONField(null=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["device"], name="one_open_window", condition=models.Q(closed_at__isnull=True)
            ),
        ]
        indexes = [
            models.Index(fields=["operation"], name="window_operation"),
            models.Index(fields=["uri_sha256"], name="window_uri", condition=~models.Q(uri_sha256="")),
            models.Index(fields=["boot_sha256"], name="window_boot", condition=~models.Q(boot_sha256="")),
            models.Index(fields=["session_sha256"], name="window_session", condition=~models.Q(session_sha256="")),
            models.Index(fields=["home_sha256"], name="window_home", condition=~models.Q(home_sha256="")),
            models.Index(fields=["seed_sha256"], name="window_seed", condition=~models.Q(seed_sha256="")),
        ]

    def __str__(self) -> str:
        return f"{self.mode} of {self.device_id}"


class BootRequest(models.Model):
    """Every request to the boot service, with the operation it belonged to; by month (migration 0002)."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField()
    endpoint = models.TextField()
    status = models.PositiveSmallIntegerField()
    device_id = models.BigIntegerField(null=True)
    operation_id = models.BigIntegerField(null=True)
    remote = models.TextField()
    words = models.TextField(blank=True, default="")

    class Meta:
        managed = False
        db_table = "provisioning_bootrequest"

    def __str__(self) -> str:
        return f"{self.endpoint} {self.status}"


class Image(models.Model):
    """An OS image in the catalogue, by the digest of its file."""

    name = models.TextField()
    version = models.TextField(blank=True, default="")
    file = models.ForeignKey(File, models.PROTECT)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="image_once")]

    def __str__(self) -> str:
        return f"{self.name} {self.version}".strip()
