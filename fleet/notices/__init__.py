"""Somebody is told: rules that say who hears of which findings, and how; what was told (docs/notices.md)."""
