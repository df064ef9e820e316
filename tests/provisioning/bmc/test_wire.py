"""Certificates, timeouts, broken connections, and how many calls run at once; on real TLS sockets."""

import asyncio
import socket

import pytest

from provisioning.bmc import BmcBusy, BmcTlsRefused, BmcUnknown, BmcUnreachable, Fleet, Target
from tests.provisioning.bmc.fake import PERMIT, FakeBmc, M, Reply, S

RESET = f"POST {S}/Actions/ComputerSystem.Reset"


async def test_first_contact_tells_the_certificate_and_sends_no_login(fake, fleet):
    found = await fleet.bmc(fake.target(fingerprint=None)).first_contact()
    assert found.fingerprint == fake.fingerprint
    assert (found.vendor, found.tag, found.bmc_mac) == ("Dell", "7XK2LM4", "b0:7b:25:00:00:01")
    assert [(call.method, call.path) for call in fake.calls] == [("GET", "/redfish/v1")]
    assert not {"Authorization", "X-Auth-Token"} & set(fake.calls[0].headers)


async def test_the_connection_of_first_contact_lives_on_under_its_pin(fake, fleet):
    found = await fleet.bmc(fake.target(fingerprint=None)).first_contact()
    bmc = fleet.bmc(fake.target(fingerprint=found.fingerprint))
    await bmc.identity()
    await bmc.http_boot()
    assert fake.connections == 1


async def test_a_pin_other_than_what_first_contact_saw_gets_no_old_connection(fake, fleet):
    await fleet.bmc(fake.target(fingerprint=None)).first_contact()
    with pytest.raises(BmcTlsRefused) as caught:
        await fleet.bmc(fake.target(fingerprint="ab" * 32)).system()
    assert caught.value.code == "certificate_changed"
    assert len(fake.calls) == 1


async def test_nothing_is_sent_before_a_certificate_is_pinned(fake, fleet, notes):
    bmc = fleet.bmc(fake.target(fingerprint=None))
    with pytest.raises(BmcTlsRefused) as caught:
        await bmc.system()
    assert caught.value.code == "not_pinned"
    assert fake.calls == [] and notes.said == []


async def test_a_changed_certificate_stops_all_with_both_fingerprints(fake, fleet):
    """The factory certificate changes on a reset to defaults: an alarm, not a retry (quirk self-signed)."""
    other = "ab" * 32
    for call in (
        fleet.bmc(fake.target(fingerprint=other)).system,
        fleet.bmc(fake.target(fingerprint=other)).first_contact,
    ):
        with pytest.raises(BmcTlsRefused) as caught:
            await call()
        assert caught.value.code == "certificate_changed" and not caught.value.passing
        assert other in caught.value.words and fake.fingerprint in caught.value.words
    assert fake.calls == []


async def test_a_pin_may_have_colons(fake, fleet):
    pin = ":".join(fake.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    assert (await fleet.bmc(fake.target(fingerprint=pin)).system()).power == "On"


async def test_no_tls_at_all(fleet):
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.0 400 This is no TLS\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        address = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        with pytest.raises(BmcTlsRefused) as caught:
            await fleet.bmc(Target("host-002", address, "root", "x", "ab" * 32)).system()
    assert caught.value.code == "tls_handshake"


async def test_nobody_there(fleet):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        bmc = fleet.bmc(Target("host-002", f"https://127.0.0.1:{free.getsockname()[1]}", "root", "x", "ab" * 32))
        with pytest.raises(BmcUnreachable) as caught:
            await bmc.system()
        with pytest.raises(BmcUnreachable):
            await bmc.reset(PERMIT, "On")
    assert caught.value.code == "connect_failed" and caught.value.passing


@pytest.mark.parametrize(
    ("address", "pin", "kind"),
    [
        ("http://127.0.0.1", None, BmcTlsRefused),
        ("ftp://127.0.0.1", None, BmcTlsRefused),
        ("", None, BmcTlsRefused),
        ("https://127.0.0.1:port", None, BmcUnreachable),
        ("https://127.0.0.1", "abc", BmcUnreachable),
        ("https://127.0.0.1", "abcd", BmcUnreachable),
    ],
)
async def test_an_address_that_cannot_be_used(fleet, address, pin, kind):
    with pytest.raises(kind):
        fleet.bmc(Target("host-002", address, "root", "x", pin))


async def test_a_read_without_answer(fake, notes):
    fleet = Fleet(hooks=notes, call_timeout_s=0.3)
    bmc = fleet.bmc(fake.target())
    await bmc.system()
    fake.replies[f"GET {S}"] = Reply(hold_s=30)
    with pytest.raises(BmcUnreachable) as caught:
        await bmc.system()
    assert caught.value.code == "answer_timeout"
    await fleet.close()


async def test_a_write_without_answer_is_unknown_and_sent_once(fake, notes):
    """A write held open is done later by some BMCs (quirk request-held-open)."""
    fleet = Fleet(hooks=notes, call_timeout_s=0.3)
    bmc = fleet.bmc(fake.target())
    fake.replies[RESET] = Reply(hold_s=30)
    with pytest.raises(BmcUnknown) as caught:
        await bmc.reset(PERMIT, "ForceRestart")
    assert caught.value.code == "answer_timeout"
    assert len(fake.sent(*RESET.split())) == 1
    await fleet.close()


async def test_a_write_whose_connection_breaks_is_unknown_and_sent_once(fake, bmc):
    await bmc.system()
    fake.replies[RESET] = Reply(cut=True)
    with pytest.raises(BmcUnknown) as caught:
        await bmc.reset(PERMIT, "ForceRestart")
    assert caught.value.code == "answer_lost"
    assert len(fake.sent(*RESET.split())) == 1


@pytest.mark.parametrize("call", ["system", "ready"])
async def test_a_read_on_a_connection_that_broke_is_repeated_once(fake, bmc, call):
    """Idle connections are reset by some (quirk keepalive-dropped)."""
    await bmc.system()
    path = (
        f"GET {S}"
        if call == "system"
        else f"POST {M}/Oem/Dell/DellLCService/Actions/DellLCService.GetRemoteServicesAPIStatus"
    )
    fake.replies[path] = [Reply(cut=True)]
    before = len(fake.sent(*path.split()))
    await getattr(bmc, call)()
    assert len(fake.sent(*path.split())) == before + 2
    fake.replies[path] = Reply(cut=True)
    with pytest.raises(BmcUnreachable):
        await getattr(bmc, call)()
    assert len(fake.sent(*path.split())) <= before + 4


async def test_a_body_that_breaks_off(fake, bmc):
    await bmc.system()
    fake.replies[f"GET {S}"] = Reply(200, b'{"PowerState": "O', torn=True)
    with pytest.raises(BmcUnreachable) as caught:
        await bmc.system()
    assert caught.value.code == "broken_answer"


@pytest.mark.parametrize(
    "body", [b"<html>Loading</html>", b"[]", b"null", b'{"a":', b"\xff", b"", b"[" * 200_000], ids=range(7)
)
async def test_a_body_that_is_no_object(fake, bmc, body):
    fake.replies[f"GET {S}"] = Reply(200, body)
    with pytest.raises(BmcBusy) as caught:
        await bmc.system()
    assert caught.value.code == "unreadable"


async def test_two_calls_at_once_and_one_write(fake, bmc):
    """An iDRAC gets slower in parallel (quirk slow-bmc)."""
    fake.replies[f"GET {S}"] = lambda _: Reply(200, fake.resources[S], hold_s=0.02)
    at_once = []
    fake.replies[RESET] = lambda _: at_once.append(fake.writes) or Reply(204, hold_s=0.02)  # type: ignore[func-returns-value]
    await asyncio.gather(*(bmc.system() for _ in range(8)), *(bmc.reset(PERMIT, "ForceRestart") for _ in range(4)))
    assert fake.most_at_once == 2
    assert at_once == [1, 1, 1, 1]


async def test_connections_are_kept(fake, bmc):
    for _ in range(5):
        await bmc.system()
    assert fake.connections == 1


async def test_one_pool_for_all_hosts_and_one_object_a_name(fake, fleet, tmp_path):
    async with FakeBmc(tmp_path, "other") as other:
        one = fleet.bmc(fake.target())
        two = fleet.bmc(Target("host-002", f"https://127.0.0.1:{other.port}", "root", "calvin-7", other.fingerprint))
        await asyncio.gather(one.system(), two.system())
        assert fleet.bmc(fake.target()) is one and one is not two
        assert one.requests == len(fake.calls) and two.requests == len(other.calls)


async def test_a_moved_bmc_is_learned_anew(fake, fleet, tmp_path):
    bmc = fleet.bmc(fake.target())
    await bmc.system()
    async with FakeBmc(tmp_path, "other") as other:
        other.resources["/redfish/v1"]["Oem"] = {}
        moved = fleet.bmc(Target("host-001", f"https://127.0.0.1:{other.port}", "root", "calvin-7", other.fingerprint))
        assert moved is bmc
        await bmc.system()
        assert (other.calls[0].method, other.calls[0].path) == ("GET", "/redfish/v1")
        await fleet.close()
