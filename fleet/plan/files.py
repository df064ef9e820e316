"""The plan folder: read it with every error at once, write it in its one canonical form."""

import csv
import hashlib
import io
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any

from fleet.plan.fields import TABLES, Table
from fleet.plan.problems import PlanRefused, Problem
from fleet.plan.rows import Plan, canonical

REQUIRED = "devices.csv"
NO_COLUMN = "no_column"
ALWAYS_WRITTEN = (REQUIRED, "cables.csv")
_NAMES = ", ".join(TABLES)


def read(folder: Path) -> tuple[Plan, list[Problem]]:
    """Read a plan folder.

    Returns what could be read and everything that could not; a value that is unreadable is left blank, so that the
    checks can go on. Raises PlanRefused when there is no such folder or no devices.csv.
    """
    if not (folder / REQUIRED).is_file():
        words = "no such folder" if not folder.is_dir() else f"the folder has no {REQUIRED}"
        expected = f"a folder with {REQUIRED}"
        raise PlanRefused([Problem(str(folder), 0, "", str(folder), words, expected, "no_plan")], title="No plan")
    plan = Plan()
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.csv")):
        if table := TABLES.get(path.name):
            setattr(plan, table.attribute, list(_Sheet(path.name, path.read_bytes(), table, problems).rows()))
        else:
            words = "not a file of a plan"
            problems.append(Problem(path.name, 0, "", path.name, words, f"one of {_NAMES}", "unknown_file"))
    return plan, sorted(problems)


def texts(plan: Plan) -> dict[str, str]:
    """The canonical folder: file name -> text. Empty files are left out, but for devices.csv and cables.csv."""
    plan = canonical(plan)
    found = {}
    for name, table in TABLES.items():
        lines = getattr(plan, table.attribute)
        if not lines and name not in ALWAYS_WRITTEN:
            continue
        out = io.StringIO(newline="")
        writer = csv.writer(out, lineterminator="\n")
        names = [column.name for column in table.columns]
        writer.writerow(names)
        writer.writerows(map(_shown, cells) for cells in map(attrgetter(*names), lines))
        found[name] = out.getvalue()
    return found


def write(plan: Plan, folder: Path) -> list[str]:
    """Write the canonical folder; returns the names of the files.

    A file of an older plan in the same folder that this plan doesn't have is removed: it would be read as part of it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = texts(plan)
    for name in TABLES:
        path = folder / name
        if name not in found:
            path.unlink(missing_ok=True)
            continue
        fresh = folder / f".{name}.new"
        fresh.write_bytes(found[name].encode())
        fresh.replace(path)
    return list(found)


def sha256(plan: Plan) -> str:
    """The digest of the canonical folder."""
    digest = hashlib.sha256()
    for name, text in texts(plan).items():
        digest.update(f"{name}\0{len(text)}\0{text}".encode())
    return digest.hexdigest()


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:g}" if isinstance(value, float) else str(value)


class _Sheet:
    """One file while it is read. What is wrong goes to problems; rows come out with blanks for unreadable values."""

    def __init__(self, name: str, raw: bytes, table: Table, problems: list[Problem]) -> None:
        self.name, self.table, self.problems = name, table, problems
        self._line = 0  # where the record begins that was read last
        self._reader = csv.reader(io.StringIO(self._decoded(raw), newline=""), strict=True)
        self._header = [cell.strip() for cell in next(self._records(), [])]
        self._keys = [i for i, column in enumerate(table.columns) if column.name in table.key]

    def rows(self) -> Iterator[Any]:
        """The rows that have a usable key, the first of each key."""
        places = self._places()
        if places is None:
            return
        seen: dict[tuple[Any, ...], int] = {}
        for cells in self._records():
            line = self._line
            if any(map(str.strip, cells)):
                values = self._values(line, cells, places)
                key = tuple(values[i] for i in self._keys)
                if key in seen:
                    column, shown = self.table.key[-1], " ".join(key).strip()
                    self._wrong(line, column, shown, f"stands on line {seen[key]} already", "one row each", "repeated")
                elif key[0]:
                    seen[key] = line
                    yield self.table.row(*values, line=line)

    def _wrong(self, line: int, column: str, value: str, words: str, *right: str) -> None:
        expected, code = right
        self.problems.append(Problem(self.name, line, column, value, words, expected, code))

    def _decoded(self, raw: bytes) -> str:
        """UTF-8, with or without the mark that spreadsheets put first. A bad line is named and read with marks."""
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError:
            pass
        for number, piece in enumerate(raw.split(b"\n"), 1):
            try:
                piece.decode()
            except UnicodeDecodeError as error:
                value = piece[error.start : error.end].hex()
                self._wrong(number, "", value, "bytes that are not UTF-8", "UTF-8 text", "encoding")
        return raw.decode("utf-8-sig", errors="replace")

    def _records(self) -> Iterator[list[str]]:
        """The records that are CSV; what is not is named, and reading goes on behind it."""
        while True:
            self._line = self._reader.line_num + 1
            try:
                yield next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                words, expected = f"not CSV ({error})", "quotes in pairs, as in RFC 4180"
                self._wrong(self._line, "", "", words, expected, "csv")

    def _places(self) -> list[int] | None:
        """Where each column of the table stands in the file (-1: nowhere). None when the header cannot be used."""
        known = [column.name for column in self.table.columns]
        header = self._header
        for i, cell in enumerate(header):
            if cell not in known:
                self._wrong(1, cell, cell, "unknown column", "one of " + ", ".join(known), "unknown_column")
            elif cell in header[:i]:
                self._wrong(1, cell, cell, "column stands here twice", "each column once", "repeated")
        missing = [column.name for column in self.table.columns if column.filled and column.name not in header]
        for name in missing:
            self._wrong(1, name, ",".join(header), "column is missing", "a header with it", NO_COLUMN)
        return None if missing else [header.index(name) if name in header else -1 for name in known]

    def _values(self, line: int, cells: list[str], places: list[int]) -> list[Any]:
        """The values of one row in the order of the table's columns."""
        if len(cells) != len(self._header):
            expected = f"{len(self._header)} fields, as the header has"
            self._wrong(line, "", ",".join(cells), f"{len(cells)} fields", expected, "fields")
            blanks = [column.blank for column in self.table.columns]
            if 0 <= places[self._keys[0]] < len(cells):
                blanks[self._keys[0]] = cells[places[self._keys[0]]].strip()
            return blanks
        values = []
        for column, place in zip(self.table.columns, places, strict=True):
            text = cells[place].strip() if place >= 0 else ""
            try:
                if column.filled and not text:
                    raise ValueError("a value; this column cannot be empty")
                values.append(column.read(text))
            except ValueError as error:
                self._wrong(line, column.name, text, "unreadable" if text else "empty", str(error), "value")
                values.append(column.blank)
        return values
