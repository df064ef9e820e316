"""Child processes of the launcher and of the tests: own session, own log, ended by their id."""

import contextlib
import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

_PR_SET_PDEATHSIG = 1
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_LIBC = ctypes.CDLL(None, use_errno=True)
Argv = Sequence[str | Path]


def _ask_for_a_sigterm_when_the_parent_dies() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def spawn(
    argv: Argv,
    *,
    log: Path,
    env: Mapping[str, str],
    cwd: Path = Path("/"),
    user: Mapping[str, Any] | None = None,
    outlives_parent: bool = False,
) -> subprocess.Popen[bytes]:
    """Start a process in its own session, so that Ctrl-C in the terminal does not reach it.

    log: file that gets its output, appended. user: `user`, `group`, `extra_groups` of subprocess, to drop rights.
    outlives_parent: False means that it gets a SIGTERM when the thread that started it ends, however that ends.
    """
    with log.open("ab") as out:
        return subprocess.Popen(
            [str(word) for word in argv],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=None if outlives_parent else _ask_for_a_sigterm_when_the_parent_dies,  # noqa: PLW1509 one call, no lock
            **(user or {}),
        )


def stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on (index 0), or [] when there is no such process."""
    try:
        # The command name stands in brackets and may hold blanks and brackets itself.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie, which only waits for its parent to look, does not."""
    fields = stat(pid)
    return bool(fields) and fields[0] not in "ZX"


def wait_gone(pid: int, *, within_s: float) -> bool:
    """Wait until the process has ended. False when it has not within the bound."""
    return wait_until(lambda: not alive(pid), within_s=within_s)


def wait_until(holds: Callable[[], object], *, within_s: float, every_s: float = 0.02) -> bool:
    """Look again and again until the condition holds. False when it has not within the bound."""
    until = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(every_s)
    return True


def end(pid: int, *, by: Iterable[tuple[signal.Signals, float]]) -> bool:
    """Send the signals in turn, each with the seconds that it is given, until the process has ended."""
    for sig, within_s in by:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, sig)
        if wait_gone(pid, within_s=within_s):
            return True
    return False


def children(pid: int) -> list[int]:
    """All processes that descend from this one, itself first."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, of a process, of all that descend from it and of those that it has reaped."""
    ticks = 0
    for each in children(pid):
        fields = stat(each)
        ticks += sum(int(n) for n in fields[11:15])  # utime, stime, cutime, cstime: proc(5), fields 14 to 17
    return ticks / _TICKS_PER_S
