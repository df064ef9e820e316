"""What the ramdisk asks for: a session for its token, orders, beacons, its image; and what it is refused."""

from pathlib import Path

import pytest
from django.conf import settings
from django.db.models.functions import Now

from fleet import secrets
from fleet.models import Device, Finding
from provisioning.boot import windows
from provisioning.boot.ranges import CHUNK
from provisioning.models import BootRequest, BootWindow, LogLine, Operation
from tests.fleet.test_lifecycle_bulk import in_parallel
from tests.provisioning.boot.machine import IMAGE, IMAGE_SHA256, booting, close_window, open_window, store_files
from tests.support import make

URL = "http://127.0.0.1:8000/boot"


def is_refused(answer) -> bool:
    """What the machine is told says nothing of why."""
    body = answer.json()
    return answer.status_code == 403 and (body["code"], body["title"]) == ("refused", "refused")


def pokes(machine) -> int:
    return Operation.objects.get(pk=machine.operation.pk).pokes


class TestClaim:
    def test_a_token_is_good_for_one_session_from_one_address(self, machine):
        token = machine.token()
        session = machine.claim(token).json()["session"]
        window = machine.window()
        assert len(session) >= 43 and window.session_sha256 == secrets.digest(session)
        assert (window.claimed_from, window.boot_id, window.stage) == ("127.0.0.1", "boot-1", "claimed")
        assert window.boot_used_at is not None
        assert is_refused(machine.claim(token))
        assert machine.window().session_sha256 == secrets.digest(session), "the first one keeps its session"
        assert machine.window().refused == 1

    def test_it_wakes_the_operation(self, machine):
        token, before = machine.token(), pokes(machine)
        machine.claim(token)
        assert pokes(machine) == before + 1

    def test_a_used_token_wakes_nobody(self, machine):
        token = machine.token()
        machine.claim(token)
        before = pokes(machine)
        machine.claim(token)
        assert pokes(machine) == before

    def test_only_the_newest_token_is_good(self, machine):
        """A newer boot kills older ones."""
        old, new = machine.token(), machine.token()
        assert is_refused(machine.claim(old))
        assert machine.claim(new).status_code == 200

    def test_a_newer_boot_ends_the_session_of_the_older_one(self, machine):
        session = machine.session()
        machine.token()
        assert is_refused(machine.get("orders", session=session))

    @pytest.mark.parametrize("wrong", [{"mac": "02:ff:00:00:00:01"}, {"uuid": "other"}, {"serial": "OTHER"}])
    def test_a_wrong_identity_burns_it(self, machine, wrong):
        token = machine.token()
        assert is_refused(machine.claim(token, **wrong))
        assert is_refused(machine.claim(token)), "also for the right machine: somebody else has seen it"
        finding = Finding.objects.get(device=machine.host)
        assert (finding.domain, finding.kind) == ("security", "boot_refused")
        assert "identity" in finding.words and next(iter(wrong.values())) in finding.words
        assert finding.severity == "warning", "a refusal for another cause does not make it less"
        assert Device.objects.get(pk=machine.host.pk).health == "warning"
        assert machine.claim(machine.token()).status_code == 200, "a new boot has a new one"

    def test_letters_of_any_case(self, machine):
        upper = {"mac": make.mac_of(machine.host).upper(), "uuid": machine.host.uuid.upper()}
        assert machine.claim(machine.token(), **upper).status_code == 200

    @pytest.mark.parametrize("token", ["", "unknown"])
    def test_an_unknown_token_is_refused(self, machine, token):
        machine.token()
        assert is_refused(machine.claim(token))

    def test_a_closed_window_is_closed(self, machine):
        token = machine.token()
        close_window(machine)
        assert is_refused(machine.claim(token))

    def test_a_new_window_kills_the_tokens_of_the_old_one(self, machine):
        token, session = machine.token(), None
        open_window(machine, "install", uri="another-one-time-uri-token")
        assert is_refused(machine.claim(token))
        assert is_refused(machine.script())
        assert session is None


def test_of_two_who_claim_at_once_one_gets_a_session(real_db):
    store_files()
    machine = booting()
    token, answers = machine.token(), []
    raised = in_parallel(*[lambda: answers.append(machine.claim(token).status_code)] * 6)
    assert raised == [] and sorted(answers) == [200] + [403] * 5
    assert BootWindow.objects.get().refused == 5


class TestOrders:
    def test_of_an_install_name_disk_image_and_the_second_token(self, machine):
        session = machine.session()
        orders = machine.get("orders", session=session).json()
        token = orders["phone_home"].pop("token")
        assert orders.pop("seed")["url"].startswith(f"{URL}/seed/")
        assert orders == {
            "mode": "install",
            "disk": {"role": "os"},
            "image": {"sha256": IMAGE_SHA256, "size_bytes": len(IMAGE), "url": f"{URL}/image/{IMAGE_SHA256}"},
            "phone_home": {"url": f"{URL}/phone-home"},
            "operation": machine.operation.pk,
            "step": machine.window().pk,
        }
        assert machine.window().home_sha256 == secrets.digest(token) and machine.window().stage == "orders"

    def test_of_a_burn_in_name_its_tests_and_give_no_token(self, files):
        machine = booting("burn-in")
        orders = machine.get("orders", session=machine.session()).json()
        assert orders["mode"] == "burn-in" and orders["tests"] == [{"name": "gpu_stress", "minutes": 2}]
        assert "phone_home" not in orders and machine.window().home_sha256 == ""

    def test_asked_again_the_newest_second_token_is_good(self, machine):
        session = machine.session()
        old, new = machine.home_token(session), machine.home_token(session)
        assert is_refused(machine.phone_home(old))
        assert machine.phone_home(new).status_code == 200

    def test_of_a_burn_in_that_is_done_are_to_wait(self, files):
        machine = booting("burn-in")
        session = machine.session()
        machine.event(session, "tested", data={"passed": True, "results": []})
        close_window(machine)
        assert machine.get("orders", session=session).json()["mode"] == "wait"
        assert is_refused(machine.event(session, "agent")), "nothing else is"

    @pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Bearer nobody", "Basic abc", "bearer", "Bearer \xe9"])
    def test_need_a_session(self, machine, header):
        machine.session()
        assert is_refused(machine.client.get("/boot/orders", headers={"Authorization": header}))
        assert is_refused(machine.client.get("/boot/orders"))

    def test_are_over_with_the_window(self, machine):
        session = machine.session()
        close_window(machine)
        for answer in (
            machine.get("orders", session=session),
            machine.event(session, "agent"),
            machine.post("log", {"lines": ["x"]}, session=session),
            machine.get(f"image/{IMAGE_SHA256}", session=session),
        ):
            assert is_refused(answer)


class TestEvents:
    def test_show_how_far_the_boot_has_come(self, machine):
        """Lesson M17: a node cannot reach the server, and nothing says so."""
        session = machine.session()
        for stage in ("kernel", "agent", "network"):
            assert machine.event(session, stage, words="well").status_code == 200
            assert (machine.window().stage, machine.window().words) == (stage, "well")
        machine.event(session, "write", words="42 %", done=42, total=100)
        window = machine.window()
        assert (window.stage, window.done, window.total) == ("write", 42, 100)

    @pytest.mark.parametrize("stage", ["inventory", "written", "tested", "failed"])
    def test_that_the_operation_waits_for_wake_it(self, machine, stage):
        session, before = machine.session(), None
        before = pokes(machine)
        machine.event(session, stage)
        assert pokes(machine) == before + 1

    @pytest.mark.parametrize("stage", ["kernel", "agent", "network", "write", "rebooting", "test"])
    def test_that_are_only_shown_wake_nobody(self, machine, stage):
        session = machine.session()
        before = pokes(machine)
        machine.event(session, stage)
        assert pokes(machine) == before

    def test_any_number_of_times(self, machine):
        """Lesson M12: a restart between "served" and "reported" must not lose the result."""
        session = machine.session()
        for n in range(3):
            assert machine.event(session, "written", data={"sha256": f"{n}", "disk_serial": "D"}).status_code == 200
        assert machine.window().written == {"sha256": "2", "disk_serial": "D"}

    def test_carry_inventory_tests_and_the_code_of_a_failure(self, files):
        machine = booting("burn-in")
        session = machine.session()
        machine.event(session, "inventory", data={"gpus": [{"slot": "1"}]})
        for name in ("gpu_stress", "nvlink"):
            machine.event(session, "test", data={"name": name, "passed": True})
        machine.event(session, "tested", data={"passed": True, "results": []})
        window = machine.window()
        assert window.inventory == {"gpus": [{"slot": "1"}]}
        assert [t["name"] for t in window.tests] == ["gpu_stress", "nvlink"]
        assert window.tested == {"passed": True, "results": []}
        machine.event(session, "failed", words="no disk", data={"code": "disk"})
        assert (machine.window().failed_code, machine.window().words) == ("disk", "no disk")

    def test_of_a_failure_without_a_code_are_a_failure(self, machine):
        machine.event(machine.session(), "failed", data={"code": None})
        assert machine.window().failed_code == "failed"

    def test_of_an_agent_that_reports_for_ever_fill_no_row(self, files):
        machine = booting("burn-in")
        session = machine.session()
        BootWindow.objects.update(tests=[{"name": "x"}] * 200)
        machine.event(session, "test", data={"name": "one more"})
        assert len(machine.window().tests) == 200

    @pytest.mark.parametrize("stage", ["", "claimed", "phone_home", "adopted", "orders", "script", "x" * 300])
    def test_of_no_stage_of_theirs_are_refused(self, machine, stage):
        """The stages that the service itself sets are not the machine's to say."""
        answer = machine.event(machine.session(), stage)
        assert answer.status_code == 422 and answer.json()["field"] == "stage"

    @pytest.mark.parametrize("value", [-1, 2**31, 10**300, "7", None, 1.5, [], {}])
    def test_with_numbers_that_are_none_keep_the_rest(self, machine, value):
        session = machine.session()
        machine.event(session, "write", done=7, total=100)
        assert machine.event(session, "write", words="on", done=value).status_code == 200
        assert (machine.window().done, machine.window().words) == (7, "on")

    def test_of_a_new_boot_begin_anew(self, files):
        machine = booting("burn-in")
        session = machine.session()
        machine.event(session, "inventory", data={"a": 1})
        machine.event(session, "tested", data={"passed": True})
        machine.session()
        window = machine.window()
        assert (window.inventory, window.tests, window.tested, window.failed_code) == (None, [], None, "")


class TestLog:
    def test_the_last_lines_are_kept_with_the_operation(self, machine):
        session = machine.session()
        lines = [f"line {n}" for n in range(250)]
        assert machine.post("log", {"lines": lines}, session=session).status_code == 200
        kept = LogLine.objects.filter(operation_id=machine.operation.pk).order_by("id")
        assert [row.line for row in kept] == lines[-200:] and {row.source for row in kept} == {"ramdisk"}

    @pytest.mark.parametrize("lines", [[], [None, 1, {"a": []}, ["x"]], ["x" * 5000]])
    def test_whatever_a_line_is(self, machine, lines):
        assert machine.post("log", {"lines": lines}, session=machine.session()).status_code == 200
        assert all(len(row.line) <= 1000 for row in LogLine.objects.all())


class TestImage:
    def fetch(self, machine, **headers):
        return machine.get(f"image/{IMAGE_SHA256}", session=machine.session(), **headers)

    def test_whole(self, machine):
        answer = self.fetch(machine)
        assert (answer.status_code, answer.content) == (200, IMAGE)
        assert answer["Accept-Ranges"] == "bytes" and answer["Content-Length"] == str(len(IMAGE))

    @pytest.mark.parametrize(
        ("asked", "first", "last"),
        [("0-99", 0, 99), ("100-", 100, None), ("-64", len(IMAGE) - 64, None), ("5-5", 5, 5), ("0-999999999", 0, None),
         (f"-{10**9}", 0, None)],
    )  # fmt: skip
    def test_a_range_of_it(self, machine, asked, first, last):
        answer = self.fetch(machine, Range=f"bytes={asked}")
        last = len(IMAGE) - 1 if last is None else last
        assert (answer.status_code, answer.content) == (206, IMAGE[first : last + 1])
        assert answer["Content-Range"] == f"bytes {first}-{last}/{len(IMAGE)}"
        assert answer["Content-Length"] == str(last - first + 1)

    @pytest.mark.parametrize("asked", [f"{len(IMAGE)}-", "999999999-", "-0", "9-3"])
    def test_no_range_outside_it(self, machine, asked):
        answer = self.fetch(machine, Range=f"bytes={asked}")
        assert (answer.status_code, answer["Content-Range"]) == (416, f"bytes */{len(IMAGE)}")

    @pytest.mark.parametrize(
        "asked", ["bytes=0-9,20-29", "bytes=-", "lines=1-2", "bytes=a-b", "9" * 6000, f"bytes={'9' * 5000}-"]
    )
    def test_what_is_no_range_gets_the_whole(self, machine, asked):
        assert self.fetch(machine, Range=asked).content == IMAGE

    @pytest.mark.parametrize(("asked", "first"), [("", 0), (f"bytes=7-{CHUNK + 20}", 7)])
    def test_a_large_one_in_pieces(self, machine, asked, first):
        large = bytes(range(251)) * (CHUNK // 250)
        path = Path(settings.FILES) / IMAGE_SHA256[:2] / IMAGE_SHA256
        path.write_bytes(large)
        answer = self.fetch(machine, **({"Range": asked} if asked else {}))
        last = CHUNK + 20 if asked else len(large) - 1
        pieces = list(answer.streaming_content)
        assert b"".join(pieces) == large[first : last + 1] and len(pieces) == 2
        assert answer["Content-Length"] == str(last - first + 1)

    def test_its_size_by_head(self, machine):
        session = machine.session()
        answer = machine.client.head(f"/boot/image/{IMAGE_SHA256}", headers={"Authorization": f"Bearer {session}"})
        assert (answer.status_code, answer.content) == (200, b"")
        assert answer["Content-Length"] == str(len(IMAGE))

    @pytest.mark.parametrize("sha256", ["00" * 32, "", IMAGE_SHA256.upper(), "..%2fkeys"])
    def test_only_the_one_that_was_ordered(self, machine, sha256):
        assert machine.get(f"image/{sha256}", session=machine.session()).status_code in (403, 404)

    def test_none_for_a_burn_in(self, files):
        machine = booting("burn-in")
        assert is_refused(machine.get(f"image/{IMAGE_SHA256}", session=machine.session()))

    def test_that_is_not_in_the_store_is_said_so(self, machine):
        BootWindow.objects.update(orders={"image": {"sha256": "ab" * 32}})
        answer = machine.get(f"image/{'ab' * 32}", session=machine.session())
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert BootRequest.objects.filter(endpoint="image", status=404).exists()


@pytest.mark.parametrize("path", ["claim", "event", "log", "phone-home"])
def test_what_changes_something_is_asked_by_post(machine, path):
    assert machine.get(path).status_code == 405


@pytest.mark.parametrize("path", ["orders", f"image/{IMAGE_SHA256}"])
def test_what_is_only_read_is_not(machine, path):
    assert machine.post(path, {}).status_code == 405


@pytest.mark.parametrize("what", ["orders", "event", "script"])
def test_a_window_that_closes_while_a_machine_asks_gives_it_nothing(db, monkeypatch, what):
    """Somebody forces the host out: no install may begin after that."""
    machine = booting()
    session = machine.session()
    before = machine.window()
    read = windows.by_token

    def read_then_closed(key, token):
        window = read(key, token)
        BootWindow.objects.update(closed_at=Now())
        return window

    monkeypatch.setattr(windows, "by_token", read_then_closed)
    ask = {
        "orders": lambda: machine.get("orders", session=session),
        "event": lambda: machine.event(session, "written"),
        "script": machine.script,
    }
    assert is_refused(ask[what]())
    after = machine.window()
    for column in ("stage", "boot_sha256", "home_sha256", "seed_sha256", "written", "asks"):
        assert getattr(after, column) == getattr(before, column)
    last = BootRequest.objects.latest("id")
    assert (last.endpoint, last.status, last.words) == (what, 403, "its window was closed while it asked")
