"""Incidents: one cause over many hosts."""

from django.db import models

from fleet.models.devices import Subject
from fleet.models.places import Site


class Incident(Subject):
    """The same thing wrong with many hosts of one place at once: a hot row, a feed that is out, a switch of BMCs.

    kind: of the findings that it folds (Finding.incident). place: "row A", "rack A12", "feed B". Written by
    fleet.incidents.
    """

    site = models.ForeignKey(Site, models.PROTECT)
    kind = models.TextField()
    place = models.TextField()
    words = models.TextField()
    opened_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["site", "kind", "place"], name="incident_once", condition=~models.Q(state="closed")
            ),
        ]

    def __str__(self) -> str:
        return self.words
