"""One job of the lifecycle controller, as the queue shows it."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

DONE = ("Completed", "CompletedWithErrors", "Failed")

MESSAGES = {
    "JCP000": "New job.",
    "JCP001": "Task successfully scheduled.",
    "JCP002": "Task is in progress.",
    "PR19": "Job completed successfully.",
    "RED001": "Job completed successfully.",
    "RED002": "Downloading package.",
    "RED003": "Package successfully downloaded.",
    "RED007": "The update was interrupted.",
    "RED016": "Unable to download the package.",
    "RED020": "Applying update.",
    "RED021": "The download was interrupted by a reset.",
    "RED030": "Reboot is pending: the new version runs after a power cycle.",
}


@dataclass(slots=True)
class Job:
    """One job; `part` is a key of jobs.FLASHES, or "config"."""

    id: str
    name: str
    part: str
    created_at: datetime
    state: str = "New"
    percent: int = 0
    message: str = MESSAGES["JCP000"]
    message_id: str = "JCP000"
    settings: dict[str, Any] = field(default_factory=dict)
    version: str = ""
    ended_at: datetime | None = None

    @property
    def is_open(self) -> bool:
        """Whether something may still happen to it."""
        return self.state not in DONE
