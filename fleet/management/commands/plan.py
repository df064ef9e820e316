"""`manage.py plan`: generate, check, diff and netlist of a plan folder.

None of it needs a database. Exit codes: 0 done, 1 what was
checked does not hold, 2 bad input. Where JSON is printed it is the last and only line of stdout; words go to stderr.
"""

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.plan import check, files, netlist
from fleet.plan.diff import diff
from fleet.plan.generate import generate
from fleet.plan.layout import SIMULATOR_BMC_NETWORK, SIMULATOR_PROVISIONING_NETWORK, Wanted
from fleet.plan.problems import PlanRefused

_COUNTS = (
    ("pods", "pods; a pod is a leaf a rail and as many spines (default: as many as the hosts need)"),
    ("leafs", "leafs of each pod (default: the rails; more where a fleet needs more than 64 pods)"),
    ("spines", "spines of each pod (default: as many as its leafs)"),
    ("cores", "cores in all (default: as few as reach every pod; none for one pod)"),
    ("rails", "HCAs of a host that are cabled (default 8)"),
    ("spare-ports", "ports of each leaf's lower half to leave free (default 0)"),
    ("rows", "rows of racks with hosts (default: as many as the hosts fill)"),
    ("racks-per-row", "default 16"),
    ("hosts-per-rack", "default 4"),
    ("seed", "for tags, serials and MACs (default 1)"),
)


class Command(BaseCommand):
    """See the module."""

    help = "Generate, check, load, export or compare a plan folder."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
        one = verbs.add_parser("generate", help="write the reference layout for a number of hosts")
        one.add_argument("--hosts", type=int, required=True)
        for name, words in _COUNTS:
            one.add_argument(f"--{name}", type=int, default=None, help=words)
        default = "default: the simulator's, on loopback; a real site gives its own"
        one.add_argument("--bmc-network", default=SIMULATOR_BMC_NETWORK, help=default)
        one.add_argument("--provisioning-network", default=SIMULATOR_PROVISIONING_NETWORK, help=default)
        _output(one)
        one = verbs.add_parser("check", help="say what is wrong with a plan")
        _folder(one, as_json=True)
        one = verbs.add_parser("diff", help="what has changed from one plan to another")
        _folder(one, as_json=True)
        one.add_argument("other", type=Path, help="the plan that comes after DIR")
        one = verbs.add_parser("netlist", help="write the plan's fabric for ibsim")
        _folder(one)
        one.add_argument("--no-aggregation-nodes", action="store_true", help="leave port 65 of the switches out")
        _output(one)
        one = verbs.add_parser("compare-netlist", help="compare the plan's fabric with a netlist, cable by cable")
        _folder(one)
        one.add_argument("netlist", type=Path, help="ibsim netlist or ibnetdiscover output, plain or .gz")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            holds = getattr(self, "_" + options["verb"].replace("-", "_"))(options)
        except PlanRefused as refused:
            raise CommandError("\n".join(map(str, refused.problems)), returncode=2) from refused
        if not holds:
            sys.exit(1)

    def _generate(self, options: dict[str, Any]) -> bool:
        start = time.perf_counter()
        names = [*(name.replace("-", "_") for name, _ in _COUNTS), "hosts", "bmc_network", "provisioning_network"]
        plan = generate(Wanted(**{n: options[n] for n in names if options[n] is not None}))
        written = files.write(plan, options["output"])
        self._json({**plan.counts(), "files": written, "sha256": files.sha256(plan), "wall_s": _since(start)})
        return True

    def _check(self, options: dict[str, Any]) -> bool:
        report = check.check_folder(options["folder"])
        self._say(report.lines(), options["json"])
        if options["json"]:
            self._json(report.as_json())
        return not report.problems

    def _diff(self, options: dict[str, Any]) -> bool:
        first = check.read_sound(options["folder"])
        found = diff(first, check.read_sound(options["other"]))
        self._say(found.lines(), options["json"])
        if options["json"]:
            self._json(found.as_json())
        return True

    def _netlist(self, options: dict[str, Any]) -> bool:
        plan = check.read_sound(options["folder"])
        text = netlist.write(plan, aggregation_nodes=not options["no_aggregation_nodes"])
        options["output"].write_text(text)
        self._json({"cables": sum(1 for _ in plan.infiniband()), "bytes": len(text)})
        return True

    def _compare_netlist(self, options: dict[str, Any]) -> bool:
        found = netlist.compare(check.read_sound(options["folder"]), options["netlist"])
        self._json(found.as_json())
        return found.holds

    def _say(self, lines: list[str], on_stderr: bool) -> None:
        (self.stderr if on_stderr else self.stdout).write("\n".join(lines))

    def _json(self, found: dict[str, Any]) -> None:
        self.stdout.write(json.dumps(found))


def _folder(parser: ArgumentParser, *, as_json: bool = False) -> None:
    parser.add_argument("folder", metavar="DIR", type=Path)
    if as_json:
        parser.add_argument("--json", action="store_true", help="one line of JSON on stdout, words on stderr")


def _output(parser: ArgumentParser) -> None:
    parser.add_argument("-o", "--output", type=Path, required=True)


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 3)
