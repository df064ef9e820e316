"""A turn worker's messages: they only say "look", so what was said before it started says nothing."""

from celery import Celery

from deploy.celery import app
from provisioning import tasks
from tests.support import servers
from tests.support.waiting import eventually


def waiting(queue: str) -> int:
    return int(servers.VALKEY.say(f"LLEN {queue}").strip(b":\r\n"))


def test_a_worker_that_starts_empties_its_own_queue_and_no_other(real_db):
    for queue, n in (("turn", 7), ("cpu", 2)):
        for _ in range(n):
            app.send_task("advance", queue=queue)
    assert waiting("turn") == 7
    assert tasks.empty_queue(app) == 7
    assert (waiting("turn"), waiting("cpu")) == (0, 2)
    assert tasks.empty_queue(app) == 0


def test_what_was_said_before_it_started_is_never_heard(real_db):
    for _ in range(5):
        app.send_task("said.before", queue="turn")
    real_db.worker()
    eventually(lambda: " ready." in real_db.output(), within_s=60)
    app.send_task("said.later", queue="turn")
    eventually(lambda: "said.later" in real_db.output(), within_s=60)
    assert "said.before" not in real_db.output()


def test_a_redis_that_is_away_is_no_reason_to_stop(caplog):
    away = Celery("away", broker="redis+socket:///nowhere.sock?virtual_host=0", set_as_current=False)
    assert tasks.empty_queue(away) == 0
    assert "could not be emptied" in caplog.text


def test_what_the_scheduler_asks_for_is_there():
    asked = {entry["task"] for entry in app.conf.beat_schedule.values()}
    assert {"notices", "history"} < asked <= set(app.tasks)
