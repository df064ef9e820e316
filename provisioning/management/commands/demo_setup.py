"""manage.py demo_setup: people, a token, the profile, the BMC login and an image; a second run changes nothing."""

import hashlib
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import yaml
from django.conf import settings
from django.contrib.auth.models import User
from django.core.management.base import BaseCommand, CommandError
from django.db import transaction
from django.utils import timezone

from fleet import profiles, secrets
from fleet.models import GRANTABLE, Device, File, Grant, Token
from provisioning.models import Image

PROFILE = Path(settings.BASE_DIR) / "fleet" / "data" / "XE9680.yaml"
IMAGE = "debian-12-gpu"
IMAGE_BYTES = 8 << 20
# The factory login of an iDRAC, which the simulated BMCs have too.
BMC_LOGIN = "root:calvin"
BOOT_FILES = {"ipxe.efi": 1 << 18, "vmlinuz": 1 << 20, "initrd.zst": 1 << 20}


class Command(BaseCommand):
    """Only where MUSTER_DEMO=1: it gives out passwords."""

    help = __doc__ or ""

    def handle(self, *args: Any, **options: Any) -> None:
        """Print {"sign_ins": [{role, name, password}], "token", "hosts"} as the last line; hosts: how many."""
        if not settings.DEMO:
            raise CommandError("demo_setup is for MUSTER_DEMO=1 only", returncode=2)
        for name, size in BOOT_FILES.items():
            self._boot_file(name, size)
        with transaction.atomic():
            secrets.store("bmc:default", BMC_LOGIN)
            spec = yaml.safe_load(PROFILE.read_text())
            profiles.store(PROFILE.stem, {**spec, "image_file": self._image()})
            people = [self._person(role) for role in GRANTABLE if role != "scheduler"]
            token = self._token()
            hosts = Device.objects.filter(kind="host").count()
        self.stdout.write(json.dumps({"sign_ins": people, "token": token, "hosts": hosts}))

    def _boot_file(self, name: str, size: int) -> None:
        """Stand-ins of the loader, kernel and ramdisk: simulated hosts fetch them, nothing runs them."""
        path = Path(settings.BOOT_DIR) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists():
            path.write_bytes(_bytes(name, size))

    def _image(self) -> dict[str, Any]:
        content = _bytes(IMAGE, IMAGE_BYTES)
        sha256 = hashlib.sha256(content).hexdigest()
        path = Path(settings.FILES) / sha256[:2] / sha256
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        file, _ = File.objects.get_or_create(
            sha256=sha256, defaults={"kind": "image", "name": IMAGE, "size_bytes": len(content)}
        )
        Image.objects.get_or_create(name=IMAGE, version="demo", defaults={"file": file})
        return {"name": IMAGE, "sha256": sha256, "size_bytes": len(content)}

    def _person(self, role: str) -> dict[str, str]:
        """One sign-in a role. The password is derived, so that a second start can show it again without storing it."""
        password = secrets.derive("demo-password", role)[:12]
        user, is_new = User.objects.get_or_create(username=role)
        if is_new:
            user.set_password(password)
            user.save()
            Grant.objects.create(user=user, role=role)
        return {"role": role, "name": role, "password": password}

    def _token(self) -> str:
        token = secrets.derive("demo-token", "launcher")
        row, is_new = Token.objects.get_or_create(
            name="demo launcher",
            defaults={"digest": secrets.digest(token), "expires_at": timezone.now() + timedelta(days=365)},
        )
        if is_new:
            Grant.objects.create(token=row, role="operator")
        return token


def _bytes(seed: str, size: int) -> bytes:
    """The same bytes for the same seed, and no two blocks alike."""
    blocks = (hashlib.sha256(f"{seed}:{n}".encode()).digest() for n in range(size // 32))
    return b"".join(blocks)
