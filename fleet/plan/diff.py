"""Plan to plan: what is added, removed, changed, renamed. As data for programs and as lines for people.

Rows are matched by what names them in their file; a device with a new name and an old serial is renamed, and what only
names it in other files is then no change. A cable with another end is the same cable, moved.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from fleet.plan.fields import TABLES, Table
from fleet.plan.rows import Plan

Key = tuple[str, ...]
_ENDS = ("a_device", "a_port", "b_device", "b_port")


@dataclass(frozen=True, slots=True)
class Change:
    """A row that both plans have, with other values in some columns."""

    key: Key
    old: Any
    new: Any
    columns: tuple[str, ...]


@dataclass(slots=True)
class FileDiff:
    """The difference in one file."""

    added: list[Any] = field(default_factory=list)
    removed: list[Any] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.added or self.removed or self.changed)


@dataclass(slots=True)
class PlanDiff:
    """files: by file name, only those that differ. renamed: old device name -> new one."""

    files: dict[str, FileDiff] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        """The plans say the same."""
        return not self.files and not self.renamed

    def of(self, file: str) -> FileDiff:
        """The difference in a file, empty when there is none."""
        return self.files.get(file, FileDiff())

    def counts(self) -> dict[str, dict[str, int]]:
        """file -> how many rows of each sort."""
        return {
            name: {"added": len(d.added), "removed": len(d.removed), "changed": len(d.changed)}
            for name, d in self.files.items()
        }

    def as_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        found: dict[str, Any] = {"equal": self.is_empty, "counts": self.counts(), "renamed": self.renamed, "files": {}}
        for name, diff in self.files.items():
            columns = [column.name for column in TABLES[name].columns]
            found["files"][name] = {
                "added": [{c: getattr(row, c) for c in columns} for row in diff.added],
                "removed": [{c: getattr(row, c) for c in columns} for row in diff.removed],
                "changed": [
                    {
                        "key": " ".join(change.key),
                        "from": {c: getattr(change.old, c) for c in change.columns},
                        "to": {c: getattr(change.new, c) for c in change.columns},
                    }
                    for change in diff.changed
                ],
            }
        return found

    def lines(self, limit: int = 20) -> list[str]:
        """For people: at most `limit` lines of each sort in each file."""
        told = [f"renamed: {old} is now {new}" for old, new in list(self.renamed.items())[:limit]]
        told += _more(len(self.renamed), limit, "renamed")
        for name, diff in self.files.items():
            key = TABLES[name].key
            for sign, rows in (("+", diff.added), ("-", diff.removed)):
                told += [f"{sign} {name} {_named(row, key)}" for row in rows[:limit]]
                told += _more(len(rows), limit, f"{sign} {name}")
            told += [f"~ {name} {' '.join(c.key)}: {_told(name, c)}" for c in diff.changed[:limit]]
            told += _more(len(diff.changed), limit, f"~ {name}")
        return told or ["no difference"]


def diff(old: Plan, new: Plan) -> PlanDiff:
    """What must be done to `old` to make it `new`."""
    found = PlanDiff(renamed=_renamed(old, new))
    for name, table in TABLES.items():
        before = _keyed(getattr(old, table.attribute), table, found.renamed)
        after = _keyed(getattr(new, table.attribute), table, {})
        one = FileDiff(
            added=[row for key, row in after.items() if key not in before],
            removed=[row for key, row in before.items() if key not in after],
            changed=list(_changes(before, after, table)),
        )
        if one:
            found.files[name] = one
    return found


def _renamed(old: Plan, new: Plan) -> dict[str, str]:
    names = {d.name for d in new.devices}
    before = {d.name for d in old.devices}
    fresh = {d.serial: d.name for d in new.devices if d.serial and d.name not in before}
    gone = (d for d in old.devices if d.name not in names and d.serial in fresh)
    return {d.name: fresh[d.serial] for d in gone}


def _keyed(rows: list[Any], table: Table, renamed: dict[str, str]) -> dict[Key, Any]:
    """Rows by their key, under the new names of renamed devices."""
    if renamed:
        columns = ("name",) if table.attribute == "devices" else ("device", "a_device", "b_device")
        rows = [_under_new_names(row, columns, renamed) for row in rows]
    return {tuple(getattr(row, c) for c in table.key): row for row in rows}


def _under_new_names(row: Any, columns: tuple[str, ...], renamed: dict[str, str]) -> Any:
    new = {c: renamed[v] for c in columns if (v := getattr(row, c, None)) in renamed}
    return replace(row, **new) if new else row


def _changes(before: dict[Key, Any], after: dict[Key, Any], table: Table) -> Iterator[Change]:
    for key, new in after.items():
        old = before.get(key)
        if old is not None and old != new:
            columns = tuple(c.name for c in table.columns if getattr(old, c.name) != getattr(new, c.name))
            yield Change(key, old, new, columns)


def _named(row: Any, key: tuple[str, ...]) -> str:
    name = " ".join(str(getattr(row, c)) for c in key)
    if hasattr(row, "a_device"):
        name += f": {row.a_device} {row.a_port} to {row.b_device} {row.b_port}"
    return name


def _told(file: str, change: Change) -> str:
    told = []
    if file == "cables.csv":
        for side in "ab":
            ends = [f"{getattr(r, side + '_device')} {getattr(r, side + '_port')}" for r in (change.old, change.new)]
            if ends[0] != ends[1]:
                told.append(f"end {side} moves from {ends[0]} to {ends[1]}")
    rest = [c for c in change.columns if file != "cables.csv" or c not in _ENDS]
    told += [f"{c} {_shown(getattr(change.old, c))} becomes {_shown(getattr(change.new, c))}" for c in rest]
    return "; ".join(told)


def _shown(value: object) -> str:
    if value in ("", None):
        return "(empty)"
    return f"{value:g}" if isinstance(value, float) else str(value)


def _more(count: int, limit: int, what: str) -> list[str]:
    return [f"{what}: and {count - limit} more"] if count > limit else []
