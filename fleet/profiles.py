"""Profiles as steps read them: the spec of a version never changes, so a process reads each once."""

from functools import lru_cache
from typing import Any

from fleet.models import Profile


@lru_cache(maxsize=256)
def profile_spec(profile_id: int | None) -> dict[str, Any]:
    """The spec of a profile version; empty for a device without one."""
    if profile_id is None:
        return {}
    return dict(Profile.objects.values_list("spec", flat=True).get(pk=profile_id))
