"""The demo as one thing: servers, web, workers, beat and the simulator, started in order, watched and stopped."""

import contextlib
import json
import os
import shutil
import signal
import sys
import time
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import redis

from deploy import embedded, options, processes, programs, watch
from deploy.chaos import Chaos
from deploy.place import CHECKOUT, Place, ServerFailed

_TURN_WORKERS = 1  # one a site: more only share the work of the one pump
_PROGRESS_S = 10.0
_LOOK_S = 2.0
_ANSWER_S = 180.0
_SERVERS_S = 60.0
_DAY_S = 86_400.0
_AT_REST_LOOKS = 2
# Nothing has moved for so long: real seconds, and besides that simulated ones, for a burn-in is an hour of silence.
_STALL_S, _STALL_SIMULATED_S = 900.0, 4 * 3600.0
# Workers end while the hardware still answers; then the world stands still, and with it what it talks to.
_ACTING = ("beat", "worker")
_WORLD = ("web", "simulator")


def say(words: str) -> None:
    """Tell the person who started the demo; stdout is for the summary. Nobody reads it any more: end."""
    try:
        print(words, file=sys.stderr, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())
        os.kill(os.getpid(), signal.SIGTERM)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Demo:
    """One run of the launcher. run: its folder. place: where its servers live, unless DATABASE_URL names others."""

    def __init__(self, asked: options.Options, run: Path, place: Place) -> None:
        self.asked, self.run, self.place = asked, run, place
        self.logs = run / "log"
        self.programs = programs.Programs()
        self.embedded = not os.environ.get("DATABASE_URL")
        self.env: dict[str, str] = {}
        self.ports = options.Ports(0, 0, 0, 0)
        self.api = watch.Api("", "")
        self.campaign_at = time.monotonic()
        self.partitions_at = time.monotonic()
        self.servers_at = time.monotonic()
        self.cpu_before = 0.0
        self.workers: list[programs.Program] = []

    # -- start ---------------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Bring everything up, in the order in which one needs the other."""
        self._prepare_folder()
        self.ports = self._choose_ports()
        self.env = {**os.environ, **self._settings()}
        if self.asked.hosts:
            self._make_plan()
        self.env |= self._servers()
        self._write_env()
        say("migrating the database")
        self._manage("migrate")
        self._make_partitions()
        setup = json.loads(self._manage("demo_setup").strip().splitlines()[-1])
        self._start_web()
        self.api = watch.Api(f"http://127.0.0.1:{self.ports.web}", setup["token"])
        self._say_where(setup)
        if self.asked.hosts:
            if not setup["hosts"]:
                self._load_plan()
            self._start_simulator()
        self._start_workers()
        if self.asked.hosts:
            self._bring_up()

    def _prepare_folder(self) -> None:
        for folder in ("log", "files", "boot"):
            (self.run / folder).mkdir(parents=True, exist_ok=True)
        for name, fresh in (
            ("keys", urlsafe_b64encode(os.urandom(32))),
            ("secret_key", urlsafe_b64encode(os.urandom(48))),
        ):
            path = self.run / name
            if not path.exists():
                with open(path, "wb", opener=_private) as out:
                    out.write(fresh + b"\n")

    def _choose_ports(self) -> options.Ports:
        kept = self.run / "ports.json"
        before = options.Ports(**json.loads(kept.read_text())) if kept.exists() else None
        ports = options.free_ports(self.asked, before)
        kept.write_text(json.dumps(asdict(ports)))
        return ports

    def _servers(self) -> dict[str, str]:
        if self.embedded:
            say("starting PostgreSQL and Valkey")
            return embedded.start(self.place)
        given = os.environ["DATABASE_URL"]
        return {"MUSTER_OWNER_DATABASE_URL": os.environ.get("MUSTER_OWNER_DATABASE_URL", given)}

    def _settings(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "deploy.settings",
            "MUSTER_DEMO": "1",
            "MUSTER_KEYS_FILE": str(self.run / "keys"),
            "MUSTER_SECRET_KEY_FILE": str(self.run / "secret_key"),
            "MUSTER_FILES": str(self.run / "files"),
            "MUSTER_BOOT_DIR": str(self.run / "boot"),
            "MUSTER_URL": f"http://127.0.0.1:{self.ports.web}",
            "MUSTER_BOOT_URL": f"http://127.0.0.1:{self.ports.web}/boot",
            "MUSTER_TIME_SCALE": f"{self.asked.speed:g}",
            "MUSTER_BMC_PORT": str(self.ports.bmc),
            "MUSTER_AGENT_PORT": str(self.ports.agent),
            "MUSTER_SIM_CONTROL": self.control,
            "PYTHONUNBUFFERED": "1",
        }

    def _write_env(self) -> None:
        """For manage.py in another shell, as long as this runs."""
        wanted = {name: value for name, value in self.env.items() if os.environ.get(name) != value}
        with open(self.run / "env.json", "w", opener=_private) as out:
            json.dump(wanted, out)

    def _manage(self, *words: str, right: tuple[int, ...] = (0,)) -> str:
        argv = [sys.executable, "manage.py", *words]
        return programs.command(argv, env=self.env, cwd=CHECKOUT, log=self.logs / "setup.log", right=right)

    def _program(
        self, name: str, *argv: str, counted: bool = True, env: dict[str, str] | None = None
    ) -> programs.Program:
        return self.programs.add(
            programs.Program(
                name=name,
                argv=[sys.executable, "-m", *argv],
                env={**self.env, **(env or {})},
                log=self.logs / f"{name}.log",
                cwd=CHECKOUT,
                counted=counted,
            )
        )

    def _make_partitions(self) -> None:
        self._manage("partitions")
        self.partitions_at = time.monotonic()

    def _start_web(self) -> None:
        shape = ("--worker-class", "gthread", "--workers", "2", "--threads", "8", "--keep-alive", "15", "--preload")
        bind = ("--bind", f"127.0.0.1:{self.ports.web}", "--graceful-timeout", "5", "--worker-tmp-dir", "/dev/shm")
        self._program("web", "gunicorn", "deploy.wsgi", *shape, *bind)
        self._wait_for("web", f"http://127.0.0.1:{self.ports.web}/sign-in/")

    def _start_simulator(self) -> None:
        asked, ports = self.asked, self.ports
        words = {
            "--plan": self.run / "plan",
            "--seed": asked.seed,
            "--faults": asked.faults,
            "--time-scale": asked.speed,
        }
        words |= {"--bmc-port": ports.bmc, "--agent-port": ports.agent, "--control": f"127.0.0.1:{ports.control}"}
        words |= {"--journal": self.run / "journal.jsonl", "--state": self.run / "simulator.json"}
        argv = [str(word) for pair in words.items() for word in pair]
        self._program("simulator", "provisioning.simulator", *argv, counted=False)
        self._wait_for("simulator", f"{self.control}/stats")

    def _start_workers(self) -> None:
        celery = ("celery", "-A", "deploy.celery")
        quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat", "-l", "INFO")
        for n in range(1, _TURN_WORKERS + 1):
            shape = ("worker", "-P", "threads", "-c", "2", "-Q", "turn", "-n", f"turn{n}@%h", *quiet)
            name = f"worker-turn{n}"
            self.workers.append(self._program(name, *celery, *shape, env={"MUSTER_WORKER_NAME": f"turn{n}"}))
        self._program("beat", *celery, "beat", "-l", "WARNING")

    def _wait_for(self, name: str, url: str) -> None:
        """Wait until a program answers, while all are supervised."""
        until = time.monotonic() + _ANSWER_S
        while True:
            try:
                watch.answers(url)
                return
            except OSError as error:
                if time.monotonic() > until:
                    words = f"{name} does not answer at {url} ({error}); see {self.logs / name}.log"
                    raise programs.CommandFailed(words) from error
            self.programs.look()
            time.sleep(0.1)

    @property
    def control(self) -> str:
        """Address of the simulator's control API."""
        return f"http://127.0.0.1:{self.ports.control}"

    def _say_where(self, setup: dict[str, Any]) -> None:
        say(f"\n  http://127.0.0.1:{self.ports.web}/   (logs: {self.logs})")
        for person in setup["sign_ins"]:
            say(f"    {person['role']:<11} {person['name']:<11} {person['password']}")
        say("")

    # -- bring-up ------------------------------------------------------------------------------------------------------

    def _make_plan(self) -> None:
        """The plan, and with it what the fleet is made of; before anything is started, so that bad faults end early."""
        made, plan, half = self.run / "made.json", self.run / "plan", self.run / "plan.new"
        if made.exists():
            return
        for old in (plan, half):
            shutil.rmtree(old, ignore_errors=True)
        words = ("--hosts", str(self.asked.hosts), "--seed", str(self.asked.seed), "-o", str(half))
        self._manage("plan", "generate", *words)
        argv = [sys.executable, "-m", "provisioning.simulator", "--check", "--plan", str(half)]
        log = self.logs / "setup.log"
        programs.command([*argv, "--faults", self.asked.faults], env=self.env, cwd=CHECKOUT, log=log)
        half.rename(plan)
        made.write_text(json.dumps(options.keep(self.asked)))

    def _load_plan(self) -> None:
        """Into a database without hosts: a new one, or one that somebody emptied. What stands beside it begins anew."""
        for name in ("campaign_key", "campaign.json", "simulator.json", "journal.jsonl"):
            (self.run / name).unlink(missing_ok=True)
        say(f"loading the plan of {self.asked.hosts} hosts")
        self._manage("plan", "load", str(self.run / "plan"), "--as", "cabled")

    def _bring_up(self) -> None:
        """Ask for the campaign, once in the life of this demo: the key makes a second request the same one."""
        self.cpu_before, self.campaign_at = self._cpu_s(), time.monotonic()
        key_file, asked_file = self.run / "campaign_key", self.run / "campaign.json"
        if asked_file.exists():
            say("the fleet goes on where it stood; Ctrl-C stops everything")
            return
        if not key_file.exists():
            key_file.write_text(f"bring-up-{uuid.uuid4().hex}")
        answer = self.api.bring_up(key_file.read_text())
        asked_file.write_text(json.dumps(answer))
        say(f"campaign {answer.get('id')} brings up the fleet; Ctrl-C stops everything")

    def _cpu_s(self) -> float:
        self.programs.look()
        servers = [embedded.Postgres(self.place).pid, embedded.Valkey(self.place).pid] if self.embedded else []
        return self.programs.cpu_s + sum(processes.cpu_s(pid) for pid in servers if pid)

    # -- run -----------------------------------------------------------------------------------------------------------

    def looks(self) -> Iterator[watch.Look]:
        """Supervise, and look at the fleet every two seconds; progress goes to stderr while something moves."""
        told, told_at = "", 0.0
        while True:
            self.programs.look()
            self._keep_servers()
            if time.monotonic() - self.partitions_at > _DAY_S:
                self._make_partitions()
            with contextlib.suppress(watch.AskFailed):  # a web that is just being started again
                seen = self.api.look()
                if str(seen) != told and time.monotonic() - told_at >= _PROGRESS_S:
                    told, told_at = str(seen), time.monotonic()
                    say(f"{told_at - self.campaign_at:6.0f} s  {told}")
                yield seen
            time.sleep(_LOOK_S)

    def _keep_servers(self) -> None:
        """A server that somebody ended is started again, as the programs are. Raises ServerFailed.

        What a killed PostgreSQL leaves behind ends a moment after it and stands in the way of a new one until then.
        """
        if not self.embedded or (embedded.Postgres(self.place).pid and embedded.Valkey(self.place).pid):
            self.servers_at = time.monotonic()
            return
        say("a server has ended: starting it again")
        try:
            embedded.start(self.place)
        except ServerFailed:
            if time.monotonic() - self.servers_at > _SERVERS_S:
                raise

    def stay(self) -> bool:
        """Keep everything running. With ONCE until no operation is under way; True when something moved to the end."""
        chaos = Chaos(kill=self._kill_workers, flush=self._flush) if self.asked.chaos else None
        moved, moved_at, at_rest = -1, time.monotonic(), 0
        stall_s = _STALL_S + _STALL_SIMULATED_S / self.asked.speed
        for seen in self.looks():
            if chaos:
                chaos.look(seen.done)
            if seen.transitions != moved:
                moved, moved_at = seen.transitions, time.monotonic()
            at_rest = at_rest + 1 if seen.under_way == 0 else 0
            if self.asked.once and at_rest == _AT_REST_LOOKS:
                return True
            if self.asked.once and time.monotonic() - moved_at > stall_s:
                say(f"nothing has moved for {stall_s:.0f} s: giving up")
                return False
        return False

    def _kill_workers(self) -> None:
        for worker in self.workers:
            worker.kill()

    def _flush(self) -> None:
        url = self.env["REDIS_URL"].replace("redis+socket://", "unix://")
        with redis.Redis.from_url(url) as link:
            link.flushall()

    def sum_up(self) -> dict[str, Any]:
        """End beat and workers, and give the summary of `make demo ONCE=1`.

        Besides what contracts promise: `sessions_leaked`, `resets`, `resets_unpermitted`.
        """
        wall_s, cpu_s = time.monotonic() - self.campaign_at, self._cpu_s() - self.cpu_before
        numbers, ends = self.api.numbers(), self.api.ends()
        self.programs.stop([_ACTING])
        simulated = bool(self.asked.hosts)
        truth = watch.ask(f"{self.control}/truth") if simulated else {}
        stats = watch.ask(f"{self.control}/stats") if simulated else {}
        history = json.loads(self._manage("history", "verify", "--json", right=(0, 1)).strip().splitlines()[-1])
        return {
            **numbers,
            "wrong": watch.wrong_ends(ends, truth),
            "wall_s": round(wall_s, 1),
            "cpu_s": round(cpu_s, 1),
            "bmc_requests": stats.get("bmc_requests", 0),
            "violations": stats.get("violations", 0),
            # One session of ours a BMC is on record and used by the next worker; what is more was leaked.
            "sessions_leaked": sum(open_ - 1 for open_ in stats.get("sessions_open", {}).values()),
            **(watch.resets(self.run / "journal.jsonl") if simulated else {}),
            "history_ok": history.get("ok") is True,
            "seed": self.asked.seed,
        }

    def stop(self) -> None:
        """End what still runs: beat and workers, then web and simulator, then Valkey, then PostgreSQL."""
        (self.run / "env.json").unlink(missing_ok=True)
        self.programs.stop([_ACTING, _WORLD])
        if self.embedded:
            embedded.stop(self.place)
