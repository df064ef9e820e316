"""Programs that the launcher keeps running: started again with back-off when they end, stopped in order."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from deploy import processes

_BACK_OFF_S = (0.5, 1, 2, 5, 10, 30)
_BAD_INPUT = 2  # as every command of ours exits then; starting it again would not help
_STEADY_S = 60  # who has run this long begins again at the shortest back-off


class CommandFailed(RuntimeError):
    """A command that the launcher waits for has failed; the words end with what it printed last."""


class BadInput(CommandFailed):
    """A program has refused what it was given (exit code 2); the words are its own."""


@dataclass
class Program:
    """One program. counted: its CPU time is part of the summary. cpu_s grows over all its processes."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str]
    log: Path
    cwd: Path
    counted: bool = True
    starts: int = 0
    process: subprocess.Popen[bytes] | None = None
    _quick_ends: int = 0
    _started_at: float = 0.0
    _start_at: float = 0.0
    _cpu_of_the_ended: float = 0.0
    _cpu_of_this: float = 0.0

    def start(self) -> None:
        """Start it now."""
        self.process = processes.spawn(self.argv, log=self.log, env=self.env, cwd=self.cwd)
        self.starts += 1
        self._started_at = time.monotonic()

    def look(self) -> None:
        """Note its CPU time; when it has ended, start it again once its back-off is over. Raises BadInput."""
        if self.process is None:
            if time.monotonic() >= self._start_at:
                self.start()
            return
        if (code := self.process.poll()) is None:
            self._cpu_of_this = max(self._cpu_of_this, processes.cpu_s(self.process.pid))
            return
        self._note_end(code)

    def _note_end(self, code: int) -> None:
        if code == _BAD_INPUT:
            raise BadInput(f"{self.name} refuses: {_last_lines(self.log, 3)}")
        now = time.monotonic()
        self._quick_ends = 0 if now - self._started_at > _STEADY_S else self._quick_ends + 1
        wait_s = _BACK_OFF_S[min(self._quick_ends, len(_BACK_OFF_S) - 1)]
        print(f"{self.name} ended ({_ending(code)}): again in {wait_s:g} s; see {self.log}", file=sys.stderr)
        self._start_at = now + wait_s
        self._forget()

    def _forget(self) -> None:
        self._cpu_of_the_ended += self._cpu_of_this
        self._cpu_of_this = 0.0
        self.process = None

    @property
    def cpu_s(self) -> float:
        """CPU seconds of all its processes so far."""
        return self._cpu_of_the_ended + self._cpu_of_this

    def kill(self) -> None:
        """SIGKILL to it and to all that descends from it."""
        if self.process is not None:
            self._cpu_of_this = max(self._cpu_of_this, processes.cpu_s(self.process.pid))
            for pid in processes.children(self.process.pid):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait(30)

    def ask_to_end(self) -> None:
        """SIGTERM, on which all our programs end orderly."""
        if self.process is not None and self.process.poll() is None:
            self._cpu_of_this = max(self._cpu_of_this, processes.cpu_s(self.process.pid))
            self.process.terminate()

    def wait_ended(self, *, within_s: float) -> None:
        """Wait for its end; kill it when the bound is over."""
        if self.process is None:
            return
        try:
            self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            print(f"{self.name} does not end within {within_s:.0f} s: killed", file=sys.stderr)
            self.kill()
        self._forget()


def _last_lines(log: Path, n: int, *, after: int = 0) -> str:
    """The last n lines of what stands behind the first `after` bytes."""
    return "\n".join(log.read_bytes()[after:].decode(errors="replace").splitlines()[-n:])


def _ending(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"


@dataclass
class Programs:
    """All programs of one launcher, in the order of their start."""

    programs: list[Program] = field(default_factory=list)

    def add(self, program: Program) -> Program:
        """Start a program and keep it running from now on."""
        program.start()
        self.programs.append(program)
        return program

    def look(self) -> None:
        """One round of supervision."""
        for program in self.programs:
            program.look()

    @property
    def cpu_s(self) -> float:
        """CPU seconds of those that count."""
        return sum(program.cpu_s for program in self.programs if program.counted)

    def stop(self, stages: Iterable[Iterable[str]], *, within_s: float = 40) -> None:
        """End the programs whose names begin with the words of a stage, together; then those of the next stage."""
        for stage in stages:
            chosen = [program for program in self.programs if program.name.startswith(tuple(stage))]
            for program in chosen:
                program.ask_to_end()
            until = time.monotonic() + within_s
            for program in chosen:
                program.wait_ended(within_s=max(until - time.monotonic(), 0.1))
            self.programs = [program for program in self.programs if program not in chosen]


def command(argv: Sequence[str], *, env: Mapping[str, str], cwd: Path, log: Path, right: tuple[int, ...] = (0,)) -> str:
    """Run a command to its end and give its stdout; stderr goes to the log. So does the stdout of a failed one only:
    what succeeds may print sign-ins and tokens.

    right: the exit codes that are no failure. Raises CommandFailed for the others.
    """
    with log.open("ab") as errors:
        before = errors.tell()
        # Its own session: Ctrl-C reaches the launcher alone, which then ends the command.
        child = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, env=dict(env), cwd=cwd,
            start_new_session=True, text=True,
        )  # fmt: skip
        try:
            output, _ = child.communicate()
        except BaseException:
            processes.end(child.pid, by=[(signal.SIGTERM, 10), (signal.SIGKILL, 10)])
            child.communicate()
            raise
    if child.returncode not in right:
        with log.open("a") as file:
            file.write(output)
        kind = BadInput if child.returncode == _BAD_INPUT else CommandFailed
        raise kind(f"{' '.join(argv[1:])}: {_ending(child.returncode)}\n{_last_lines(log, 15, after=before)}")
    return output
