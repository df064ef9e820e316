"""Hosts, switches and all else with a name and a place; their BMCs; profiles that say how each should be."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from fleet.models.places import Rack, Site, one_of

HOST_ROLES = ["host", "login", "storage", "fabric_manager"]
SWITCH_ROLES = ["leaf", "spine", "core", "ethernet_switch", "management_switch", "pdu"]
HEALTH = ["ok", "info", "warning", "critical", "unknown"]


class Profile(models.Model):
    """How a kind of device should be: parts, firmware, tests, deadlines, image. A change is a new version.

    spec: see docs/profiles.md; read by provisioning.operations as plain data.
    """

    name = models.TextField()
    version = models.PositiveIntegerField(default=1)
    spec = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["name", "version"], name="profile_version")]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"


class Subject(models.Model):
    """Columns of everything that has a lifecycle. Only an inserted transition changes state, seq and head (0002)."""

    state = models.TextField(default="", editable=False)
    state_since = models.DateTimeField(null=True, editable=False)
    seq = models.PositiveIntegerField(default=0, editable=False)
    head = models.BinaryField(default=b"", editable=False)

    class Meta:
        abstract = True


class Device(Subject):
    """A box with a name: host, switch, PDU. Its identity is the serial (the tag); its name may change.

    held: how many holds stand. no_power_by: the operation whose critical section stands. power_at: recent power
    actions. All three are read and written under this row's lock by the statement that permits a side effect.
    active_*: what the engine works on now, written by the engine (a page needs no join for it).
    """

    name = models.TextField(unique=True)
    role = models.TextField()
    kind = models.TextField(editable=False)
    profile = models.ForeignKey(Profile, models.PROTECT, null=True)
    serial = models.TextField(unique=True, null=True)
    site = models.ForeignKey(Site, models.PROTECT)
    rack = models.ForeignKey(Rack, models.PROTECT, null=True)
    unit = models.PositiveSmallIntegerField(null=True)
    pod = models.TextField(blank=True, default="")
    uuid = models.TextField(blank=True, default="")
    boot_id = models.TextField(blank=True, default="")
    imported = models.BooleanField(default=False)
    observe_only = models.BooleanField(default=False)
    fingerprint = models.TextField(blank=True, default="")
    health = models.TextField(default="unknown")
    held = models.PositiveIntegerField(default=0)
    no_power_by = models.BigIntegerField(null=True)
    power_at = ArrayField(models.DateTimeField(), default=list)
    cause = models.TextField(blank=True, default="")
    active_operation = models.BigIntegerField(null=True)
    active_kind = models.TextField(blank=True, default="")
    active_step = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            one_of("role", HOST_ROLES + SWITCH_ROLES, "device_role"),
            one_of("kind", ["host", "switch"], "device_kind"),
            one_of("health", HEALTH, "device_health"),
        ]
        indexes = [
            models.Index(fields=["state", "name"], name="device_state"),
            models.Index(fields=["rack"], name="device_rack"),
        ]

    def __str__(self) -> str:
        return self.name


class FormerName(models.Model):
    """A name that a device had: old names redirect and stay searchable."""

    name = models.TextField(unique=True)
    device = models.ForeignKey(Device, models.PROTECT)
    until = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.name


class Bmc(models.Model):
    """The management controller of a device. Sessions are kept encrypted, so that a killed worker leaks none.

    session_state: '', 'opening' (asked for, answer not yet stored) or 'open'. refused: logins refused in a row.
    By the health sweep: when it last tried, how often in a row in vain, what it read, what was wrong, and when that
    went on record.
    """

    device = models.OneToOneField(Device, models.PROTECT, related_name="bmc")
    address = models.TextField()
    mac = models.TextField(blank=True, default="")
    secret = models.ForeignKey("fleet.Secret", models.PROTECT, null=True)
    fingerprint = models.TextField(blank=True, default="")
    pinned_at = models.DateTimeField(null=True)
    vendor = models.TextField(blank=True, default="")
    model = models.TextField(blank=True, default="")
    firmware = models.TextField(blank=True, default="")
    clock_offset_s = models.FloatField(null=True)
    session_state = models.TextField(blank=True, default="")
    session_worker = models.TextField(blank=True, default="")
    session_ciphertext = models.BinaryField(default=b"")
    refused = models.PositiveSmallIntegerField(default=0)
    blocked_until = models.DateTimeField(null=True)
    seen_at = models.DateTimeField(null=True)
    swept_at = models.DateTimeField(null=True)
    missed = models.PositiveSmallIntegerField(default=0, db_default=0)
    reading = models.JSONField(default=dict, db_default={})
    verdict = models.TextField(blank=True, default="", db_default="")
    noted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["address"], name="bmc_address_once")]

    def __str__(self) -> str:
        return self.address


class Waiver(models.Model):
    """A deviation from the profile that somebody allowed, by name, with reason and end."""

    device = models.ForeignKey(Device, models.PROTECT, null=True)
    profile = models.ForeignKey(Profile, models.PROTECT, null=True)
    check_name = models.TextField()
    reason = models.TextField()
    actor = models.ForeignKey("fleet.Actor", models.PROTECT)
    ends_at = models.DateTimeField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=models.Q(device__isnull=False) | models.Q(profile__isnull=False), name="waiver_of_something"
            )
        ]

    def __str__(self) -> str:
        return self.check_name
