"""Machines that boot."""

import pytest

from tests.provisioning.boot import machine as machines
from tests.provisioning.boot.machine import Machine


@pytest.fixture
def files(db) -> None:
    """The files of a boot, and the image."""
    machines.store_files()


@pytest.fixture
def machine(files) -> Machine:
    """A machine whose install has opened a window for it, by UEFI HTTP."""
    return machines.booting()
