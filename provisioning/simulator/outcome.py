"""How the boot from one device ended."""

from enum import Enum, auto


class Outcome(Enum):
    """What the machine does next."""

    NEXT_DEVICE = auto()
    RESET = auto()
    POWER_OFF = auto()
    STAY = auto()
