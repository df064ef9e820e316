"""`manage.py plan`: generate, check, load, export, diff and netlist of a plan folder.

Only load, export and the diff against the database need one; the rest imports no models. Exit codes: 0 done, 1 what was
checked does not hold, 2 bad input. Where JSON is printed it is the last and only line of stdout; words go to stderr.
"""

import json
import sys
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from fleet.errors import MusterError
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
_SHOWN = 8  # lines of the difference, of each sort in each file


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
        one = verbs.add_parser("diff", help="what a load would change, or what has changed between two plans")
        _folder(one, as_json=True)
        one.add_argument("other", nargs="?", type=Path, help="the later plan (default: DIR, after the database)")
        one = verbs.add_parser("load", help="bring the plan into the database: all or nothing, repeatable")
        _folder(one)
        one.add_argument(
            "--as", dest="start", choices=("expected", "cabled"), default="expected", help="of new devices"
        )
        one.add_argument("--actor", default="", help="who asks (default: the system)")
        one.add_argument("--reason", default="", help="a few words for the history")
        one.add_argument("--dry-run", action="store_true", help="show the difference and write nothing")
        one = verbs.add_parser("export", help="write the plan that stands in the database")
        _folder(one)
        one.add_argument("--site", default="", help="which one, where there are several")
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
        except MusterError as refused:
            right = f" Right: {refused.expected}." if refused.expected else ""
            raise CommandError(f"{refused.title}: {refused.value or refused.field}.{right}", returncode=2) from refused
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
        if options["other"]:
            found = diff(first, check.read_sound(options["other"]))
        else:
            from fleet.plan.load import compare  # noqa: PLC0415 (models)

            *_, found = compare(first)
        self._say(found.lines(), options["json"])
        if options["json"]:
            self._json(found.as_json())
        return True

    def _load(self, options: dict[str, Any]) -> bool:
        from fleet import lifecycle  # noqa: PLC0415 (models)
        from fleet.plan.load import compare, load  # noqa: PLC0415 (models)

        start, plan = time.perf_counter(), check.read_sound(options["folder"])
        if options["dry_run"]:
            *_, found = compare(plan)
            self._say(found.lines(_SHOWN), True)
            self._json({"changes": found.counts(), "renamed": len(found.renamed), "version": None})
            return True
        name = options["actor"]
        actor = lifecycle.actor("shell", name, "O") if name else lifecycle.system("plan")
        words = {"start": options["start"], "reason": options["reason"]}
        loaded = load(plan=plan, actor=actor, show=lambda found: self._say(found.lines(_SHOWN), True), **words)
        counts = {"changes": loaded.difference.counts(), "renamed": len(loaded.difference.renamed)}
        self._json({**counts, "version": loaded.version, "wall_s": _since(start)})
        return True

    def _export(self, options: dict[str, Any]) -> bool:
        from fleet.plan.export import from_database, the_site  # noqa: PLC0415 (models)

        start, plan = time.perf_counter(), from_database(the_site(options["site"]))
        written = files.write(plan, options["folder"])
        self._json({**plan.counts(), "files": written, "sha256": files.sha256(plan), "wall_s": _since(start)})
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
