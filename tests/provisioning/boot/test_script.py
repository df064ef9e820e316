"""What firmware asks for: loader, script, kernel and ramdisk, and the time."""

from datetime import UTC, datetime

import pytest

from fleet import secrets
from fleet.models import Device, Finding
from fleet.states import HOST_STATES
from provisioning.models import BootRequest, Operation
from tests.provisioning.boot.machine import (
    BOOT_FILES,
    URI_TOKEN,
    Machine,
    booting,
    close_window,
    token_in,
)
from tests.support import make

NO_BUSINESS = {"expected", "received", "racked", "cabled", "retired"}
URL = "http://127.0.0.1:8000/boot"


def by_mac(machine: Machine, **changes: str):
    return machine.client.get("/boot/script", {**machine.who, **changes})


def is_diagnostic(answer) -> bool:
    return answer.status_code == 200 and b"muster.mode=diagnostic" in answer.content and b"token" not in answer.content


class TestOneTimeAddress:
    def test_gives_the_loader(self, machine):
        answer = machine.get(f"u/{URI_TOKEN}/ipxe.efi")
        assert (answer.status_code, answer.content) == (200, BOOT_FILES["ipxe.efi"])

    def test_gives_the_script_of_this_boot(self, machine):
        answer = machine.script()
        token = token_in(answer)
        assert answer["Content-Type"].startswith("text/plain")
        window = machine.window()
        assert answer.content.decode() == (
            f"#!ipxe\nkernel {URL}/files/vmlinuz?boot={window.id} initrd=initrd.zst console=ttyS0"
            f" muster.url={URL} muster.boot={window.id} muster.token={token}\n"
            f"initrd --name initrd.zst {URL}/files/initrd.zst?boot={window.id}\nboot\n"
        )
        assert (window.stage, window.asks, window.boot_sha256) == ("script", 1, secrets.digest(token))

    def test_every_script_has_another_token_of_256_bits(self, machine):
        tokens = {machine.token() for _ in range(3)}
        assert len(tokens) == 3 and all(len(token) >= 43 for token in tokens)
        assert machine.window().asks == 3

    @pytest.mark.parametrize("what", ["ipxe.efi", "autoexec.ipxe"])
    def test_is_unknown_to_others(self, machine, what):
        assert machine.get(f"u/not-the-token/{what}").status_code == 403

    @pytest.mark.parametrize("what", ["ipxe.efi", "autoexec.ipxe"])
    def test_is_dead_when_the_window_is_closed(self, machine, what):
        close_window(machine)
        answer = machine.get(f"u/{URI_TOKEN}/{what}")
        assert answer.status_code == 403 and b"token=" not in answer.content

    def test_a_loop_of_asking_wakes_the_operation(self, machine):
        """Asking is no news; asking for the fifth time is."""
        before = Operation.objects.get(pk=machine.operation.pk).pokes
        for _ in range(4):
            machine.script()
        assert Operation.objects.get(pk=machine.operation.pk).pokes == before
        machine.script()
        assert Operation.objects.get(pk=machine.operation.pk).pokes == before + 1


@pytest.mark.usefixtures("files")
class TestByMac:
    def test_the_host_of_an_open_pxe_window_gets_its_script(self):
        machine = booting(delivery="pxe")
        token = token_in(by_mac(machine))
        assert machine.window().boot_sha256 == secrets.digest(token)
        assert machine.claim(token).status_code == 200

    def test_letters_of_any_case(self):
        machine = booting(delivery="pxe")
        assert token_in(by_mac(machine, mac=make.mac_of(machine.host).upper(), uuid=machine.host.uuid.upper()))

    @pytest.mark.parametrize("wrong", [{"uuid": "other"}, {"serial": "OTHER"}])
    def test_a_machine_that_is_not_the_one_gets_the_diagnostic_script_and_a_finding(self, wrong):
        machine = booting(delivery="pxe")
        assert is_diagnostic(by_mac(machine, **wrong))
        finding = Finding.objects.get(device=machine.host)
        assert finding.kind == "boot_unexpected" and next(iter(wrong)) in finding.words
        assert machine.window().asks == 0

    def test_a_window_of_another_delivery_is_not_for_it(self):
        machine = booting(delivery="uefi_http")
        assert is_diagnostic(by_mac(machine))
        assert machine.window().boot_sha256 == ""

    def test_known_and_without_a_window_it_gets_the_diagnostic_script_and_one_finding(self):
        machine = Machine(make.wired_host("installed"))
        assert is_diagnostic(by_mac(machine))
        first = Finding.objects.get(device=machine.host)
        assert (first.domain, first.kind, first.severity) == ("inventory", "boot_unexpected", "info")
        assert is_diagnostic(by_mac(machine))
        assert Finding.objects.get(device=machine.host).pk == first.pk, "seen again, not opened again"
        assert Device.objects.get(pk=machine.host.pk).health == "info"
        assert list(BootRequest.objects.values_list("status", "device_id")) == [(200, machine.host.pk)] * 2

    @pytest.mark.parametrize(
        "query", [{}, {"mac": ""}, {"mac": "02:ff:ff:ff:ff:ff"}, {"serial": "TAG"}, {"mac": "nonsense"}]
    )
    def test_a_stranger_is_not_found_and_on_record(self, query):
        answer = Machine(make.host()).client.get("/boot/script", query)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        request = BootRequest.objects.get()
        assert (request.endpoint, request.status, request.device_id) == ("script", 404, None)
        assert not Finding.objects.exists()

    @pytest.mark.parametrize("state", [s.name for s in HOST_STATES])
    def test_the_answer_is_a_total_function_of_the_state(self, state):
        """Lesson M6: a host in some state asked for network boot, got an error, and looped."""
        answer = by_mac(Machine(make.wired_host(state)))
        assert answer.status_code == 404 if state in NO_BUSINESS else is_diagnostic(answer)

    @pytest.mark.parametrize(
        "query", ["mac=%00", "mac=02:00&serial=%00", "mac=%ff%fe", "serial=%ed%a0%80", "mac=" + "9" * 5000]
    )
    def test_nonsense_is_not_found_never_an_error(self, query):
        assert Machine(make.host()).get(f"script?{query}").status_code == 404

    @pytest.mark.parametrize("field", ["uuid", "serial"])
    def test_nonsense_of_a_machine_that_is_known_is_a_difference(self, field):
        machine = booting(delivery="pxe")
        query = f"mac={make.mac_of(machine.host)}&{field}=%00%ff"
        assert is_diagnostic(machine.get(f"script?{query}"))


class TestFiles:
    @pytest.mark.parametrize("name", BOOT_FILES)
    def test_are_for_everybody(self, machine, name):
        answer = machine.get(f"files/{name}")
        assert (answer.status_code, answer.content) == (200, BOOT_FILES[name])

    @pytest.mark.parametrize(
        "name",
        ["no-such-file", "..", "%2e%2e%2fkeys", "..%2fkeys", "VMLINUZ", ".hidden", "a" * 65, "vmlinuz%00", "%ff"],
    )
    def test_nothing_else_is_there(self, machine, name):
        assert machine.get(f"files/{name}").status_code == 404

    @pytest.mark.parametrize("path", ["files/vmlinuz", "time"])
    def test_each_request_is_on_record_with_its_operation(self, machine, path):
        assert machine.get(f"{path}?boot={machine.window().id}").status_code == 200
        found = BootRequest.objects.latest("id")
        assert (found.endpoint, found.status) == (path.partition("/")[0], 200)
        assert (found.operation_id, found.device_id) == (machine.operation.pk, machine.host.pk)

    @pytest.mark.parametrize("boot", ["", "0", "x", "-1", "9" * 19, "%00"])
    def test_a_boot_that_is_not_is_on_record_without_operation(self, machine, boot):
        assert machine.get(f"files/vmlinuz?boot={boot}").status_code == 200
        assert BootRequest.objects.latest("id").operation_id is None

    def test_a_boot_that_is_over_has_no_more_requests(self, machine):
        close_window(machine)
        assert machine.get(f"files/vmlinuz?boot={machine.window().id}").status_code == 200
        assert BootRequest.objects.latest("id").operation_id is None

    @pytest.mark.parametrize("path", ["files/vmlinuz", f"u/{URI_TOKEN}/ipxe.efi", "time", "script"])
    def test_are_read_only(self, machine, path):
        assert machine.client.post(f"/boot/{path}").status_code == 405


def test_the_time_and_nothing_else(client, db):
    answer = client.get("/boot/time")
    assert list(answer.json()) == ["time"]
    told = datetime.strptime(answer.json()["time"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    assert abs((datetime.now(UTC) - told).total_seconds()) < 60
    assert client.get("/boot/nothing").status_code == 404
