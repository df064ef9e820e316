"""Programs under supervision, with real processes."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from deploy import processes, programs
from tests.support.waiting import eventually

pytestmark = pytest.mark.workers


def program(folder: Path, code: str, name: str = "program") -> programs.Program:
    return programs.Program(name, [sys.executable, "-c", code], dict(os.environ), folder / f"{name}.log", folder)


SLEEP = "import time; print('up', flush=True); time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {SLEEP}"


@pytest.fixture
def kept(tmp_path: Path):
    all_of_them = programs.Programs()
    yield all_of_them
    all_of_them.stop([("",)], within_s=0.5)


def test_who_is_killed_comes_back(tmp_path: Path, kept: programs.Programs, capsys) -> None:
    worker = kept.add(program(tmp_path, SLEEP))
    assert worker.process
    first = worker.process.pid
    worker.kill()
    assert not processes.alive(first)

    def back() -> bool:
        kept.look()
        return worker.process is not None and worker.process.pid != first

    assert eventually(back)
    assert worker.starts == 2
    assert "ended (signal SIGKILL): again in" in capsys.readouterr().err


def test_cpu_of_the_killed_still_counts(tmp_path: Path, kept: programs.Programs) -> None:
    burner = kept.add(program(tmp_path, "while True: pass"))
    uncounted = kept.add(program(tmp_path, "while True: pass", "uncounted"))
    uncounted.counted = False

    def burnt() -> bool:
        kept.look()
        return burner.cpu_s >= 0.2

    assert eventually(burnt)
    before = burner.cpu_s
    burner.kill()
    kept.look()
    assert burner.cpu_s >= before
    assert kept.cpu_s == burner.cpu_s


def test_stop_is_in_order_and_kills_who_does_not_end(tmp_path: Path, capsys) -> None:
    kept = programs.Programs()
    first, last = kept.add(program(tmp_path, STUBBORN, "first")), kept.add(program(tmp_path, SLEEP, "last"))
    pids = [first.process.pid, last.process.pid]
    assert eventually(lambda: "up" in first.log.read_text())
    kept.stop([("first",)], within_s=0.5)
    assert [processes.alive(pid) for pid in pids] == [False, True]
    kept.look()  # who was stopped is not started again
    assert first.process is None
    kept.stop([("first",), ("last",)], within_s=30)
    assert not processes.alive(pids[1])
    assert "first does not end within" in capsys.readouterr().err


def test_ctrl_c_does_not_reach_a_program_and_a_dead_launcher_takes_it_along(tmp_path: Path) -> None:
    """Own session; and the parent's end, even by -9, is a SIGTERM for the child."""
    code = (
        "import sys, time; from pathlib import Path; from deploy import processes;"
        f"child = processes.spawn([sys.executable, '-c', {SLEEP!r}], log=Path({str(tmp_path / 'log')!r}), env={{}});"
        "print(child.pid, flush=True); time.sleep(600)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert launcher.stdout
    child = int(launcher.stdout.readline())
    assert os.getsid(child) == child
    launcher.send_signal(signal.SIGKILL)
    launcher.wait()
    launcher.stdout.close()
    assert processes.wait_gone(child, within_s=30)


def test_a_failed_command_says_what_it_printed(tmp_path: Path) -> None:
    run = {"env": dict(os.environ), "cwd": tmp_path, "log": tmp_path / "log"}
    assert programs.command([sys.executable, "-c", "print(7)"], **run) == "7\n"
    assert programs.command([sys.executable, "-c", "print(8); raise SystemExit(1)"], right=(0, 1), **run) == "8\n"
    assert run["log"].read_text() == "", "what succeeds may print a token"
    with pytest.raises(programs.CommandFailed, match=r"exit 1\n(?s:.*)oh no"):
        programs.command([sys.executable, "-c", "raise SystemExit('oh no')"], **run)


def test_who_refuses_its_input_is_not_started_again(tmp_path: Path, kept: programs.Programs) -> None:
    refusing = kept.add(program(tmp_path, "import sys; print('faults: unknown host'); sys.exit(2)"))
    refusing.process.wait(60)
    with pytest.raises(programs.BadInput, match="program refuses: faults: unknown host"):
        kept.look()
