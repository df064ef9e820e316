"""Where things stand in a generated layout, and how long the cables between them are.

Rows of hosts are A to H (then J, K, M, ...: no I, O, L, S), half of them on each side of row L with the leafs and row S
with the spines and cores. Rack A07 is the seventh of row A. Units count from the floor; hosts fill a rack from below.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain, islice, product

from fleet.plan.profiles import RACK_UNITS

ROW_PITCH_M = 3.0
RACK_PITCH_M = 0.6
UNIT_M = 0.0445
TRAY_M = 0.5  # from the top of a rack to the tray above it
SLACK = 1.05
SOLD_LENGTHS_M = (1, 1.5, 2, 3, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150, 200, 300)  # what makers list
_LETTERS = "ABCDEFGHJKMNPQRTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Spot:
    """A rack, a unit in it, and where the rack is on the floor in metres."""

    row: str
    rack: str
    unit: int | None
    x_m: float
    y_m: float

    def at(self, unit: int | None) -> "Spot":
        """Another unit of the same rack."""
        return Spot(self.row, self.rack, unit, self.x_m, self.y_m)


class Floor:
    """The racks of a hall. host_rows: rows with hosts; leaf_racks, core_racks: racks with switches."""

    def __init__(self, host_rows: int, racks_per_row: int, leaf_racks: int, core_racks: int) -> None:
        self._per_row = racks_per_row
        hosts = list(islice(_row_names(), host_rows))
        leafs = _numbered("L", -(-leaf_racks // racks_per_row))
        cores = _numbered("S", -(-core_racks // racks_per_row))
        half = -(-len(hosts) // 2)
        order = [*hosts[:half], *leafs, *cores, *hosts[half:]]
        self._y_m = {name: i * ROW_PITCH_M for i, name in enumerate(order)}
        self._rows = {"host": hosts, "leaf": leafs, "core": cores}

    def rack(self, kind: str, index: int) -> Spot:
        """The index-th rack (from 0) of a kind: host, leaf or core."""
        row, place = divmod(index, self._per_row)
        name = self._rows[kind][row]
        return Spot(name, f"{name}{place + 1:02d}", None, place * RACK_PITCH_M, self._y_m[name])


def length_m(a: Spot, b: Spot) -> float:
    """The cable to order between two places: by tray from rack to rack, along the side within one."""
    if a.rack == b.rack:
        way = abs((a.unit or 1) - (b.unit or 1)) * UNIT_M + TRAY_M
    else:
        rises = sum((RACK_UNITS - (spot.unit or 1)) * UNIT_M + TRAY_M for spot in (a, b))
        way = rises + abs(a.x_m - b.x_m) + abs(a.y_m - b.y_m)
    return float(next((length for length in SOLD_LENGTHS_M if length >= way * SLACK), round(way * SLACK + 5, -1)))


def _row_names() -> Iterator[str]:
    return chain(_LETTERS, ("".join(pair) for pair in product(_LETTERS, repeat=2)))


def _numbered(letter: str, count: int) -> list[str]:
    return [letter if n == 1 else f"{letter}{n}" for n in range(1, count + 1)]
