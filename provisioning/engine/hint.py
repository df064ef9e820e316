""""Look": a message without content, sent after commit, at most a few a second from one process."""

import logging
import threading
import time

from celery import current_app
from django.db import transaction

log = logging.getLogger("muster.engine")

MIN_GAP_S = 0.25
_lock = threading.Lock()
_last = 0.0


def look_soon() -> None:
    """Wake a turn worker once this transaction is committed. Losing the message costs two seconds, never work."""
    transaction.on_commit(_send)


def _send() -> None:
    global _last
    with _lock:
        now = time.monotonic()
        if now - _last < MIN_GAP_S:
            return
        _last = now
    try:
        current_app.send_task("advance", queue="turn", expires=5, retry=False)
    except Exception as error:  # Redis may be down: the beat, or the worker's own next look, finds the work
        log.warning("no hint could be sent: %s", error)
