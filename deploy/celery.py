"""Celery: messages only say "look" (engine.md); PostgreSQL is the queue of record."""

import os
from urllib.parse import parse_qs, urlsplit

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "deploy.settings")

from django.conf import settings


def broker_url(url: str) -> str:
    """kombu's spelling of a Redis URL; unix:///path and redis+socket:///path both mean a socket."""
    parts = urlsplit(url)
    if parts.scheme not in ("unix", "redis+socket"):
        return url
    query = parse_qs(parts.query)
    number = (query.get("db") or query.get("virtual_host") or ["0"])[0]
    return f"redis+socket://{parts.path}?virtual_host={number}"


app = Celery("muster")
app.conf.update(
    broker_url=broker_url(settings.REDIS_URL),
    task_ignore_result=True,
    task_default_queue="turn",
    worker_prefetch_multiplier=1,
    worker_send_task_events=False,
    worker_hijack_root_logger=False,
    worker_cancel_long_running_tasks_on_connection_loss=False,
    broker_connection_retry_on_startup=True,
    broker_transport_options={"visibility_timeout": 120, "polling_interval": 2},
    beat_scheduler="celery.beat:Scheduler",
    beat_schedule={
        "look": {"task": "advance", "schedule": 2.0, "options": {"expires": 2}},
        "reconcile": {"task": "reconcile", "schedule": 60.0, "options": {"expires": 60}},
        "notices": {"task": "notices", "schedule": 15.0, "options": {"expires": 15}},
        "history": {"task": "history", "schedule": 3600.0, "options": {"expires": 3600}},
        "sweep": {"task": "sweep", "schedule": 60.0, "options": {"expires": 60}},
    },
    timezone="UTC",
)
app.autodiscover_tasks(["provisioning"])
