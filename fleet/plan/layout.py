"""How large a fleet's fabric and floor must be: the arguments of `plan generate`, and what follows from them.

The rule, when nothing but the hosts is given: a pod has one leaf a rail and as many spines, 32 ports of each switch
down and 32 up; a leaf takes one HCA of 32 hosts, so a pod holds 32 hosts, and there are as many pods as that needs.
Cores join pods: none for a single pod, else as few as have a port for every pod (511 hosts: 16 pods, 64 cores). A core
sees at most 64 pods, so past 2,048 hosts a pod has two or four leafs a rail (64 or 128 hosts), up to 8,192 hosts.
On the floor: as many rows as the hosts fill.
"""

import ipaddress
from dataclasses import dataclass

from fleet.plan.problems import PlanRefused, Problem
from fleet.plan.profiles import FABRIC_PORTS, HOST_HCAS

HALF = FABRIC_PORTS // 2  # ports of a leaf or spine towards the hosts; the other half goes up
SIMULATOR_BMC_NETWORK = "127.64.0.0/10"
SIMULATOR_PROVISIONING_NETWORK = "127.128.0.0/10"
_DIVISORS = tuple(d for d in range(1, HALF + 1) if HALF % d == 0)
_LEAFS_A_RAIL = (1, 2, 4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What was asked for; None: what follows from the rest. Networks: the defaults are the simulator's (loopback)."""

    hosts: int
    pods: int | None = None
    leafs: int | None = None
    spines: int | None = None
    cores: int | None = None
    rails: int = HOST_HCAS
    spare_ports: int = 0
    rows: int | None = None
    racks_per_row: int = 16
    hosts_per_rack: int = 4
    seed: int = 1
    bmc_network: str = SIMULATOR_BMC_NETWORK
    provisioning_network: str = SIMULATOR_PROVISIONING_NETWORK


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A layout that works. leafs, spines: of one pod. hosts_per_leaf: how many have HCAs on the same leaf."""

    hosts: int
    pods: int
    leafs: int
    spines: int
    cores: int
    rails: int
    hosts_per_leaf: int
    hosts_per_pod: int
    rows: int
    racks_per_row: int
    hosts_per_rack: int
    seed: int
    bmc_network: str
    provisioning_network: str

    @property
    def rails_per_leaf(self) -> int:
        """More than one where a pod has fewer leafs than rails."""
        return max(1, self.rails // self.leafs)

    @property
    def leaf_to_spine(self) -> int:
        """Cables from each leaf to each spine of its pod."""
        return HALF // self.spines

    @property
    def cores_per_spine(self) -> int:
        """Cores that the n-th spine of every pod reaches: cores of one group."""
        return self.cores // self.spines

    @property
    def spine_to_core(self) -> int:
        """Cables from a spine to each core of its group."""
        return HALF // self.cores_per_spine


class _Refusals:
    """Collects what is wrong with the arguments; they are named as typed."""

    def __init__(self) -> None:
        self.problems: list[Problem] = []

    def need(self, holds: bool, name: str, value: object, words: str, expected: str) -> bool:
        if not holds:
            self.problems.append(Problem("arguments", 0, f"--{name}", str(value), words, expected, "argument"))
        return holds

    def stop(self) -> None:
        if self.problems:
            raise PlanRefused(self.problems, title="No such layout")


def resolve(wanted: Wanted) -> Layout:
    """The layout that follows from the arguments. Raises PlanRefused with everything that does not fit."""
    no = _Refusals()
    no.need(0 <= wanted.hosts <= 8192, "hosts", wanted.hosts, "out of range", "0 to 8192")
    no.need(1 <= wanted.rails <= HOST_HCAS, "rails", wanted.rails, "out of range", f"1 to {HOST_HCAS}")
    no.need(0 <= wanted.spare_ports < HALF, "spare-ports", wanted.spare_ports, "out of range", f"0 to {HALF - 1}")
    no.need(1 <= wanted.racks_per_row <= 99, "racks-per-row", wanted.racks_per_row, "out of range", "1 to 99")
    no.need(1 <= wanted.hosts_per_rack <= 7, "hosts-per-rack", wanted.hosts_per_rack, "6 units each", "1 to 7")
    no.need(wanted.seed >= 0, "seed", wanted.seed, "out of range", "0 or more")
    no.stop()
    leafs = _leafs(wanted, no)
    no.stop()
    hosts_per_leaf = _hosts_per_leaf(wanted, leafs)
    pods = _pods(wanted, hosts_per_leaf * max(1, leafs // wanted.rails), no)
    spines = _spines(wanted, leafs, no)
    cores = _cores(wanted, pods, spines, no) if pods and spines else 0
    rows = _rows(wanted, no)
    for name in ("bmc_network", "provisioning_network"):
        _check_network(name.replace("_", "-"), getattr(wanted, name), wanted.hosts, no)
    no.stop()
    return Layout(
        hosts=wanted.hosts,
        pods=pods,
        leafs=leafs,
        spines=spines,
        cores=cores,
        rails=wanted.rails,
        hosts_per_leaf=hosts_per_leaf,
        hosts_per_pod=-(-wanted.hosts // pods) if wanted.hosts else 0,
        rows=rows,
        racks_per_row=wanted.racks_per_row,
        hosts_per_rack=wanted.hosts_per_rack,
        seed=wanted.seed,
        bmc_network=wanted.bmc_network,
        provisioning_network=wanted.provisioning_network,
    )


def nth_address(network: str, index: int) -> str:
    """The address of the host with this index (from 0): 250 to each /24, from .1, so that .0 and .251 up stay free."""
    first = int(ipaddress.ip_network(network).network_address)
    return str(ipaddress.ip_address(first + _offset(index)))


def _offset(index: int) -> int:
    high, low = divmod(index, 62_500)
    return high * 65_536 + low // 250 * 256 + low % 250 + 1


def _hosts_per_leaf(wanted: Wanted, leafs: int) -> int:
    return (HALF - wanted.spare_ports) // max(1, wanted.rails // leafs)


def _leafs(wanted: Wanted, no: _Refusals) -> int:
    """Leafs a pod."""
    rails = wanted.rails
    if wanted.leafs is None:
        widest = [rails * n for n in _LEAFS_A_RAIL if rails * n <= HALF]
        pods = wanted.pods or 64
        return next((n for n in widest if pods * _hosts_per_leaf(wanted, n) * (n // rails) >= wanted.hosts), widest[-1])
    leafs = wanted.leafs
    if no.need(1 <= leafs <= HALF, "leafs", leafs, "out of range", f"1 to {HALF} a pod"):
        whole = leafs % rails == 0 or rails % leafs == 0
        no.need(whole, "leafs", leafs, f"{rails} rails do not spread evenly", "a multiple or a divisor of the rails")
        room = _hosts_per_leaf(wanted, leafs)
        no.need(room > 0, "leafs", leafs, "a leaf has no room for one host's HCAs", "more leafs or fewer spare ports")
    return leafs


def _pods(wanted: Wanted, in_pod: int, no: _Refusals) -> int:
    """Pods; 0 without hosts, and when what was given is impossible. in_pod: hosts that a pod has room for."""
    if not wanted.hosts:
        return 0
    least = -(-wanted.hosts // in_pod)
    pods = least if wanted.pods is None else wanted.pods
    if not no.need(1 <= pods <= FABRIC_PORTS, "pods", pods, "a core has 64 ports", "1 to 64"):
        return 0
    words = f"room for {pods * in_pod} hosts only"
    return pods if no.need(pods >= least, "pods", pods, words, f"{least} or more") else 0


def _spines(wanted: Wanted, leafs: int, no: _Refusals) -> int:
    """Spines a pod; 0 when what was given is impossible."""
    if wanted.spines is None:
        return next(d for d in _DIVISORS if d >= leafs)
    spines = wanted.spines
    if not no.need(
        spines in _DIVISORS, "spines", spines, f"{HALF} uplinks do not spread evenly", f"one of {_DIVISORS}"
    ):
        return 0
    words = f"{leafs} leafs do not fit under a spine"
    return spines if no.need(spines >= leafs, "spines", spines, words, f"{leafs} or more") else 0


def _cores(wanted: Wanted, pods: int, spines: int, no: _Refusals) -> int:
    """Cores in all: a multiple of the spines of a pod."""
    if pods <= 1 and not wanted.cores:
        return 0
    right = [spines * d for d in _DIVISORS if pods * (HALF // d) <= FABRIC_PORTS]
    if wanted.cores is None:
        return right[0]
    words = f"{pods} pods of {spines} spines do not spread evenly over them"
    no.need(wanted.cores in right, "cores", wanted.cores, words, "one of " + ", ".join(map(str, right)))
    return wanted.cores


def _rows(wanted: Wanted, no: _Refusals) -> int:
    """Rows of racks with hosts."""
    in_row = wanted.racks_per_row * wanted.hosts_per_rack
    least = -(-wanted.hosts // in_row)
    if wanted.rows is None:
        return least
    words = f"room for {wanted.rows * in_row} hosts only"
    no.need(wanted.rows >= least, "rows", wanted.rows, words, f"{least} or more")
    return wanted.rows


def _check_network(name: str, text: str, hosts: int, no: _Refusals) -> None:
    try:
        network = ipaddress.ip_network(text)
    except ValueError as error:
        no.need(False, name, text, str(error), "a network such as 10.64.0.0/16")
        return
    last = int(network.network_address) + _offset(max(hosts, 1) - 1)
    fits = last <= int(network.broadcast_address) - 1
    no.need(fits, name, text, f"too small for {hosts} hosts at 250 a /24", "a shorter prefix")
