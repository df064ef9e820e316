"""What depends on how long a host has been in its state, on hosts that have been there for so long."""

from datetime import timedelta

import psycopg
import pytest

from fleet.errors import WrongState
from fleet.models import Device
from fleet.states import DAY, HOUR
from provisioning.engine import limits, moves, service
from tests.provisioning.engine.test_service import wish
from tests.support import make, servers


def aged(real_db, host: Device, seconds: float) -> Device:
    """It came to its state so long ago. Only the owner of the tables can make that so."""
    with psycopg.connect(servers.url("owner", real_db.name)) as owner:
        owner.execute("ALTER TABLE fleet_device DISABLE TRIGGER USER")
        since = "UPDATE fleet_device SET state_since = now() - %s WHERE id = %s"
        owner.execute(since, [timedelta(seconds=seconds), host.pk])
        owner.execute("ALTER TABLE fleet_device ENABLE TRIGGER USER")
    return host


@pytest.mark.parametrize(("days", "goes"), [(6.9, 1), (7.1, 0)])
def test_a_wish_for_service_lasts_as_long_as_its_validation_says_something(real_db, days, goes):
    aged(real_db, wish(), days * DAY)
    assert service.later() == goes


def test_a_scaled_installation_counts_its_own_days(real_db, settings_of):
    settings_of(TIME_SCALE=1000)
    aged(real_db, wish(), DAY)
    assert service.later() == 0


@pytest.mark.parametrize("days", [6.9, 7.1])
@pytest.mark.parametrize("start", ["validated", "draining"])
def test_people_put_into_service_with_a_fresh_validation_alone(real_db, start, days):
    """Who drains has served until now: that is no question of the age of a validation."""
    host = aged(real_db, make.host(start), days * DAY)
    goes = {"hosts": [host.pk], "to": "in_service", "reason": "serve", "actor": make.actor("O")}
    if stands := (start == "validated" and days > 7):
        with pytest.raises(WrongState, match="its validation is older than 7 d: validate it again"):
            moves.move(**goes)
    else:
        moves.move(**goes)
    host.refresh_from_db()
    assert host.state == (start if stands else "in_service")


@pytest.mark.parametrize(("scale", "real_s"), [(1, 4 * HOUR), (60, 4 * HOUR / 60 + 30), (100_000, 30.1)])
def test_a_host_is_late_after_its_limit_and_not_before(real_db, settings_of, scale, real_s):
    """A scaled limit has the grace of a deadline."""
    settings_of(TIME_SCALE=scale)
    host = aged(real_db, make.host("quarantined"), real_s - 20)
    assert limits.judge() == 0
    aged(real_db, host, real_s + 20)
    assert limits.judge() == 1
