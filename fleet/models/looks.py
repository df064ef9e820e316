"""How a person wants the pages to look."""

from django.conf import settings
from django.db import models

from fleet.models.places import one_of

THEMES = ["", "light", "dark"]


class Preference(models.Model):
    """theme: empty follows the system. keys: whether single letters do something. Nobody without a row has chosen."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="preference")
    theme = models.TextField(blank=True, default="")
    keys = models.BooleanField(default=True)

    class Meta:
        constraints = [one_of("theme", THEMES, "preference_theme")]

    def __str__(self) -> str:
        return f"{self.user_id}: {self.theme or 'system'}"
