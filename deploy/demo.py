"""The command behind `make demo`: the whole system on this machine, with a simulated fleet that is brought up.

    python -m deploy.demo [hosts=511] [speed=60] [seed=1] [faults=bringup] [port=8000] [once=1] [chaos=1] [fresh=1]

Everything that it starts lives as long as it does. Data, logs and the plan are in .run/demo of the checkout (as root,
those of PostgreSQL and Valkey in /var/lib/muster-<hash>); a second start goes on with them. ONCE=1 begins anew each
time, in .run/once, prints its summary as the last line of stdout, and exits 0 only if every host ended where its
injected fault says that it must.
"""

import contextlib
import fcntl
import json
import os
import resource
import shutil
import signal
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from deploy import embedded, options, watch
from deploy.launcher import Demo, say
from deploy.place import CHECKOUT, Place, ServerFailed
from deploy.programs import BadInput, CommandFailed

_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_OPEN_FILES = 65536  # a worker holds a connection to each BMC, the simulator both ends of them


class Asked(BaseException):
    """Ctrl-C or a SIGTERM: stop everything."""


def _on_signal(number: int, frame: FrameType | None) -> None:
    _ignore_signals()
    raise Asked


def _ignore_signals() -> None:
    for each in _ENDING:
        signal.signal(each, signal.SIG_IGN)


@contextlib.contextmanager
def _slot(once: bool) -> Iterator[str]:
    """The name of a run that nobody else has: `demo`, or for ONCE the first free of `once`, `once-2`, ..."""
    folder = CHECKOUT / ".run"
    folder.mkdir(exist_ok=True)
    for name in ["once", *(f"once-{n}" for n in range(2, 10))] if once else ["demo"]:
        with (folder / f"{name}.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                continue
            yield name
            return
    raise CommandFailed("a demo of this checkout is running already: stop it with Ctrl-C where it was started")


def _prepared(asked: options.Options, run: Path, place: Place) -> options.Options:
    """Delete what an earlier run left when this one begins anew, else go on with what it was made of."""
    if asked.once or asked.fresh:
        embedded.stop(place)
        place.remove()
        shutil.rmtree(run, ignore_errors=True)
    made = run / "made.json"
    return options.go_on_with(asked, json.loads(made.read_text())) if made.exists() else asked


def _more_open_files() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _run(demo: Demo) -> tuple[int, dict[str, Any] | None]:
    """Start, stay, stop. Gives the exit code, and the summary of a ONCE."""
    try:
        demo.start()
        ended = demo.stay()
        result = demo.sum_up()
        return (0 if ended and watch.holds(result) else 1), result
    except Asked:
        return int(demo.asked.once), None
    except (CommandFailed, ServerFailed, watch.AskFailed) as failed:
        say(f"{failed}")
        return (2 if isinstance(failed, BadInput) else 1), None
    finally:
        _ignore_signals()
        say("stopping")
        demo.stop()


def main(words: Sequence[str]) -> int:
    """Exit code: 0 as asked, 1 something failed or a host ended wrong, 2 bad input."""
    asked = options.parse(words)
    if asked.once and os.environ.get("DATABASE_URL"):
        raise options.BadOption("once", "1", "it needs servers of its own: unset DATABASE_URL and REDIS_URL")
    _more_open_files()
    for each in _ENDING:
        signal.signal(each, _on_signal)
    try:
        with _slot(asked.once) as name:
            run, place = CHECKOUT / ".run" / name, Place(name)
            code, result = _run(Demo(_prepared(asked, run, place), run, place))
    except Asked:  # before anything ran
        return 1
    except (CommandFailed, ServerFailed) as failed:
        say(f"{failed}")
        return 1
    if result is not None:
        print(json.dumps(result), flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
