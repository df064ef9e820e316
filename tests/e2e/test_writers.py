"""Two hundred parallel writers on the same hosts: no lost update, no second operation, every refusal says why."""

import pytest

from tests.support import writers


@pytest.mark.timeout(1800)
def test_two_hundred_at_once(site):
    seen = writers.run(site, 200)
    assert {201, 202, 409} <= set(seen), seen
