"""Memory and CPU of a running system, read from /proc."""

import os
import threading
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

from bench.rig.system import Rig
from deploy import processes

_EVERY_S = 1.0
_DATABASE_EVERY = 5  # its shared buffers make a reading dear
_OURS = ("web", "worker", "beat")


def machine_busy_s() -> float:
    """CPU seconds that all programs of this machine have used (proc(5), /proc/stat: all but idle and iowait)."""
    fields = [int(n) for n in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    return (sum(fields) - fields[3] - fields[4]) / os.sysconf("SC_CLK_TCK")


def pss_mib(pids: Iterable[int]) -> float:
    """Proportional set size: memory shared among these processes counts once."""
    total_kb = 0
    for pid in pids:
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:  # it has just ended
            continue
        total_kb += next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
    return total_kb / 1024


class PeakMemory:
    """The most memory that was seen while the block ran. ours_mib: web, workers and beat together."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.ours_mib = 0.0
        self.each_mib: dict[str, float] = {}
        self.database_mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory", daemon=True)

    def __enter__(self) -> "PeakMemory":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        n = 0
        while True:
            self._look(with_database=n % _DATABASE_EVERY == 0)
            n += 1
            if self._over.wait(_EVERY_S):
                return

    def _look(self, *, with_database: bool) -> None:
        pids = self._rig.pids()
        now = {name: pss_mib(processes.children(pids[name])) for name in _OURS if name in pids}
        self.ours_mib = max(self.ours_mib, sum(now.values()))
        for name, mib in now.items():
            self.each_mib[name] = round(max(self.each_mib.get(name, 0.0), mib), 1)
        if with_database and "postgres" in pids:
            self.database_mib = max(self.database_mib, pss_mib(processes.children(pids["postgres"])))

    def as_dict(self) -> dict[str, object]:
        """For the figures."""
        return {
            "peak_pss_mib": round(self.ours_mib, 1),
            "peak_pss_mib_each": self.each_mib,
            "postgres_peak_pss_mib": round(self.database_mib, 1),
        }
