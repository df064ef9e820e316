"""A machine as the boot service sees it: what firmware, ramdisk and installed system ask, one call each."""

import re
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpResponse
from django.test import Client

from fleet import secrets
from fleet.models import Device
from provisioning.engine import effects
from provisioning.models import BootWindow, Operation
from provisioning.operations.outcomes import CloseWindow, OpenWindow
from tests.support import make

URI_TOKEN = "one-time-uri-token-0123456789abcdef"
IMAGE = bytes(range(256)) * 40
IMAGE_SHA256 = "5e" * 32  # by whatever name: the service knows it by its path
ORDERS = {
    "install": {"mode": "install", "disk": {"role": "os"}, "image": {"sha256": IMAGE_SHA256, "size_bytes": len(IMAGE)}},
    "burn-in": {"mode": "burn-in", "tests": [{"name": "gpu_stress", "minutes": 2}]},
}
BOOT_FILES = {"ipxe.efi": b"loader" * 100, "vmlinuz": b"kernel" * 1000, "initrd.zst": b"ramdisk" * 1000}


@dataclass
class Machine:
    """host: what it is. client: how it talks. told: every token that it was given."""

    host: Device
    operation: Operation | None = None
    client: Client = field(default_factory=Client)
    boot_id: str = "boot-1"
    told: list[str] = field(default_factory=list)

    @property
    def who(self) -> dict[str, str]:
        """What it says of itself."""
        return {"mac": make.mac_of(self.host), "uuid": self.host.uuid, "serial": self.host.serial or ""}

    def window(self) -> BootWindow:
        """Its newest window, as it is now."""
        return BootWindow.objects.filter(device=self.host).latest("id")

    def get(self, path: str, *, session: str = "", **headers: str) -> HttpResponse:
        """GET below /boot/."""
        bearer = {"Authorization": f"Bearer {session}"} if session else {}
        return self.client.get(f"/boot/{path}", headers={**bearer, **headers})

    def post(self, path: str, body: Any, *, session: str = "", **more: Any) -> HttpResponse:
        """POST of JSON below /boot/."""
        bearer = {"Authorization": f"Bearer {session}"} if session else {}
        return self.client.post(f"/boot/{path}", body, content_type="application/json", headers=bearer, **more)

    def script(self, uri: str = URI_TOKEN) -> HttpResponse:
        """The script of its one-time address."""
        return self.get(f"u/{uri}/autoexec.ipxe")

    def token(self) -> str:
        """The boot token of a new script."""
        return self.keep(token_in(self.script()))

    def claim(self, token: str, **changes: Any) -> HttpResponse:
        """The token for a session."""
        return self.post("claim", {"token": token, **self.who, "boot_id": self.boot_id, **changes})

    def session(self) -> str:
        """Boot, claim: a session."""
        answer = self.claim(self.token())
        assert answer.status_code == 200, answer.content
        return self.keep(answer.json()["session"])

    def event(self, session: str, stage: str, **more: Any) -> HttpResponse:
        """A stage beacon."""
        return self.post("event", {"stage": stage, **more}, session=session)

    def home_token(self, session: str) -> str:
        """The second one-use token, from its orders."""
        return self.keep(self.get("orders", session=session).json()["phone_home"]["token"])

    def phone_home(self, token: str, **changes: Any) -> HttpResponse:
        """The report of a first boot."""
        report = {
            "token": token,
            **self.who,
            "boot_id": "boot-2",
            "image": IMAGE_SHA256,
            "ssh_host_key": "ssh-ed25519 A",
        }
        return self.post("phone-home", {**report, "versions": {"kernel": "6.1"}, **changes})

    def keep(self, token: str) -> str:
        """Remember what must never be found in clear."""
        self.told.append(token)
        return token


def token_in(answer: HttpResponse) -> str:
    """The boot token of a script; an AssertionError for a script without one."""
    found = re.search(rb"muster\.token=(\S+)", answer.content)
    assert answer.status_code == 200 and found, answer.content
    return found[1].decode()


def booting(
    mode: str = "install", delivery: str = "uefi_http", state: str = "burned_in", uri: str = URI_TOKEN
) -> Machine:
    """A machine whose operation has opened a window for it."""
    host = make.wired_host(state)
    operation = make.operation("install" if mode == "install" else "burn_in", host, state="active", params={})
    machine = Machine(host, operation)
    open_window(machine, mode, delivery, uri)
    return machine


def open_window(machine: Machine, mode: str, delivery: str = "uefi_http", uri: str = URI_TOKEN) -> None:
    """As the step `window` does, by the same statement."""
    asked = OpenWindow(mode, delivery, ORDERS[mode], secrets.digest(uri))
    _effect(machine, asked)


def close_window(machine: Machine) -> None:
    """As the last step does."""
    _effect(machine, CloseWindow())


def _effect(machine: Machine, effect: Any) -> None:
    assert machine.operation is not None
    with connection.cursor() as cursor:
        effects.write(cursor, [SimpleNamespace(op=machine.operation.pk, device=machine.host.pk, effects=(effect,))])


def store_files() -> None:
    """What the service gives out: the files of a boot, and the image."""
    image = Path(settings.FILES) / IMAGE_SHA256[:2] / IMAGE_SHA256
    image.parent.mkdir(parents=True, exist_ok=True)
    image.write_bytes(IMAGE)
    for name, content in BOOT_FILES.items():
        path = Path(settings.BOOT_DIR) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
