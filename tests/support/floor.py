"""A floor of hosts on racks, leaves and power feeds, with a past: for looking at what an act would touch."""

from datetime import timedelta

from django.db import transaction
from django.utils import timezone

from fleet import findings, lifecycle
from fleet.findings import Found
from fleet.models import Cable, CableEnd, Device, Party, Port, PowerFeed, PowerInlet, Rack, Row
from provisioning.models import Operation
from tests.support import make

IN_RACK, IN_GROUP = 4, 16


@transaction.atomic
def build(n: int = 64) -> list[Device]:
    """n hosts, four a rack, sixteen on the same two leaves; most in service, some in trouble, some with a past."""
    profile = make.profile()
    hosts = make.hosts(n, "in_service", profile=profile)
    for number, host in enumerate(hosts):
        host.rack, host.unit, host.pod = (
            _rack(number // IN_RACK),
            1 + 8 * (number % IN_RACK),
            f"s{number // IN_GROUP:02}",
        )
        host.name, host.health = f"host-{number + 1:03}", "ok"
    Device.objects.bulk_update(hosts, ["rack", "unit", "pod", "name", "health"])
    _wire(hosts)
    _feed(hosts)
    _past(hosts[:20])
    _trouble(hosts[-8:])
    return list(Device.objects.filter(pk__in=[h.pk for h in hosts]).order_by("name"))


def _rack(number: int) -> Rack:
    row, _ = Row.objects.get_or_create(site=make.site(), name="AB"[number // 8 % 2])
    return Rack.objects.get_or_create(row=row, name=f"{row.name}{number % 8 + 1:02}")[0]


def _wire(hosts: list[Device]) -> None:
    ends = [
        (host, rail, _leaf(n // IN_GROUP, rail), n % IN_GROUP + 1) for n, host in enumerate(hosts) for rail in (1, 2)
    ]
    cables = Cable.objects.bulk_create(Cable(label=f"IB-{n:05}", kind="infiniband") for n in range(len(ends)))
    make.bring("cable", [c.pk for c in cables], "planned")
    ports = Port.objects.bulk_create(
        Port(device=device, name=name)
        for host, rail, leaf, number in ends
        for device, name in ((host, f"mlx5_{rail}"), (leaf, str(number)))
    )
    CableEnd.objects.bulk_create(
        CableEnd(cable=cables[n // 2], end="ab"[n % 2], port=port) for n, port in enumerate(ports)
    )


def _leaf(group: int, rail: int) -> Device:
    usual = {"role": "leaf", "kind": "switch", "site": make.site(), "serial": f"L{group}-{rail}"}
    leaf, is_new = Device.objects.get_or_create(name=f"leaf-s{group:02}-{rail:02}", defaults=usual)
    if is_new:
        lifecycle.move("switch", [leaf.pk], to="in_service", actor=make.actor("S"), reason="imported")
    return leaf


def _feed(hosts: list[Device]) -> None:
    for name in "AB":
        feed = PowerFeed.objects.create(site=make.site(), name=name)
        PowerInlet.objects.bulk_create(PowerInlet(device=h, psu=f"PSU{name}", feed=feed) for h in hosts)


def _past(hosts: list[Device]) -> None:
    for number, host in enumerate(hosts):
        made = make.operation("install", host, state="succeeded")
        end = timezone.now()
        Operation.objects.filter(pk=made.pk).update(
            started_at=end - timedelta(minutes=11, seconds=9 * number), ended_at=end
        )


def _trouble(hosts: list[Device]) -> None:
    Party.objects.get_or_create(name="NVIDIA", defaults={"owns": ["part_missing"]})
    Party.objects.get_or_create(name="hands", defaults={"owns": ["bmc_unreachable"]})
    lifecycle.move("host", [h.pk for h in hosts], to="quarantined", actor=make.actor(), reason="it failed")
    causes = (
        "part_missing",
        "part_missing",
        "part_missing",
        "bmc_unreachable",
        "bmc_unreachable",
        "clock",
        "clock",
        "burn_in",
    )
    found = []
    for host, cause in zip(hosts, causes, strict=True):
        Device.objects.filter(pk=host.pk).update(cause=cause)
        found.append(Found("inventory", cause, "critical", cause.replace("_", " "), host.pk))
    findings.open(found)
