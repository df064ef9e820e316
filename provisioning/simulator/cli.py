"""The command line of the simulator."""

import argparse
import asyncio
import os
import signal
import sys
from pathlib import Path

from provisioning.simulator import faults, plan, state
from provisioning.simulator.clock import SimClock
from provisioning.simulator.control import Control
from provisioning.simulator.fleet import Fleet, raise_file_limit
from provisioning.simulator.journal import Journal
from provisioning.simulator.plan import BadInput, HostPlan
from provisioning.simulator.world import Options

FLUSH_S, SAVE_S = 1.0, 10.0
_DEFAULTS = Options()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m provisioning.simulator", description=__doc__)
    parser.add_argument("--plan", type=Path, required=True, metavar="DIR", help="plan folder (devices.csv, ...)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--faults", default="none", metavar="none|bringup|FILE", help="FILE is JSON {host: fault}")
    parser.add_argument("--check", action="store_true", help="say whether plan and faults can be used, and end")
    parser.add_argument("--time-scale", type=float, default=60.0, help="simulated seconds in a real one")
    parser.add_argument("--delays", type=int, choices=(0, 1), default=1, help="0: everything happens at once")
    parser.add_argument("--bmc-port", type=int, default=443)
    parser.add_argument("--agent-port", type=int, default=7777)
    parser.add_argument("--control", default="127.0.0.1:18080", metavar="HOST:PORT")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="JSON lines of what really happened")
    parser.add_argument("--journal-reads", action="store_true", help="GETs as well")
    parser.add_argument("--state", type=Path, metavar="FILE", help="kept over restarts")
    parser.add_argument("--boot-url", default=os.environ.get("MUSTER_BOOT_URL", _DEFAULTS.boot_url))
    parser.add_argument("--user", default=os.environ.get("SIM_BMC_USER", _DEFAULTS.user))
    parser.add_argument("--password", default=os.environ.get("SIM_BMC_PASSWORD", _DEFAULTS.password))
    parser.add_argument("--latency-ms", type=float, default=0.0, help="real milliseconds before each BMC answer")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or POST /shutdown. 0: stopped as asked; 2: bad input, one line says which."""
    arguments = _parser().parse_args(argv)
    try:
        asyncio.run(_run(arguments))
    except (BadInput, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 2
    return 0


async def _run(arguments: argparse.Namespace) -> None:
    hosts = plan.read(arguments.plan, seed=arguments.seed)
    if not hosts:
        raise BadInput(f"{arguments.plan}/devices.csv: no row has role=host")
    chosen = faults.choose(arguments.faults, [host.name for host in hosts], seed=arguments.seed)
    if not arguments.check:
        await _simulate(hosts, chosen, arguments)


async def _simulate(hosts: list[HostPlan], chosen: dict[str, str], arguments: argparse.Namespace) -> None:
    raise_file_limit()
    clock = SimClock(scale=arguments.time_scale, delays=bool(arguments.delays))
    journal = Journal(arguments.journal, now_s=clock.now_s, reads=arguments.journal_reads)
    options = Options(
        seed=arguments.seed,
        user=arguments.user,
        password=arguments.password,
        boot_url=arguments.boot_url,
        latency_ms=arguments.latency_ms,
    )
    fleet = Fleet(
        hosts,
        options=options,
        clock=clock,
        journal=journal,
        faults=chosen,
        bmc_port=arguments.bmc_port,
        agent_port=arguments.agent_port,
    )
    if arguments.state and not state.load(arguments.state, fleet, chosen) and arguments.state.exists():
        print(f"simulator: {arguments.state} is of another seed or other faults: starting anew", file=sys.stderr)
    await _serve(fleet, chosen, arguments)


async def _serve(fleet: Fleet, chosen: dict[str, str], arguments: argparse.Namespace) -> None:
    control = Control(fleet)
    stop = control.stop
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    host, _, port = arguments.control.rpartition(":")
    await control.start(host or "127.0.0.1", int(port))
    journal = fleet.world.journal
    journal.write("start", hosts=len(fleet.hosts), seed=arguments.seed, scale=arguments.time_scale)
    print(f"simulator: {len(fleet.hosts)} hosts, BMCs on port {fleet.bmc_listener.port}", file=sys.stderr, flush=True)
    keeper = loop.create_task(_keep(fleet, chosen, arguments.state))
    try:
        await stop.wait()
    finally:
        keeper.cancel()
        if arguments.state:
            state.save(arguments.state, fleet, chosen)
        await control.close()
        await fleet.close()
        journal.write("stop")
        journal.close()


async def _keep(fleet: Fleet, chosen: dict[str, str], path: Path | None) -> None:
    """What has to be done now and then: journal to the disk, unused connections away, state to its file."""
    loop = asyncio.get_running_loop()
    saved_at = loop.time()
    while True:
        await asyncio.sleep(FLUSH_S)
        fleet.world.journal.flush()
        if loop.time() - saved_at >= SAVE_S:
            saved_at = loop.time()
            fleet.drop_idle()
            if path is not None:
                state.save(path, fleet, chosen)
