"""All tables of the fleet app."""

from fleet.models.access import GRANTABLE, Grant, IdempotencyKey, Secret, Token
from fleet.models.acts import Review
from fleet.models.devices import HOST_ROLES, SWITCH_ROLES, Bmc, Device, FormerName, Profile, Subject, Waiver
from fleet.models.evidence import Evidence, File, Finding
from fleet.models.fabric import Cable, CableEnd, PlanVersion, Port
from fleet.models.history import ROLES, Actor, Hold, LifecycleEdge, LifecycleSubject, Transition
from fleet.models.incidents import Incident
from fleet.models.looks import THEMES, Preference
from fleet.models.notices import Notice, NoticeRule
from fleet.models.parts import Part, PartMove
from fleet.models.places import Address, Network, Party, PowerFeed, PowerInlet, Rack, Row, Site

__all__ = [
    "GRANTABLE",
    "HOST_ROLES",
    "ROLES",
    "SWITCH_ROLES",
    "THEMES",
    "Actor",
    "Address",
    "Bmc",
    "Cable",
    "CableEnd",
    "Device",
    "Evidence",
    "File",
    "Finding",
    "FormerName",
    "Grant",
    "Hold",
    "IdempotencyKey",
    "Incident",
    "LifecycleEdge",
    "LifecycleSubject",
    "Network",
    "Notice",
    "NoticeRule",
    "Part",
    "PartMove",
    "Party",
    "PlanVersion",
    "Port",
    "PowerFeed",
    "PowerInlet",
    "Preference",
    "Profile",
    "Rack",
    "Review",
    "Row",
    "Secret",
    "Site",
    "Subject",
    "Token",
    "Transition",
    "Waiver",
]
