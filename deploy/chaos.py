"""CHAOS=1: workers are killed by -9 and Redis is flushed at given shares of the hosts that are done."""

import sys
from collections.abc import Callable

KILL_AT = (0.20, 0.45, 0.70)
FLUSH_AT = (0.30, 0.55, 0.80)


class Chaos:
    """Each stroke falls once, when the share of hosts done has reached it."""

    def __init__(self, *, kill: Callable[[], None], flush: Callable[[], None]) -> None:
        strokes = [(share, "workers killed", kill) for share in KILL_AT]
        strokes += [(share, "Redis flushed", flush) for share in FLUSH_AT]
        self._due = sorted(strokes, key=lambda stroke: stroke[0])

    def look(self, done: float) -> None:
        """Strike what is due. done: share of the hosts in service or quarantined."""
        while self._due and done >= self._due[0][0]:
            share, words, strike = self._due.pop(0)
            strike()
            print(f"chaos: {words} at {done:.0%} of the hosts done (due at {share:.0%})", file=sys.stderr)
