"""Made-up identities of a generated fleet: tags, serials, MACs, GUIDs. The same seed gives the same ones.

Drawn from SHA-256 and not from `random`, whose draws may differ between versions of Python. MACs are locally
administered (02:...), so that they never meet those of real hardware.
"""

import hashlib
from collections.abc import Callable

_TAG_LETTERS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"  # as printed on such machines: no vowels, so no words
_HCA_BASE = 0xA088C203_00000000
_SWITCH_BASE = 0xFC6A1C03_00000000
_TIER_BASE = {"leaf": 0x100000, "spine": 0x200000, "core": 0x300000}


class Identities:
    """Draws unique identities for names; a second draw for the same name and kind is a new one."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._used: set[str] = set()

    def tag(self, name: str) -> str:
        """A service tag of 7 characters, beginning with a digit or letter other than 0."""
        return self._draw("tag", name, lambda n: _letters(n, 7, first=_TAG_LETTERS[1:]))

    def serial(self, name: str) -> str:
        """A switch's serial: MT and 10 characters."""
        return self._draw("serial", name, lambda n: "MT" + _letters(n, 10, first=_TAG_LETTERS))

    def mac(self, name: str, interface: str) -> str:
        """A locally administered MAC."""
        return self._draw(
            interface, name, lambda n: "02:" + ":".join(f"{b:02x}" for b in (n % (1 << 40)).to_bytes(5, "big"))
        )

    def _draw(self, kind: str, name: str, shape: Callable[[int], str]) -> str:
        for attempt in range(1000):
            raw = hashlib.sha256(f"{self._seed}/{kind}/{name}/{attempt}".encode()).digest()
            found = shape(int.from_bytes(raw[:16], "big"))
            if found not in self._used:
                self._used.add(found)
                return found
        raise RuntimeError(f"no free {kind} for {name}: more names than identities")


def hca_guid(host: int, hca: int) -> str:
    """Node GUID of an HCA; hosts count from 1, HCAs from 0. Room for 256 HCAs a host."""
    return f"0x{_HCA_BASE + host * 0x1000 + hca * 0x10:016x}"


def switch_guid(tier: str, number: int) -> str:
    """Node GUID of a switch. number: pod x 32 + position for leafs and spines, position for cores, from 1."""
    return f"0x{_SWITCH_BASE + _TIER_BASE[tier] + number * 0x40:016x}"


def _letters(number: int, count: int, *, first: str) -> str:
    number, digit = divmod(number, len(first))
    found = first[digit]
    for _ in range(count - 1):
        number, digit = divmod(number, len(_TAG_LETTERS))
        found += _TAG_LETTERS[digit]
    return found
