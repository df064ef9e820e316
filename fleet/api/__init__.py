"""Endpoints of what exists and how it is."""

from fleet.api import evidence, findings, holds, hosts, incidents, inventory, notices, plans, tokens

MODULES = (hosts, inventory, holds, findings, incidents, evidence, plans, tokens, notices)
ROUTERS = tuple(module.router for module in MODULES)
