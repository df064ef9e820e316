"""Where things stand, what feeds them, the networks, and who owns which kind of finding."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

SCHEDULERS = ["none", "slurm", "kubernetes", "api"]
PURPOSES = ["management", "provisioning", "data", "fabric"]
DHCP = ["full", "proxy", "none"]


def one_of(field: str, values: list[str], name: str) -> models.CheckConstraint:
    """A column holds one of a fixed set of words: the database says so, not only the forms."""
    return models.CheckConstraint(condition=models.Q(**{f"{field}__in": values}), name=name)


class Site(models.Model):
    """A building with a fleet. observe_only: nothing is written to any BMC until an admin lifts it."""

    name = models.TextField(unique=True)
    timezone = models.TextField(default="UTC")
    scheduler = models.TextField(default="none")
    observe_only = models.BooleanField(default=False)
    label_base_url = models.TextField(blank=True, default="")

    class Meta:
        constraints = [one_of("scheduler", SCHEDULERS, "site_scheduler")]

    def __str__(self) -> str:
        return self.name


class Row(models.Model):
    """A row of racks in a hall."""

    site = models.ForeignKey(Site, models.PROTECT)
    hall = models.TextField(blank=True, default="")
    name = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "hall", "name"], name="row_once")]

    def __str__(self) -> str:
        return self.name


class Rack(models.Model):
    """A rack; units counted from the floor."""

    row = models.ForeignKey(Row, models.PROTECT)
    name = models.TextField()
    units = models.PositiveSmallIntegerField(default=48)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["row", "name"], name="rack_once")]

    def __str__(self) -> str:
        return self.name


class PowerFeed(models.Model):
    """One feed (A or B) of a site; its circuits carry limits in watts."""

    site = models.ForeignKey(Site, models.PROTECT)
    name = models.TextField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["site", "name"], name="feed_once")]

    def __str__(self) -> str:
        return self.name


class PowerInlet(models.Model):
    """The PSU map: which supply of which device hangs on which feed and circuit. limit_w: of the circuit."""

    device = models.ForeignKey("fleet.Device", models.PROTECT, related_name="inlets")
    psu = models.TextField()
    feed = models.ForeignKey(PowerFeed, models.PROTECT)
    circuit = models.TextField(blank=True, default="")
    limit_w = models.PositiveIntegerField(null=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["device", "psu"], name="inlet_once")]

    def __str__(self) -> str:
        return f"{self.psu} on {self.circuit}"


class Network(models.Model):
    """An IP network and what it is for."""

    site = models.ForeignKey(Site, models.PROTECT)
    name = models.TextField()
    purpose = models.TextField()
    vlan = models.PositiveIntegerField(null=True)
    cidr = models.TextField()
    gateway = models.TextField(blank=True, default="")
    dns = models.TextField(blank=True, default="")
    ntp = models.TextField(blank=True, default="")
    domain = models.TextField(blank=True, default="")
    dhcp = models.TextField(default="none")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["site", "name"], name="network_once"),
            one_of("purpose", PURPOSES, "network_purpose"),
            one_of("dhcp", DHCP, "network_dhcp"),
        ]

    def __str__(self) -> str:
        return self.name


class Address(models.Model):
    """A reservation of an address for an interface; it never expires by itself (lessons M35)."""

    network = models.ForeignKey(Network, models.PROTECT)
    device = models.ForeignKey("fleet.Device", models.PROTECT, related_name="addresses")
    interface = models.TextField()
    address = models.GenericIPAddressField()
    mac = models.TextField(blank=True, default="")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["network", "address"], name="address_once"),
            models.UniqueConstraint(fields=["device", "interface"], name="interface_once"),
            models.UniqueConstraint(fields=["mac"], name="mac_once", condition=~models.Q(mac="")),
        ]

    def __str__(self) -> str:
        return str(self.address)


class Party(models.Model):
    """Who owns which kind of finding: site hands, the host's maker, NVIDIA, the cable vendor, us."""

    name = models.TextField(unique=True)
    kind = models.TextField(blank=True, default="")
    owns = ArrayField(models.TextField(), default=list)
    contact = models.TextField(blank=True, default="")
    phone = models.TextField(blank=True, default="")
    mail = models.TextField(blank=True, default="")
    address = models.TextField(blank=True, default="")
    hours = models.TextField(blank=True, default="")
    contract = models.TextField(blank=True, default="")

    class Meta:
        verbose_name_plural = "parties"

    def __str__(self) -> str:
        return self.name
