"""All tables of the provisioning app."""

from provisioning.models.boots import BootRequest, BootWindow, Image
from provisioning.models.campaigns import Brake, Campaign
from provisioning.models.operations import UNDER_WAY, Intent, LogLine, Operation, Step, WorkerProcess

__all__ = [
    "UNDER_WAY",
    "BootRequest",
    "BootWindow",
    "Brake",
    "Campaign",
    "Image",
    "Intent",
    "LogLine",
    "Operation",
    "Step",
    "WorkerProcess",
]
