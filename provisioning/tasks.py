"""Celery tasks: "look" wakes this worker's pump; "reconcile" repairs what no turn will."""

import gc
from typing import Any

from celery import shared_task
from celery.signals import worker_ready

from provisioning.engine import claim, reconcile, turn


@shared_task(name="advance")
def advance() -> None:
    """Look for due work until there is none, at most 20 s."""
    turn.pump().look()


@shared_task(name="reconcile")
def reconcile_all() -> None:
    """Once a minute, and whenever a worker starts."""
    reconcile.run()
    turn.pump().look()


@worker_ready.connect
def _ready(**kwargs: Any) -> None:
    """A worker that starts frees the claims of dead ones on its machine, and looks at once."""
    gc.freeze()  # what was loaded stays: going through it again and again took a fifth of the worker's time
    gc.set_threshold(20_000, 20, 50)
    claim.register()
    advance.apply_async(expires=20)
