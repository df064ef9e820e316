"""Celery tasks: each says when it runs and what it looks after."""

import gc
import logging
from typing import Any

from celery import Celery, shared_task
from celery.signals import celeryd_after_setup, worker_ready
from kombu.exceptions import OperationalError

from fleet import history
from fleet.notices import run as notices
from provisioning.engine import claim, reconcile, turn

log = logging.getLogger("muster.engine")

QUEUE = "turn"


@shared_task(name="advance")
def advance() -> None:
    """Look for due work until there is none, at most 20 s."""
    turn.pump().look()


@shared_task(name="reconcile")
def reconcile_all() -> None:
    """Once a minute, and whenever a worker starts."""
    reconcile.run()
    turn.pump().look()


@shared_task(name="sweep")
def sweep() -> None:
    """Once a minute: look at the hosts whose turn it is; each has one every five minutes."""
    turn.pump().sweep()


@shared_task(name="notices")
def tell() -> None:
    """Every 15 s: what is due is told; what fails is tried again with back-off."""
    notices.run()


@shared_task(name="history")
def verify() -> None:
    """Every hour: verify the history when that was not done for a day."""
    history.check()


@celeryd_after_setup.connect
def _set_up(instance: Any, **kwargs: Any) -> None:
    if QUEUE in instance.app.amqp.queues.consume_from:
        empty_queue(instance.app)


def empty_queue(app: Celery) -> int:
    """Forget every "look" that was said while no worker ran: one that starts looks by itself. Returns how many."""
    try:
        with app.connection_for_write() as connection:
            connection.ensure_connection(max_retries=1)
            dropped = int(connection.default_channel.queue_purge(QUEUE))
    except OperationalError as error:  # Celery goes on trying to connect; too many looks cost time, never work
        log.warning("the queue could not be emptied: %s", error)
        return 0
    if dropped:
        log.info("%d messages from before this worker started were dropped", dropped)
    return dropped


@worker_ready.connect
def _ready(**kwargs: Any) -> None:
    """A worker that starts frees the claims of dead ones on its machine, and looks at once."""
    gc.freeze()  # what was loaded stays: going through it again and again took a fifth of the worker's time
    gc.set_threshold(20_000, 20, 50)
    claim.register()
    advance.apply_async(expires=20)
