"""Chance that does not depend on the order of events: every draw is a hash of seed and purpose."""

import hashlib
import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import TypeVar

T = TypeVar("T")

_NORMAL = NormalDist()
_P99 = _NORMAL.inv_cdf(0.99)
_DIGITS = "0123456789BCDFGHJKLMNPQRSTVWXYZ"


def number(*purpose: object) -> int:
    """64 bits that depend on nothing but `purpose` (seed, host, what for, which time)."""
    text = "|".join(map(str, purpose)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")


def fraction(*purpose: object) -> float:
    """A number in [0, 1) for this purpose."""
    return number(*purpose) / 2**64


def between(low: float, high: float, *purpose: object) -> float:
    """A number in [low, high) for this purpose."""
    return low + (high - low) * fraction(*purpose)


def pick(options: Sequence[T], *purpose: object) -> T:
    """One of `options` for this purpose."""
    return options[number(*purpose) % len(options)]


def lognormal(p50: float, p99: float, *purpose: object) -> float:
    """A duration with this median and 99th percentile, never above 1.3 times the latter."""
    sigma = math.log(p99 / p50) / _P99
    u = min(max(fraction(*purpose), 1e-9), 1 - 1e-9)
    return min(p50 * math.exp(sigma * _NORMAL.inv_cdf(u)), p99 * 1.3)


def code(length: int, *purpose: object) -> str:
    """A serial-like code of `length` characters, without vowels."""
    value, out = number(*purpose), []
    for _ in range(length):
        value, rest = divmod(value, len(_DIGITS))
        out.append(_DIGITS[rest])
    return "".join(out)
