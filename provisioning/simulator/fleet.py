"""All hosts of a plan on two ports: one for the BMCs (TLS), one for the agents of installed hosts (HTTP)."""

import asyncio
import functools
import resource
from collections.abc import Mapping, Sequence

from provisioning.simulator import agent
from provisioning.simulator.boot_client import BootClient
from provisioning.simulator.certs import Certificates
from provisioning.simulator.clock import SimClock
from provisioning.simulator.host import Host
from provisioning.simulator.http1 import Connection, TlsConnection
from provisioning.simulator.journal import Journal
from provisioning.simulator.listener import Listener
from provisioning.simulator.plan import HostPlan
from provisioning.simulator.redfish.serve import serve
from provisioning.simulator.world import Options, World

IDLE_S = 600.0  # real seconds after which an unused connection is closed


class Fleet:
    """The running simulator. Make it inside an event loop; `close` ends everything."""

    def __init__(
        self,
        plan: Sequence[HostPlan],
        *,
        options: Options,
        clock: SimClock,
        journal: Journal,
        faults: Mapping[str, str],
        bmc_port: int = 0,
        agent_port: int = 0,
    ) -> None:
        self.world = World(options, clock, journal, BootClient())
        self.hosts = {one.name: Host(one, self.world, faults.get(one.name)) for one in plan}
        self._by_bmc = {host.plan.bmc_address: host for host in self.hosts.values()}
        self._by_agent = {host.plan.os_address: host for host in self.hosts.values()}
        self._certificates = Certificates(options.seed)
        self._agent_connections: set[Connection] = set()
        self.bmc_listener = Listener(bmc_port, self._receive_bmc)
        self.agent_listener = Listener(agent_port, self._receive_agent)

    def _receive_bmc(self, address: str) -> Connection | None:
        host = self._by_bmc.get(address)
        if host is None or host.bmc.is_away() or host.fire("bmc_unreachable"):
            return None
        bmc = host.bmc
        if bmc.context is None:
            bmc.context = self._certificates.context(host.plan)
        delay_s = self.world.options.latency_ms / 1000
        return TlsConnection(functools.partial(serve, host), bmc.connections, bmc.context, delay_s=delay_s)

    def _receive_agent(self, address: str) -> Connection | None:
        host = self._by_agent.get(address)
        if host is None or not host.agent_is_up:
            return None
        return Connection(functools.partial(agent.handle, host), self._agent_connections)

    def drop_idle(self) -> None:
        """Close connections that nobody used for ten minutes."""
        limit = asyncio.get_running_loop().time() - IDLE_S
        for opened in (self._agent_connections, *(host.bmc.connections for host in self.hosts.values())):
            for connection in [one for one in opened if one.last_used < limit]:
                connection.close()

    async def close(self) -> None:
        """Stop listening, cut all connections, end all boots."""
        self.bmc_listener.close()
        self.agent_listener.close()
        for host in self.hosts.values():
            host.stop()
            for connection in tuple(host.bmc.connections):
                connection.abort()
        for connection in tuple(self._agent_connections):
            connection.abort()
        for task in tuple(self.world.tasks):
            task.cancel()
        await self.world.boot.close()
        self.world.journal.flush()


def raise_file_limit() -> int:
    """As many open files as the system allows; returns the limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard
