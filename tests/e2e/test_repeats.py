"""Each POST repeated a hundred times with its key, over restarts of web, workers and Redis: one effect, one answer."""

import pytest

from tests.support import repeats

MANY = 100


@pytest.mark.timeout(2400)
def test_a_hundred_times(real_db):
    repeats.run(real_db, MANY)
