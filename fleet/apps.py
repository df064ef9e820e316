"""The app that knows what exists and how it is."""

from typing import Any

from django.apps import AppConfig
from django.db import connection
from django.db.models.signals import post_migrate


def _sync(**kwargs: Any) -> None:
    from fleet import lifecycle  # noqa: PLC0415 (models exist only now)
    from fleet.models import LifecycleEdge  # noqa: PLC0415

    if LifecycleEdge._meta.db_table in connection.introspection.table_names():  # gone after `migrate fleet zero`
        lifecycle.sync_tables()


class FleetConfig(AppConfig):
    """Registers nothing but the copy of the lifecycle tables into the database after each migrate."""

    name = "fleet"

    def ready(self) -> None:
        post_migrate.connect(_sync, sender=self)
