"""Firmware inventory, updates, jobs and tasks."""
