"""What outcomes ask for beside themselves: parts and their moves, findings and health, windows, columns."""

from types import SimpleNamespace

import pytest
from django.db import connection

from fleet.models import Bmc, Device, Evidence, Finding, Part, PartMove, Party
from provisioning.engine import effects
from provisioning.models import BootWindow
from provisioning.operations.netboot import ADOPTED
from provisioning.operations.outcomes import BmcSeen, HostSeen, LoginRefused, OpenFinding, OpenWindow, PartsSeen
from provisioning.operations.outcomes import Evidence as Seen
from tests.support import make

pytestmark = pytest.mark.usefixtures("db")


def write(*asked: tuple[Device, object]) -> None:
    """Effects of some hosts in one batch, each under an operation of its own number."""
    with connection.cursor() as cursor:
        effects.write(cursor, [SimpleNamespace(op=100 + d.pk, device=d.pk, effects=(e,)) for d, e in asked])


def gpus(**serials: str) -> PartsSeen:
    return PartsSeen(tuple(("gpu", slot, serial, "H100", "1.0", "80 GiB") for slot, serial in serials.items()))


def where() -> dict[str, tuple[int | None, str]]:
    return {p.serial: (p.device_id, p.slot) for p in Part.objects.all()}


def moves() -> list[tuple[str, int | None, str, int | None, str]]:
    rows = PartMove.objects.order_by("id").select_related("part")
    return [(m.part.serial, m.from_device_id, m.from_slot, m.to_device_id, m.to_slot) for m in rows]


class TestParts:
    def test_that_are_new_have_come(self):
        host = make.host()
        write((host, gpus(S1="A", S2="B")))
        assert where() == {"A": (host.pk, "S1"), "B": (host.pk, "S2")}
        assert moves() == [("A", None, "", host.pk, "S1"), ("B", None, "", host.pk, "S2")]
        assert Part.objects.filter(model="H100", firmware="1.0", size="80 GiB", seen_at__isnull=False).count() == 2

    def test_that_are_seen_again_have_not_moved(self):
        host = make.host()
        write((host, gpus(S1="A")))
        write((host, gpus(S1="A")))
        assert len(moves()) == 1

    def test_that_were_swapped_have_both_moved(self):
        host = make.host()
        write((host, gpus(S1="A", S2="B")))
        write((host, gpus(S1="B", S2="A")))
        assert where() == {"A": (host.pk, "S2"), "B": (host.pk, "S1")}
        assert sorted(moves()[2:]) == [("A", host.pk, "S1", host.pk, "S2"), ("B", host.pk, "S2", host.pk, "S1")]

    def test_that_were_replaced_have_gone(self):
        host = make.host()
        write((host, gpus(S1="A")))
        write((host, gpus(S1="N")))
        assert where() == {"A": (None, ""), "N": (host.pk, "S1")}
        assert sorted(moves()[1:]) == [("A", host.pk, "S1", None, ""), ("N", None, "", host.pk, "S1")]

    def test_that_are_in_another_host_now_came_from_the_first(self):
        one, other = make.hosts(2)
        write((one, gpus(S1="A")))
        write((other, gpus(S5="A")))
        assert where() == {"A": (other.pk, "S5")} and moves()[1:] == [("A", one.pk, "S1", other.pk, "S5")]

    def test_of_two_hosts_that_swapped_them_in_one_batch(self):
        one, other = make.hosts(2)
        write((one, gpus(S1="A")), (other, gpus(S1="B")))
        write((one, gpus(S1="B")), (other, gpus(S1="A")))
        assert where() == {"A": (other.pk, "S1"), "B": (one.pk, "S1")}
        assert sorted(moves()[2:]) == [("A", one.pk, "S1", other.pk, "S1"), ("B", other.pk, "S1", one.pk, "S1")]

    def test_none_is_none(self):
        write((make.host(), PartsSeen(())))
        assert moves() == []


class TestFindings:
    def test_have_the_owner_of_their_kind_and_the_evidence_of_their_operation(self):
        Party.objects.create(name="us", owns=["firmware"])
        maker = Party.objects.create(name="maker", owns=["fan", "psu"])
        host = make.host()
        with connection.cursor() as cursor:
            asked = (Seen("facts", "x"), OpenFinding("health", "fan", "warning", "slow"))
            effects.write(cursor, [SimpleNamespace(op=7, device=host.pk, effects=asked)])
        finding = Finding.objects.get()
        assert finding.owner == maker and finding.evidence == [Evidence.objects.get().pk]


class TestWindows:
    def open(self, device: Device, mode: str = "install") -> BootWindow:
        operation = device.operations.latest("id")
        with connection.cursor() as cursor:
            asked = (OpenWindow(mode, "uefi_http", {"mode": mode}, f"digest {BootWindow.objects.count()}"),)
            effects.write(cursor, [SimpleNamespace(op=operation.pk, device=device.pk, effects=asked)])
        return BootWindow.objects.latest("id")

    def host(self) -> Device:
        host = make.wired_host("burned_in")
        make.operation("install", host, state="active")
        return host

    def test_expect_the_machine_as_its_bmc_gave_it(self):
        host = self.host()
        window = self.open(host)
        assert (window.macs, window.uuid, window.serial) == ([make.mac_of(host)], host.uuid, host.serial)
        assert (window.stage, window.boot_used_at, window.session_sha256) == ("", None, "")

    def test_of_a_host_are_open_one_at_a_time(self):
        host = self.host()
        first, second = self.open(host), self.open(host)
        first.refresh_from_db()
        assert first.closed_at is not None and second.closed_at is None

    def ended(self, host: Device, **columns) -> BootWindow:
        window = self.open(host, "burn-in")
        usual = {
            "stage": "tested",
            "stage_at": window.opened_at,
            "session_sha256": "s",
            "boot_id": "b",
            "claimed_from": "a",
        }
        BootWindow.objects.filter(pk=window.pk).update(**{**usual, **columns})
        return window

    def test_of_an_install_adopt_the_ramdisk_of_a_burn_in_that_has_just_ended(self):
        host = self.host()
        self.ended(host)
        window = self.open(host)
        assert (window.stage, window.session_sha256, window.boot_id, window.claimed_from) == (ADOPTED, "s", "b", "a")
        assert window.boot_used_at is not None

    @pytest.mark.parametrize(
        "columns",
        [{"stage": "failed"}, {"session_sha256": ""}, {"stage_at": "2020-01-01T00:00:00Z"}, {"mode": "inspect"}],
        ids=lambda c: next(iter(c)),
    )
    def test_but_no_other(self, columns):
        host = self.host()
        self.ended(host, **columns)
        window = self.open(host)
        assert (window.stage, window.session_sha256, window.boot_used_at) == ("", "", None)


class TestColumns:
    def test_of_a_bmc_are_set_and_its_certificate_is_pinned_once(self):
        host = make.wired_host()
        write((host, BmcSeen({"fingerprint": "ab", "vendor": "Dell"})))
        first = Bmc.objects.get(device=host)
        write((host, BmcSeen({"clock_offset_s": 1.5, "refused": 0})))
        second = Bmc.objects.get(device=host)
        assert (second.fingerprint, second.vendor, second.clock_offset_s) == ("ab", "Dell", 1.5)
        assert first.pinned_at == second.pinned_at is not None

    def test_of_a_host_never_touch_what_is_not_theirs(self):
        host = make.host()
        write((host, HostSeen({"boot_id": "b-1", "state": "in_service", "held": 9})))
        host.refresh_from_db()
        assert (host.boot_id, host.state, host.held) == ("b-1", "cabled", 0)

    def test_two_refused_logins_open_the_breaker_and_a_good_one_counts_anew(self):
        host = make.wired_host()
        write((host, LoginRefused()))
        assert Bmc.objects.get(device=host).blocked_until is None
        write((host, BmcSeen({"refused": 0})))
        write((host, LoginRefused()))
        assert Bmc.objects.get(device=host).blocked_until is None
        write((host, LoginRefused()))
        assert Bmc.objects.get(device=host).blocked_until is not None


def test_evidence_that_is_too_large_is_cut_and_says_so():
    write((make.host(), Seen("console", "x" * 5000, {"lines": ["y" * 70_000]})))
    row = Evidence.objects.get()
    assert row.data["cut"] is True and row.data["size_bytes"] > 70_000 and len(row.words) == 2000
