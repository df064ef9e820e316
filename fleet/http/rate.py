"""How often a token or a person may call the API: generous, against a program that runs wild.

Counted in Redis, a minute at a time. A lost counter is a fresh one, and without Redis nobody is counted: the limit
guards the service, it is no right that somebody must be refused by.
"""

import time
from functools import lru_cache

from django.conf import settings
from redis import Redis
from redis.exceptions import RedisError

from fleet.errors import TooMany
from fleet.http.rights import Who

WINDOW_S = 60
# Calls a minute: reading, and acting. The example fleet's whole bring-up by single calls is within the second.
LIMITS = {"read": 6_000, "act": 1_200}
# How long a Redis that does not answer is left alone, so that its absence costs a request nothing.
AWAY_S = 5

_away_until = 0.0


@lru_cache(maxsize=1)
def _redis() -> Redis:
    return Redis.from_url(settings.REDIS_URL, socket_timeout=0.2, socket_connect_timeout=0.2)


def count(who: Who, *, reads: bool) -> None:
    """Count one call. Raises TooMany (429), which says when the next minute begins."""
    what = "read" if reads else "act"
    now = time.time()
    window, passed = divmod(int(now), WINDOW_S)
    calls = _count(f"rate:{what}:{who.kind}:{who.user_id or who.token_id}:{window}", now)
    if calls > LIMITS[what]:
        wait = WINDOW_S - passed
        words = "reads" if reads else "acts"
        title = f"{who.name} {words} more than {LIMITS[what]} times a minute"
        raise TooMany(title, hint=f"ask again in {wait} s", retry_after_s=wait)


def _count(key: str, now: float) -> int:
    """Calls in this window, this one too; 0 when nobody counts."""
    global _away_until
    if now < _away_until:
        return 0
    try:
        with _redis().pipeline(transaction=False) as pipe:
            pipe.incr(key)
            pipe.expire(key, 2 * WINDOW_S)
            return int(pipe.execute()[0])
    except RedisError:
        _away_until = now + AWAY_S
        return 0
