"""Endpoints of what we do to it, and of what shows both."""

from provisioning.api import acts, brakes, campaigns, events, hosts, operations, summary, transitions

ROUTERS = tuple(module.router for module in (hosts, operations, campaigns, transitions, acts, brakes, summary, events))
