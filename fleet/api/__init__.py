"""Endpoints of what exists and how it is."""

from fleet.api import evidence, findings, holds, hosts, incidents, inventory, plans

ROUTERS = tuple(module.router for module in (hosts, inventory, holds, findings, incidents, evidence, plans))
