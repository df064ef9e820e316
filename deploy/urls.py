"""Every URL of Muster."""

from typing import Any

urlpatterns: list[Any] = []
