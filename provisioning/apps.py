"""The app that does things to the fleet."""

from django.apps import AppConfig


class ProvisioningConfig(AppConfig):
    """Nothing happens at start."""

    name = "provisioning"
