"""The first boot of an installed system: once, by the holder of the second token."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection, transaction

from fleet.models import Finding
from provisioning.models import Operation
from provisioning.operations.install import agent_token
from tests.provisioning.boot import machine as machines
from tests.provisioning.boot.machine import IMAGE_SHA256, close_window
from tests.provisioning.boot.test_agent import is_refused
from tests.support.waiting import eventually


@pytest.fixture
def token(machine) -> str:
    return machine.home_token(machine.session())


def test_is_kept_and_answered_with_the_agents_token(machine, token):
    answer = machine.phone_home(token)
    assert answer.json() == {"agent_token": agent_token(machine.host.serial, "boot-2")}
    window = machine.window()
    assert (window.stage, window.words) == ("phone_home", "phoned home") and window.home_used_at is not None
    assert window.phone_home == {
        **machine.who, "boot_id": "boot-2", "image": IMAGE_SHA256, "ssh_host_key": "ssh-ed25519 A",
        "versions": {"kernel": "6.1"},
    }  # fmt: skip


def test_wakes_the_operation(machine, token):
    before = Operation.objects.get(pk=machine.operation.pk).pokes
    machine.phone_home(token)
    assert Operation.objects.get(pk=machine.operation.pk).pokes == before + 1


def test_twice_is_the_same_answer(machine, token):
    """The answer may have been lost on the way."""
    first, again = machine.phone_home(token), machine.phone_home(token)
    assert again.status_code == 200 and again.json() == first.json()


def test_twice_is_the_same_answer_also_when_the_operation_has_gone_on(machine, token):
    first = machine.phone_home(token)
    close_window(machine)
    assert machine.phone_home(token).json() == first.json()


def test_of_another_boot_is_refused(machine, token):
    machine.phone_home(token)
    assert is_refused(machine.phone_home(token, boot_id="boot-3"))
    assert machine.window().phone_home["boot_id"] == "boot-2"


@pytest.mark.parametrize("field", ["serial", "uuid", "mac"])
def test_of_another_machine_is_refused_and_a_finding(machine, token, field):
    assert is_refused(machine.phone_home(token, **{field: "OTHER"}))
    assert machine.window().phone_home is None
    assert "OTHER" in Finding.objects.get(device=machine.host).words
    assert machine.phone_home(token).status_code == 200, "the token itself is not burnt: it never left the machine"


@pytest.mark.parametrize("wrong", ["", "unknown"])
def test_without_the_token_is_refused(machine, token, wrong):
    assert is_refused(machine.phone_home(wrong))


def test_after_its_operation_ended_is_refused(machine, token):
    close_window(machine)
    assert is_refused(machine.phone_home(token))
    assert machine.window().phone_home is None


def test_the_ramdisks_session_does_not_replace_the_token(machine, token):
    assert is_refused(
        machine.post("phone-home", {**machine.who, "token": "x", "boot_id": "x", "image": "x"}, session=token)
    )


@pytest.mark.parametrize("lacks", ["token", "mac", "uuid", "serial", "boot_id", "image"])
def test_must_say_who_and_what_it_is(machine, token, lacks):
    report = {**machine.who, "token": token, "boot_id": "b", "image": "i"}
    answer = machine.post("phone-home", {**report, lacks: None})
    assert (answer.status_code, answer.json()["field"]) == (422, lacks)


# The first statement, for within one transaction the view shows what it showed at first.
WAITING = """
SELECT pg_stat_clear_snapshot();
SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()
"""


def test_of_two_first_reports_at_once_one_is_kept(real_db):
    """Both arrive while the operation's row is held; whoever comes second is another boot and is refused."""
    machines.store_files()
    with transaction.atomic():
        machine = machines.booting()
    token = machine.home_token(machine.session())

    def report(boot_id: str) -> int:
        try:
            return machine.phone_home(token, boot_id=boot_id).status_code
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as threads:
        with transaction.atomic():
            Operation.objects.select_for_update(of=("self",)).get(pk=machine.operation.pk)
            answers = [threads.submit(report, boot_id) for boot_id in ("boot-2", "boot-3")]
            eventually(lambda: _waiting() == 2, within_s=30)
        codes = sorted(answer.result(timeout=60) for answer in answers)
    assert codes == [200, 403]


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING)
        cursor.nextset()
        return cursor.fetchone()[0]
