"""Parallel writers on the same hosts: no lost update, no second operation on a host, every refusal says why."""

import pytest

from tests.support import writers


@pytest.mark.timeout(600)
def test_a_few_at_once(site):
    seen = writers.run(site, 24)
    assert {201, 202, 409} <= set(seen), seen
