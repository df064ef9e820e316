"""What is wrong with a plan, in a form that names the place: file, line, column, value, and what would be right."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from fleet.errors import BadValue

ERROR = "error"  # it cannot be so: two cables in one port, an unknown device, a text where a number belongs
DESIGN = "design"  # it could be built, and would not be a non-blocking, rail-optimised fabric on two sound feeds


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong. line: 1 is the header, 0 the file as a whole. expected: what would be right."""

    file: str
    line: int
    column: str
    value: str
    words: str
    expected: str
    code: str
    level: str = ERROR

    def __str__(self) -> str:
        where = f"{self.file} line {self.line}" if self.line else self.file
        what = f'{self.column} "{self.value}"' if self.column else f'"{self.value}"'
        return f"{where}, {what}: {self.words}. Right: {self.expected}."

    def as_json(self) -> dict[str, Any]:
        """The same as a dict of plain values, in the order of the fields."""
        return asdict(self)


class PlanRefused(BadValue):
    """A plan that cannot be used; `problems` holds every reason, sorted by file and line."""

    code = "plan_refused"

    def __init__(self, problems: Sequence[Problem], *, title: str = "The plan has errors") -> None:
        self.problems = sorted(problems)
        first = self.problems[0]
        more = len(self.problems) - 1
        super().__init__(
            f"{title}: {first}" + (f" And {more} more." if more else ""),
            field=f"{first.file}:{first.line}:{first.column}",
            value=first.value,
            expected=first.expected,
            errors=[p.as_json() for p in self.problems],
        )
