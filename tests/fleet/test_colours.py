"""The colours of muster.css: every contrast, and every difference between two states under four kinds of sight."""

import itertools
import math
import re

import pytest

from deploy.place import CHECKOUT

CSS = (CHECKOUT / "templates" / "static" / "muster.css").read_text()
GROUPS = ("ok", "busy", "warn", "bad", "out")
THEMES = ("light", "dark")
PAIRS = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{6}), (#[0-9a-f]{6})\)")
COLOURS = {name: dict(zip(THEMES, both, strict=True)) for name, *both in PAIRS.findall(CSS)}

# Viénot, Brettel and Mollon (1999) for protan and deutan, Brettel's for tritan as one plane; on linear RGB.
SIGHT = {
    "normal": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protan": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deutan": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
    "tritan": ((1, 0.14461, -0.14461), (0, 0.85924, 0.14076), (0, 0.85924, 0.14076)),
}


def linear(colour: str) -> tuple[float, ...]:
    parts = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return tuple(c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts)


def luminance(colour: str) -> float:
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear(colour), strict=True))


def contrast(a: str, b: str) -> float:
    """WCAG 2.2, relative luminance."""
    high, low = sorted((luminance(a), luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def seen(colour: str, sight: str) -> tuple[float, ...]:
    rgb = linear(colour)
    if sight == "grey":
        return (luminance(colour),) * 3
    return tuple(min(1, max(0, sum(m * c for m, c in zip(row, rgb, strict=True)))) for row in SIGHT[sight])


def lab(rgb: tuple[float, ...]) -> tuple[float, float, float]:
    """CIE L*a*b*, D65, of linear sRGB."""
    to_xyz = ((0.4124564, 0.3575761, 0.1804375), (0.2126729, 0.7151522, 0.0721750), (0.0193339, 0.1191920, 0.9503041))
    xyz = (sum(m * c for m, c in zip(row, rgb, strict=True)) for row in to_xyz)
    x, y, z = (
        t ** (1 / 3) if t > (6 / 29) ** 3 else t / (3 * (6 / 29) ** 2) + 4 / 29
        for t in (v / w for v, w in zip(xyz, (0.95047, 1.0, 1.08883), strict=True))
    )
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


def ciede2000(one: tuple[float, float, float], other: tuple[float, float, float]) -> float:
    """Sharma, Wu and Dalal (2005)."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean_c = (math.hypot(a1, b1) + math.hypot(a2, b2)) / 2
    g = 0.5 * (1 - math.sqrt(mean_c**7 / (mean_c**7 + 25**7)))
    a1, a2 = a1 * (1 + g), a2 * (1 + g)
    c1, c2 = math.hypot(a1, b1), math.hypot(a2, b2)
    h1, h2 = (math.degrees(math.atan2(b, a)) % 360 if a or b else 0.0 for a, b in ((a1, b1), (a2, b2)))
    apart = h2 - h1
    if c1 * c2 == 0:
        apart = 0.0
    elif abs(apart) > 180:
        apart -= math.copysign(360, apart)
    mean_l, mean_c = (l1 + l2) / 2, (c1 + c2) / 2
    mean_h = h1 + h2
    if c1 * c2:
        mean_h = mean_h / 2 if abs(h1 - h2) <= 180 else (mean_h + (360 if mean_h < 360 else -360)) / 2
    t = (
        1
        - 0.17 * math.cos(math.radians(mean_h - 30))
        + 0.24 * math.cos(math.radians(2 * mean_h))
        + 0.32 * math.cos(math.radians(3 * mean_h + 6))
        - 0.20 * math.cos(math.radians(4 * mean_h - 63))
    )
    turn = 60 * math.exp(-(((mean_h - 275) / 25) ** 2))
    rotate = -2 * math.sqrt(mean_c**7 / (mean_c**7 + 25**7)) * math.sin(math.radians(turn))
    in_l = (l2 - l1) / (1 + 0.015 * (mean_l - 50) ** 2 / math.sqrt(20 + (mean_l - 50) ** 2))
    in_c = (c2 - c1) / (1 + 0.045 * mean_c)
    in_h = 2 * math.sqrt(c1 * c2) * math.sin(math.radians(apart / 2)) / (1 + 0.015 * mean_c * t)
    return math.sqrt(in_l**2 + in_c**2 + in_h**2 + rotate * in_c * in_h)


# Pairs of the paper's own table of test data.
@pytest.mark.parametrize(
    ("one", "other", "delta"),
    [
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, -1.3802, -84.2814), (50, 0, -82.7485), 1.0000),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.49, -0.001), (50, -2.49, 0.0009), 7.1792),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387), 1.2644),
        ((22.7233, 20.0904, -46.694), (23.0331, 14.973, -42.5619), 2.0373),
        ((2.0776, 0.0795, -1.135), (0.9033, -0.0636, -0.5514), 0.9082),
    ],
)
def test_the_measure_itself(one, other, delta):
    assert ciede2000(one, other) == pytest.approx(delta, abs=1e-4)
    assert ciede2000(other, one) == pytest.approx(delta, abs=1e-4)


# What is written on what, and how well it is read at least (the figures of the table of looks, rounded down).
CONTRASTS = [
    ("ink", "page", 17.9, 15.6),
    ("ink", "surface", 16.0, 14.0),
    ("quiet", "page", 6.9, 8.1),
    ("quiet", "surface", 6.4, 7.4),
    ("link", "page", 6.8, 8.9),
    ("link", "surface", 6.2, 8.0),
    ("ok-ink", "ok", 14.8, 9.2),
    ("ok-edge", "page", 4.8, 6.9),
    ("busy-ink", "busy", 4.9, 4.8),
    ("warn-ink", "warn", 8.1, 12.3),
    ("warn-edge", "page", 3.0, 3.0),
    ("bad-ink", "bad", 7.5, 5.6),
    ("out-ink", "out", 15.4, 15.9),
    ("edge", "page", 3.0, 3.0),
    ("page", "link", 4.5, 4.5),
]


@pytest.mark.parametrize(("on", "under", "light", "dark"), CONTRASTS)
def test_it_can_be_read(on, under, light, dark):
    for theme, least in (("light", light), ("dark", dark)):
        assert contrast(COLOURS[on][theme], COLOURS[under][theme]) >= least, theme


@pytest.mark.parametrize("theme", THEMES)
def test_one_ring_of_the_focus_stands_out_where_it_is_drawn(theme):
    amber = re.search(r"--focus: (#[0-9a-f]{6})", CSS)[1]
    for fill in ("page", "surface"):  # it lies around what has the focus, not on it
        rings = (contrast(ring, COLOURS[fill][theme]) for ring in (amber, COLOURS["ink"][theme]))
        assert max(rings) >= 10, fill


@pytest.mark.parametrize("sight", [*SIGHT, "grey"])
@pytest.mark.parametrize(("a", "b"), itertools.combinations(GROUPS, 2))
def test_two_groups_are_told_apart(a, b, sight):
    least = {"light": 10, "dark": 6} if sight == "grey" else {"light": 26, "dark": 20}
    for theme in THEMES:
        one, other = (lab(seen(COLOURS[g][theme], sight)) for g in (a, b))
        assert round(ciede2000(one, other)) >= least[theme], theme  # whole numbers, as the table of looks has them


def test_the_colours_are_those_of_the_table():
    fills = {g: tuple(COLOURS[g].values()) for g in GROUPS}
    assert fills == {
        "ok": ("#d3f0e8", "#21413c"),
        "busy": ("#3f66e0", "#4169e1"),
        "warn": ("#e8a200", "#ffd23f"),
        "bad": ("#a8121f", "#f0625f"),
        "out": ("#1d2433", "#eef2f6"),
    }
