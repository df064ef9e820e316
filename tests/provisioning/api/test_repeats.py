"""Each POST repeated with its key, over restarts of web, workers and Redis: one effect, one answer."""

import pytest

from tests.support import repeats, routes
from tests.support.asks import ASKS

A_FEW = 6


def test_every_post_is_among_them():
    assert set(ASKS) == {e.path for e in routes.endpoints() if e.method == "POST"}


@pytest.mark.timeout(1200)
def test_a_few_times(real_db):
    repeats.run(real_db, A_FEW)
