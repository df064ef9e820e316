"""How people write the ports of a switch: a number, or its cage and the side of it."""

import re

# Two ports a cage (QM9700): cage 17 holds ports 33 and 34, printed as 1/17/1 and 1/17/2.
SIDES = 2
_CAGE = re.compile(r"(?:1/)?(\d{1,3})/([12])")


def number_of(text: str) -> str:
    """A port's name on record, of any spelling: 1/17/1, 17/1 and 33 are one port. Else the text itself."""
    if found := _CAGE.fullmatch(text):
        cage, side = int(found[1]), int(found[2])
        return str((cage - 1) * SIDES + side) if cage else text
    return str(int(text)) if text.isascii() and text.isdecimal() and len(text) < 9 else text


def spelled(name: str) -> str:
    """A switch's port as its label says it: 33 is 1/17/1. Other names stay."""
    if not (name.isascii() and name.isdecimal()) or name == "0":
        return name
    cage, side = divmod(int(name) - 1, SIDES)
    return f"1/{cage + 1}/{side + 1}"
