"""What `make demo` was asked for: the variables of the Makefile, checked."""

import json
import secrets
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

_FAULT_SETS = ("bringup", "none")
_DEFAULTS = {"hosts": "511", "speed": "60", "seed": "1", "faults": "bringup", "once": "0", "chaos": "0"}
# What the simulated fleet is made of: a second start goes on with it and cannot change it.
_FIXED = ("hosts", "seed", "faults")


class BadOption(SystemExit):
    """Ends the launcher with exit code 2 and one line: what, which value, what would be right."""

    def __init__(self, name: str, value: str, expected: str) -> None:
        print(f"{name.upper()}={value}: {expected}", file=sys.stderr)
        super().__init__(2)


@dataclass(frozen=True)
class Ports:
    """Where the web, the simulated BMCs, the agents of the simulated hosts and the simulator's control listen."""

    web: int
    bmc: int
    agent: int
    control: int


_reserved: list[socket.socket] = []
_DEFAULT_PORTS = Ports(web=8000, bmc=18443, agent=17777, control=18080)


@dataclass(frozen=True)
class Options:
    """faults: `bringup`, `none` or the absolute path of a JSON file. port: the web's, None when it was not given."""

    hosts: int
    speed: float
    seed: int
    faults: str
    port: int | None
    once: bool
    chaos: bool
    fresh: bool
    given: frozenset[str] = field(default_factory=frozenset)


def parse(words: Sequence[str]) -> Options:
    """Read `name=value` words; an empty value counts as not given. Raises BadOption."""
    known = {*_DEFAULTS, "port", "fresh"}
    given: dict[str, str] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name not in known:
            raise BadOption(name, value, f"no such variable; known are {' '.join(sorted(known)).upper()}")
        if value:
            given[name] = value
    values = _DEFAULTS | given
    return Options(
        hosts=_whole("hosts", values["hosts"], 0, 5110),
        speed=_number("speed", values["speed"], 1, 1_000_000),
        seed=_seed(values["seed"]),
        faults=_faults(values["faults"]),
        port=_whole("port", given["port"], 1, 65535) if "port" in given else None,
        once=_flag("once", values["once"]),
        chaos=_flag("chaos", values["chaos"]),
        fresh=_flag("fresh", given.get("fresh", "0")),
        given=frozenset(given),
    )


def _number(name: str, value: str, low: float, high: float) -> float:
    try:
        number = float(value)
    except ValueError:
        number = low - 1
    if not low <= number <= high:
        raise BadOption(name, value, f"expected a number from {low:g} to {high:g}")
    return number


def _whole(name: str, value: str, low: int, high: int) -> int:
    if not value.isdigit():
        raise BadOption(name, value, f"expected a whole number from {low} to {high}")
    return int(_number(name, value, low, high))


def _flag(name: str, value: str) -> bool:
    if value not in ("0", "1"):
        raise BadOption(name, value, "expected 1 or 0")
    return value == "1"


def _seed(value: str) -> int:
    if value == "random":
        drawn = secrets.randbelow(1_000_000)
        print(f"SEED={drawn} was drawn", file=sys.stderr)
        return drawn
    return _whole("seed", value, 0, 2**31 - 1)


def _faults(value: str) -> str:
    if value in _FAULT_SETS:
        return value
    path = Path(value).absolute()
    try:
        faults = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise BadOption("faults", value, f"expected bringup, none or a JSON file ({error})") from error
    if not isinstance(faults, dict):
        raise BadOption("faults", value, 'expected a JSON object {"host-001": "psu_dead", ...}')
    return str(path)


def go_on_with(options: Options, kept: dict[str, object]) -> Options:
    """The options of a second start: what was not given is as it was. Raises BadOption for what cannot change."""
    changed: dict[str, object] = {}
    for name in _FIXED:
        now, before = getattr(options, name), kept[name]
        if now == before:
            continue
        if name in options.given:
            words = f"this demo was made with {name.upper()}={before}; FRESH=1 deletes it and begins anew"
            raise BadOption(name, str(now), words)
        changed[name] = before
    return Options(**{**vars(options), **changed})


def keep(options: Options) -> dict[str, object]:
    """What go_on_with() needs of this start."""
    return {name: getattr(options, name) for name in _FIXED}


def free_ports(options: Options, before: Ports | None = None) -> Ports:
    """The default ports, or free ones where they are taken, which is said. Raises BadOption for a taken PORT.

    before: those of the start before, which are kept: hosts that are about to boot hold the web's address.
    """
    if options.port is not None and not _is_free(options.port, "127.0.0.1"):
        raise BadOption("port", str(options.port), "another program listens there; leave PORT out to get a free one")
    wanted = before or _DEFAULT_PORTS
    return Ports(
        web=options.port or _free("the web", wanted.web, "127.0.0.1"),
        bmc=_free("the simulated BMCs", wanted.bmc, ""),
        agent=_free("the agents of simulated hosts", wanted.agent, ""),
        control=_free("the simulator's control", wanted.control, "127.0.0.1"),
    )


def _is_free(port: int, address: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return _reserve(port)


def _reserve(port: int) -> bool:
    """Keep other launchers off a port until this one ends: they start at the same moment in tests."""
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0muster-port-{port}")
    except OSError:
        name.close()
        return False
    _reserved.append(name)
    return True


def _free(what: str, port: int, address: str) -> int:
    if _is_free(port, address):
        return port
    with socket.socket() as probe:
        probe.bind((address, 0))
        free = int(probe.getsockname()[1])
    print(f"port {port} is taken: {what} will listen on {free}", file=sys.stderr)
    return free
