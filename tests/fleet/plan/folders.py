"""Plans for tests: a small one of two pods, with the line numbers that it has as a folder."""

from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from fleet.plan import files
from fleet.plan.generate import generate
from fleet.plan.layout import Wanted
from fleet.plan.rows import Plan

SMALL = Wanted(hosts=16, pods=2, leafs=2, spines=2, cores=2)


def as_read(plan: Plan) -> Plan:
    """The plan as it comes out of its folder: every row knows its line."""
    with TemporaryDirectory() as folder:
        files.write(plan, Path(folder))
        read, problems = files.read(Path(folder))
    assert not problems
    return read


@cache
def _small() -> Plan:
    return as_read(generate(SMALL))


def small() -> Plan:
    """A fresh copy whose lists may be changed."""
    plan = _small()
    return Plan(*(list(getattr(plan, name)) for name in Plan.__slots__))
