"""What really happened, one JSON object a line: the truth that the project's own records are judged by."""

import collections
import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

KEPT_LINES = 10_000  # in memory, when no file was asked for


class Journal:
    """Buffered JSONL writer. `flush` is called each second and at the end."""

    def __init__(self, path: Path | None, *, now_s: Callable[[], float], reads: bool = False) -> None:
        self.path = path
        self.reads = reads
        self.violations = 0
        self._now_s = now_s
        self._file: TextIO | None = path.open("a", encoding="utf-8") if path else None
        self._kept: collections.deque[str] = collections.deque(maxlen=KEPT_LINES)

    def write(self, event: str, host: str | None = None, **facts: Any) -> None:
        """One line: real time, simulated seconds since the start, event, host, facts."""
        at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = json.dumps({"at": at, "sim_s": round(self._now_s(), 1), "event": event, "host": host, **facts})
        if self._file is None:
            self._kept.append(line)
        else:
            self._file.write(line + "\n")

    def violation(self, host: str, rule: str, words: str, **facts: Any) -> None:
        """A breach of the safety rules for hardware; must never happen."""
        self.violations += 1
        self.write("violation", host, rule=rule, words=words, **facts)

    def flush(self) -> None:
        """Hand everything to the kernel."""
        if self._file is not None:
            self._file.flush()

    def lines(self, host: str | None = None) -> list[str]:
        """All lines, or those of one host, oldest first (reads the whole file)."""
        self.flush()
        wanted = f'"host": {json.dumps(host)}' if host else ""
        source = self.path.read_text("utf-8").splitlines() if self.path else list(self._kept)
        return [line for line in source if wanted in line]

    def close(self) -> None:
        """Flush and close; later lines stay in memory."""
        if self._file is not None:
            self._file.close()
            self._file = None
