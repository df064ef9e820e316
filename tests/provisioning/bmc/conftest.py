"""A fake BMC and a driver for it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from provisioning.bmc import Bmc, Fleet
from tests.provisioning.bmc.fake import FakeBmc, Notes


@pytest.fixture
async def fake(tmp_path: Path) -> AsyncIterator[FakeBmc]:
    """A healthy iDRAC that keeps what it was asked."""
    async with FakeBmc(tmp_path) as server:
        yield server


@pytest.fixture
def notes() -> Notes:
    """What the hooks were told."""
    return Notes()


@pytest.fixture
async def fleet(notes: Notes) -> AsyncIterator[Fleet]:
    """The driver with hooks and a short patience."""
    driver = Fleet(hooks=notes, call_timeout_s=5)
    yield driver
    await driver.close()


@pytest.fixture
def bmc(fake: FakeBmc, fleet: Fleet) -> Bmc:
    """The fake's BMC, its certificate pinned."""
    return fleet.bmc(fake.target())
