"""Data for tests, made by plain functions: make.host(state="validated"), make.operation("power", host).

Everything goes the way of the product: subjects are moved along the edges of their table, operations are asked for.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import cache
from itertools import count
from typing import Any

from django.db import transaction
from django.db.models import Model

from fleet import lifecycle, secrets
from fleet.models import Actor, Address, Bmc, Cable, Device, Incident, Network, Profile, Site
from fleet.states import KINDS, Edge
from provisioning.engine import ask
from provisioning.models import Campaign, Operation

_numbers = count(1)

SPEC: dict[str, Any] = {
    "delivery": "uefi_http",
    "http_interface": "NIC.Slot.39-1-1",
    "parts": {"gpu": 2},
    "burn_in": {"tests": [{"name": "gpu_stress", "minutes": 2}]},
    "validate": {"tests": [{"name": "nvlink", "minutes": 1}]},
    "disk": {"role": "os"},
    "image": "debian",
    "image_file": {"name": "debian", "sha256": "5e" * 32, "size_bytes": 4},
}


def actor(role: str = "O", name: str = "") -> Actor:
    """Somebody in this role."""
    return lifecycle.actor("user", name or f"somebody {role}", role)


def site() -> Site:
    """The one site of a test."""
    return Site.objects.get_or_create(name="site-1")[0]


def profile(**changes: Any) -> Profile:
    """A profile with a spec of its own."""
    return Profile.objects.create(name=f"profile-{next(_numbers)}", spec={**SPEC, **changes})


@cache
def path_to(kind: str, state: str, start: str = "") -> tuple[Edge, ...]:
    """The shortest way along the edges of a kind to a state, from nothing or from another state."""
    ways: deque[tuple[str, tuple[Edge, ...]]] = deque([(start, ())])
    seen = {start}
    while ways:
        at, way = ways.popleft()
        if at == state and way:
            return way
        for edge in KINDS[kind].edges:
            if edge.from_state == at and edge.to_state not in seen:
                seen.add(edge.to_state)
                ways.append((edge.to_state, (*way, edge)))
    raise AssertionError(f"no way to {kind} {state}")


def bring(kind: str, ids: list[int], state: str, *, start: str = "") -> None:
    """Move subjects to a state, each edge by a role that may take it; new ones unless start says where they are."""
    for edge in path_to(kind, state, start):
        lifecycle.move(kind, ids, to=edge.to_state, actor=actor(edge.roles[0]), reason="made for a test")


def hosts(n: int, state: str = "cabled", **columns: Any) -> list[Device]:
    """Hosts in this state, in a few statements whatever their number."""
    with transaction.atomic():
        made = Device.objects.bulk_create(_device("host", columns) for _ in range(n))
        bring("host", [d.pk for d in made], state)
    return list(Device.objects.filter(pk__in=[d.pk for d in made]).order_by("pk"))


def host(state: str = "cabled", **columns: Any) -> Device:
    """One host in this state."""
    return hosts(1, state, **columns)[0]


def switch(state: str = "cabled") -> Device:
    """One switch in this state."""
    with transaction.atomic():
        device = _device("switch", {})
        device.save()
        bring("switch", [device.pk], state)
    device.refresh_from_db()
    return device


def _device(kind: str, columns: Mapping[str, Any]) -> Device:
    n = next(_numbers)
    role = "host" if kind == "host" else "leaf"
    usual = {"name": f"{kind}-{n:04}", "serial": f"TAG{n:04}", "role": role, "kind": kind, "site": site()}
    return Device(**{**usual, **columns})


def wired_host(state: str = "cabled", *, spec: Mapping[str, Any] | None = None, **columns: Any) -> Device:
    """A host with a profile, a BMC, its login, and an address with a MAC on the provisioning network."""
    device = host(state, **{"profile": profile(**(spec or {})), "uuid": f"uuid-{next(_numbers):04}", **columns})
    n = device.pk
    Bmc.objects.create(
        device=device, address=f"127.64.{n // 250}.{n % 250 + 1}", mac=f"02:00:00:01:{n // 250:02x}:{n % 250:02x}"
    )
    network, _ = Network.objects.get_or_create(
        site=device.site, name="provisioning", defaults={"purpose": "provisioning", "cidr": "127.128.0.0/16"}
    )
    Address.objects.create(
        network=network,
        device=device,
        interface="eth0",
        address=f"127.128.{n // 250}.{n % 250 + 1}",
        mac=mac_of(device),
    )
    secrets.store("bmc:default", "root:calvin")
    return device


def mac_of(device: Device) -> str:
    """The boot MAC of a wired host."""
    return f"02:00:00:00:{device.pk // 250:02x}:{device.pk % 250:02x}"


def operation(kind: str = "power", device: Device | None = None, *, state: str = "queued", **columns: Any) -> Operation:
    """An operation in this state; columns are set as they are, whatever the engine would have written."""
    device = device or host("installed")
    params = columns.pop("params", {"action": "restart"} if kind == "power" else {})
    made = ask.create([ask.Asked(kind, device, params)], actor=actor(), reason="made for a test")[0]
    engine = lifecycle.system("engine")
    if state != "queued":
        lifecycle.move("operation", [made.pk], to="active", actor=engine, reason="claimed")
        Device.objects.filter(pk=device.pk).update(active_operation=made.pk, active_kind=kind)
    if state not in ("queued", "active"):
        lifecycle.move("operation", [made.pk], to=state, actor=engine, reason="made for a test")
        Device.objects.filter(pk=device.pk).update(active_operation=None, active_kind="")
    if columns:
        Operation.objects.filter(pk=made.pk).update(**columns)
    made.refresh_from_db()
    return made


def subject(kind: str, state: str) -> int:
    """The id of a subject of any kind in this state; '' is just born (the transaction cannot be committed then)."""
    with transaction.atomic():
        row = _BORN[kind]()
        row.save()
        if state:
            bring(kind, [row.pk], state)
    return int(row.pk)


def _operation() -> Operation:
    device = host()
    return Operation(kind="power", device=device, site=device.site, actor=actor())


_BORN: dict[str, Callable[[], Model]] = {
    "host": lambda: _device("host", {}),
    "switch": lambda: _device("switch", {}),
    "cable": lambda: Cable(label=f"C{next(_numbers)}", kind="infiniband"),
    "incident": lambda: Incident(site=site(), kind="inlet_hot", place=f"row {next(_numbers)}", words="hot"),
    "operation": _operation,
    "campaign": lambda: Campaign(kind="power", site=site(), actor=actor()),
}
