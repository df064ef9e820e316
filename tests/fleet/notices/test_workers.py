"""Several workers at once, each with its own connection: one message each."""

import threading

from django.db import connections

from fleet.models import Notice
from fleet.notices import run
from tests.fleet.notices.conftest import found, rule


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
