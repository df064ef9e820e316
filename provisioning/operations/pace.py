"""Time as the installation runs it: every deadline, wait, bake and test length goes through seconds()."""

from django.conf import settings

FLOOR_S = 0.2
# A take-over takes its 45 s whatever the scale, so a scaled deadline gets some of it on top (engine.md, Time).
SCALED_GRACE_S = 30
# Hosts ask and report over the network, in a queue behind all others: on a scaled installation silence means nothing
# sooner (511 hosts that boot at once were answered within 20 s).
SILENCE_S = 30


def seconds(n: float) -> float:
    """Real seconds for n seconds of field time."""
    return max(n / float(settings.TIME_SCALE), FLOOR_S)


def deadline(n: float) -> float:
    """Real seconds until a deadline of n seconds of field time has passed."""
    scale = float(settings.TIME_SCALE)
    return n if scale == 1 else n / scale + SCALED_GRACE_S


def silence(n: float) -> float:
    """Real seconds after which nothing heard for n seconds of field time means that nothing will be heard."""
    scale = float(settings.TIME_SCALE)
    return n if scale == 1 else max(n / scale, SILENCE_S)


def field_s(real_s: float) -> float:
    """Seconds of field time that real_s seconds are, for a Wait."""
    return real_s * float(settings.TIME_SCALE)


def field_minutes(real_s: float) -> float:
    """Minutes of field time that real_s seconds are, for words."""
    return real_s * float(settings.TIME_SCALE) / 60
