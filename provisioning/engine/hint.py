"""'Look': a message without content, sent after commit, at most a few a second from one process."""

import logging
import threading
import time

from django.conf import settings
from django.db import transaction
from django.utils.module_loading import import_string

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
        import_string(settings.CELERY_APP).send_task("advance", queue="turn", expires=5, retry=False)
    except Exception as error:  # noqa: BLE001 (Redis may be down: the beat, or the worker's next look, finds the work)
        log.warning("no hint could be sent: %s", error)
