"""A small fleet with something of every kind to show, for looking at pages: by a browser's test and by a camera."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from fleet import findings, holds
from fleet.findings import Found
from fleet.models import (
    Bmc,
    Cable,
    CableEnd,
    Device,
    Evidence,
    Finding,
    Notice,
    NoticeRule,
    Part,
    PartMove,
    PlanVersion,
    Port,
    PowerFeed,
    PowerInlet,
    Rack,
    Row,
)
from provisioning.models import Intent, Operation, Step
from tests.support import make, people, routes

PASSWORD = "long enough for anyone"
STANDS = ("in_service", "in_service", "validated", "quarantined", "installed", "cabled", "repair_hands", "received")
# Addresses beside the plain one of each page, by a word for each.
MORE = {
    "refused": "/hosts/?state=happy",
    "nothing": "/nothing",
    "racks_leaf": "/fleet/?by=leaf",
    "racks_firmware": "/fleet/?by=firmware",
    "racks_age": "/fleet/?by=age",
    "racks_bad": "/fleet/?show=bad",
    "search_near": "/search/?q=IB-0421",
    "search_many": "/search/?q=17/1",
    "audit_host": "/audit/?of=host-bad",
    "board": "/hosts/?group=cause",
    "filtered": "/hosts/?state=quarantined&row=A&host=host-001",
    "none": "/hosts/?rack=A99&state=quarantined",
}


@dataclass(frozen=True)
class Scene:
    """What stands on the scene, and the name by which somebody who may act signs in.

    names: what to write for the parameters of an address, by its first word, or under "" for all.
    """

    name: str
    host: Device
    operation: Operation
    campaign: int
    names: dict[str, dict[str, Any]] = field(default_factory=dict)

    def paths(self) -> dict[str, str]:
        """Addresses to look at, by a word for each: every page that the router has, and some with words behind."""
        found = {}
        for page in routes.pages():
            if page.act == "read" and page.name not in ("audit_export", "hosts_csv", "operation_log", "scanned"):
                noun = page.route.split("/")[1]
                found[page.name] = routes.filled(page.route, **{**self.names[""], **self.names.get(noun, {})})
        at = (timezone.now() - timedelta(seconds=1)).isoformat().replace("+", "%2B")
        return {**found, "help": "/help/", "host_at": f"/hosts/{self.host.name}/?at={at}", **MORE}


def build() -> Scene:
    """Make it, committed for real."""
    host = _trouble()
    _floor()
    make.hosts(12, "cabled")
    body = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "bring them up"}
    campaign = people.program().post("/campaigns", body).json()
    operation = _operation()
    label = _cables(host)
    PlanVersion.objects.create(sha256="5e" * 32, actor=make.actor(), reason="first load", counts={"devices": 26})
    _told()
    user = people.person("operator")
    user.set_password(PASSWORD)
    user.save()
    names: dict[str, dict[str, Any]] = {
        "": {"label": label, "serial": "1650523012345"},
        "hosts": {"name": host.name},
        "switches": {"name": "leaf-s01-01"},
        "operations": {"id": operation.pk},
        "campaigns": {"id": campaign["id"]},
        "act": {"code": _review(user)},
    }
    return Scene(user.username, host, operation, campaign["id"], names)


def _told() -> None:
    """Who is told of what is wrong, and what they were told."""
    rule = NoticeRule.objects.create(
        name="on call",
        channel="chat",
        target="https://chat.example.org/…",
        quiet_from="22:00",
        quiet_until="07:00",
        changed_by=make.actor("A"),
    )
    for finding in Finding.objects.all():
        words = {"subject": "[critical] host-bad: part missing", "tries": 2, "error": "answered 503"}
        Notice.objects.create(rule=rule, finding=finding, why="opened", **words)


def _review(user: User) -> str:
    """What somebody is about to do to all that are validated."""
    client = people.Client()
    client.force_login(user)
    form = {"key": "a-key-of-the-scene", "verb": "operate.install", "all": "1", "state": "validated"}
    return str(client.post("/act/", form)["Location"]).split("/")[2]


def _trouble() -> Device:
    """A host with all that can be said of one."""
    host = make.host("quarantined", name="host-bad", cause="part_missing", pod="1")
    actor, now = make.actor(), timezone.now()
    Bmc.objects.create(device=host, address="127.64.0.9", vendor="Dell", model="iDRAC9", firmware="7.10.30.00")
    words = "gpu 4 is absent"
    seen = Evidence.objects.create(at=now, kind="inventory", device_id=host.pk, words=words, data={"gpu": 7})
    wrong = Found(
        "inventory", "part_missing", "critical", words, device=host.pk, cause="part_missing", evidence=[seen.pk]
    )
    findings.open([wrong])
    holds.place(device_id=host.pk, kind="hands", reason="swap the GPU", actor=actor)
    for n in range(1, 9):
        serial = "1650523012345" if n == 4 else f"16505230{n:05}"
        at = now - timedelta(days=3 if n == 4 else 0)
        part = Part.objects.create(kind="gpu", serial=serial, model="H100", device=host, slot=str(n), seen_at=at)
        PartMove.objects.create(part=part, to_device=host, to_slot=str(n), actor=actor, reason="seen by inspect")
    return host


def _floor() -> None:
    """Two rows of racks with hosts in every kind of state."""
    feed = PowerFeed.objects.create(site=make.site(), name="row-a-a")
    n = 0
    for letter in "AB":
        row = Row.objects.create(site=make.site(), name=letter)
        for number in range(1, 5):
            rack = Rack.objects.create(row=row, name=f"{letter}{number:02}")
            for unit in (1, 13, 25, 37):
                n += 1
                host = make.host(STANDS[n % 8], name=f"host-{n:03}", rack=rack, unit=unit, health="ok")
                Bmc.objects.create(device=host, address=f"127.65.0.{n}", firmware="7.20" if n % 9 == 0 else "7.10")
                PowerInlet.objects.create(device=host, psu="1", feed=feed, circuit=f"pdu-{rack.name}/1")
    Device.objects.filter(name="host-008").update(health="warning")


def _operation() -> Operation:
    device = make.host("discovered", name="host-busy")
    operation = make.operation("inspect", device, state="active", waits_for="the BMC", step_name="contact")
    now, common = timezone.now(), {"operation": operation, "fence": 1, "attempt": 1}
    for seconds, outcome, words in ((40, "retry", "no answer"), (12, "done", "it answers")):
        begun = now - timedelta(seconds=seconds)
        Step.objects.create(**common, n=0, name="check", started_at=begun, ended_at=now, outcome=outcome, words=words)
    Intent.objects.create(**common, step=0, device=device, what="reset: ForceRestart", power=True, at=now)
    return operation


def _cables(host: Device) -> str:
    leaf = make.switch()
    leaf.name = "leaf-s01-01"
    leaf.save(update_fields=["name"])
    for n in range(8):
        cable = Cable.objects.get(pk=make.subject("cable", "suspect" if n == 4 else "verified"))
        cable.label = f"IB-0421{n}"
        cable.save(update_fields=["label"])
        for end, device, name in (("a", host, f"mlx5_{n}"), ("b", leaf, str(n + 33))):
            port = Port.objects.create(device=device, name=name, node_guid=f"0xa088c2030000{device.pk:02x}{n:02x}")
            CableEnd.objects.create(cable=cable, end=end, port=port)
    return "IB-04214"
