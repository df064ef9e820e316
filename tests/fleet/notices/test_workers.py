"""Several workers at once, each with its own connection: one message each."""

import threading

from django.db import connections

from deploy.celery import app
from fleet.models import Notice
from fleet.notices import run
from tests.fleet.notices.conftest import found, rule
from tests.support.waiting import eventually


def test_two_workers_at_once_send_each_notice_once(real_db, heard):
    for kind in ("a", "b", "c"):
        rule(heard, kinds=(kind,))
        for _ in range(3):
            found(kind)
    heard.slow_s = 0.1
    start, errors = threading.Barrier(4), []

    def work():
        try:
            start.wait()
            run.run()
        except Exception as error:  # noqa: BLE001
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    run.run()
    assert not errors
    told = [body["findings"][0]["id"] for body in heard.sent]
    assert len(told) == len(set(told)) == 9
    assert set(Notice.objects.values_list("state", "tries")) == {("sent", 1)}
    by_rule = {name: [i for i, b in zip(told, heard.sent, strict=True) if b["rule"]["name"] == name] for name in
               {b["rule"]["name"] for b in heard.sent}}  # fmt: skip
    assert all(ids == sorted(ids) for ids in by_rule.values())


def test_a_worker_tells_when_the_scheduler_says_so(real_db, heard):
    rule(heard)
    found()
    real_db.worker()
    eventually(lambda: " ready." in real_db.output(), within_s=60)
    app.send_task("notices", queue="turn")
    eventually(lambda: Notice.objects.filter(state="sent").exists(), within_s=60)
    assert heard.subjects == ["[warning] health: psu out"]
