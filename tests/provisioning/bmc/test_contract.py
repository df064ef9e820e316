"""One suite, two servers that were written without this driver: sushy-emulator and the fleet simulator.

What the emulator is known not to have or to do otherwise stands in LACKS and in the tests by its name; a difference
that is not expected is a mistake in one of the two or in our reading of Redfish.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from provisioning.bmc import Bmc, BmcRefused, BmcTlsRefused, BmcUnsupported, Fleet, Permit, SystemState
from provisioning.bmc.power import Marker, decide
from tests.provisioning.bmc import peers
from tests.provisioning.bmc.peers import Peer

pytestmark = pytest.mark.workers
PERMIT = Permit(intent_id=4711)
# The emulator's power follows a request after 1 to 11 s, and any machine can be slow.
SETTLES_WITHIN_S = 120
LACKS = {
    "emulator": {"firmware", "bios", "sel", "sessions", "bmc_reset"},
    "simulator": set(),
}
PARTS = {
    "emulator": {"cpus": 0, "dimms": 0, "drives": 1, "gpus": 0, "nvswitches": 0, "hcas": 0, "nics": 1, "psus": 0},
    "simulator": {"cpus": 2, "dimms": 32, "drives": 10, "gpus": 8, "nvswitches": 4, "hcas": 8, "nics": 2, "psus": 6},
}


@pytest.fixture(scope="module", params=sorted(peers.START))
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A running server."""
    server = peers.START[request.param](tmp_path_factory.mktemp(request.param))
    yield server
    server.stop()


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """The driver; logs out at the end, so that no test fills the table of sessions."""
    driver = Fleet(call_timeout_s=60)
    yield driver
    await driver.close()


@pytest.fixture
def bmc(peer: Peer, fleet: Fleet) -> Bmc:
    """The peer's first BMC."""
    return fleet.bmc(peer.target)


async def until(look: Callable[[], Awaitable[Any]], wanted: Callable[[Any], bool]) -> Any:
    """Look until it is so, at most SETTLES_WITHIN_S."""
    loop = asyncio.get_running_loop()
    end = loop.time() + SETTLES_WITHIN_S
    while not wanted(found := await look()):
        assert loop.time() < end, f"not in time; last seen {found}"
        await asyncio.sleep(0.2)
    return found


async def bring(bmc: Bmc, power: str) -> SystemState:
    """The host on or off, by the power function and one request at most."""
    want = "on" if power == "On" else "off"
    state = await until(bmc.system, lambda seen: decide(seen, want).do != "wait")
    decision = decide(state, want)
    if decision.do == "send":
        await bmc.reset(PERMIT, decision.reset)
    return await until(bmc.system, lambda seen: seen.power == power)


async def test_first_contact(peer, fleet):
    bmc = fleet.bmc(replace(peer.target, fingerprint=None))
    found = await bmc.first_contact()
    assert found.fingerprint == peer.target.fingerprint
    assert found.uuid and found.redfish and bmc.requests == 1
    assert found.vendor == (None if peer.name == "emulator" else "Dell")


async def test_another_certificate_is_refused(peer, fleet):
    with pytest.raises(BmcTlsRefused) as caught:
        await fleet.bmc(replace(peer.target, fingerprint="12" * 32)).system()
    assert caught.value.code == "certificate_changed"


async def test_a_wrong_password_is_refused(peer, fleet):
    with pytest.raises(BmcRefused) as caught:
        await fleet.bmc(replace(peer.target, password="not-this")).system()
    assert caught.value.code == "bad_credentials"


async def test_login(peer, bmc):
    """The emulator has no SessionService: Basic auth."""
    await bmc.system()
    assert (bmc.session is None) == (peer.name == "emulator")


async def test_a_session_goes_from_process_to_process(peer, bmc):
    if peer.name == "emulator":
        assert bmc.session is None
        return
    await bmc.system()
    heir = Fleet(call_timeout_s=60)
    taken = heir.bmc(replace(peer.target, session=bmc.session))
    await taken.system()
    assert taken.session == bmc.session and taken.requests == 2
    assert len(await taken.sessions()) == 1
    await heir.close()
    await bmc.system()
    assert bmc.session is not None and bmc.session != taken.session


async def test_identity(peer, bmc):
    found = await bmc.identity()
    assert found.uuid and found.boot_macs and found.bmc_firmware
    if peer.name == "simulator":
        assert (found.tag, found.model) == ("7XK2LM4", "PowerEdge XE9680")
        assert found.serial != found.tag and found.bmc_mac


async def test_system(bmc):
    found = await bmc.system()
    assert found.power in ("On", "Off", "PoweringOn", "PoweringOff")
    assert {"On", "ForceOff", "ForceRestart"} <= set(found.reset_kinds)
    assert {"Pxe", "UefiHttp", "Hdd"} <= set(found.boot_targets)
    assert found.health == "ok" and found.override.mode == "UEFI"


async def test_ready_and_health(bmc):
    await bmc.ready()
    found = await bmc.health(psus=True)
    assert (found.overall, found.processors, found.memory) == ("ok", "ok", "ok")


async def test_watch(peer, bmc):
    """The emulator lists no sensors: there the system's own word counts."""
    await bring(bmc, "On")
    found = await bmc.watch()
    assert (found.power, found.health) == ("On", "ok")
    kinds = Counter(sensor.kind for sensor in found.sensors)
    assert kinds == (
        {} if peer.name == "emulator" else {"inlet": 1, "temperature": 11, "fan": 16, "psu": 6, "other": 1}
    )
    if found.sensors:
        assert 20 <= next(s.reading for s in found.sensors if s.kind == "inlet") <= 27
    await bring(bmc, "Off")
    assert (await bmc.watch()).power == "Off"


async def test_power(peer, bmc):
    await bring(bmc, "Off")
    before = await bring(bmc, "On")
    await bmc.reset(PERMIT, "On")  # is on: no error
    await bmc.reset(PERMIT, "ForceRestart")
    after = await until(bmc.system, lambda seen: decide(seen, "restart", Marker(before.last_reset_at)).do != "wait")
    done = decide(after, "restart", Marker(before.last_reset_at)).do
    # The emulator reports no last reset, so that a restart is not proven there.
    assert done == ("unknown" if peer.name == "emulator" else "done")
    await bring(bmc, "Off")
    await bmc.reset(PERMIT, "ForceOff")


async def test_an_unknown_reset_is_refused(peer, bmc):
    """iDRAC says 400, the emulator 501."""
    with pytest.raises(BmcUnsupported if peer.name == "emulator" else BmcRefused):
        await bmc.reset(PERMIT, "Fly")  # type: ignore[arg-type]


@pytest.mark.parametrize("target", ["Pxe", "Hdd", "UefiHttp"])
async def test_boot_override_is_read_back(peer, bmc, target):
    """The emulator makes Pxe of UefiHttp without a URI, and Continuous of Once."""
    await bmc.set_boot_once(PERMIT, target)
    found = (await bmc.system()).override
    if peer.name == "emulator":
        assert (found.enabled, found.target) == ("Continuous", "Pxe" if target == "UefiHttp" else target)
    else:
        assert (found.enabled, found.target) == ("Once", target)


async def test_boot_override_is_cleared(peer, bmc):
    await bmc.set_boot_once(PERMIT, "None")
    expected = ("Continuous", "None") if peer.name == "emulator" else ("Disabled", "None")
    found = (await bmc.system()).override
    assert (found.enabled, found.target) == expected


async def test_http_boot(peer, bmc):
    """The emulator fetches the URI at once and only together with the target: it takes ours and forgets it."""
    await bring(bmc, "Off")
    uri = "http://127.0.0.1:9/boot/u/one-time-uri-token-of-64/ipxe.efi"
    await bmc.set_http_boot(PERMIT, uri, "" if peer.name == "emulator" else "NIC.Slot.39-1-1")
    found = await bmc.http_boot()
    if peer.name == "emulator":
        assert found.pending_uri is None
    else:
        assert (found.pending_uri, found.pending_enabled) == (uri, True)
        assert found.pending_interface == "NIC.Slot.39-1-1"


async def test_lamp(bmc):
    for on in (True, False):
        await bmc.set_led(PERMIT, on)
        assert await bmc.led() is on


async def test_clock(peer, bmc):
    """The emulator shows the local time as UTC until it is set."""
    await bmc.set_clock(PERMIT, datetime.now(UTC) + timedelta(hours=3))
    assert (await bmc.clock()).offset_s == pytest.approx(3 * 3600, abs=300)
    await bmc.set_clock(PERMIT, datetime.now(UTC))
    assert (await bmc.clock()).offset_s == pytest.approx(0, abs=300)


async def test_inventory(peer, bmc):
    found = await bmc.inventory()
    assert {name: len(getattr(found, name)) for name in PARTS[peer.name]} == PARTS[peer.name]
    assert found.unread == (("cpus", "dimms", "hcas", "pcie", "psus") if peer.name == "emulator" else ())
    assert all(row.present and row.health == "ok" for row in (*found.gpus, *found.dimms, *found.drives, *found.hcas))
    assert len({row.node_guid for row in found.hcas}) == len(found.hcas)
    assert {(row.pcie_width, row.pcie_gen) for row in (*found.gpus, *found.hcas)} <= {(16, 5)}
    assert all(row.serial for row in (*found.gpus, *found.hcas, *found.dimms))


@pytest.mark.parametrize("name", ["firmware", "bios", "sel", "sessions", "bmc_reset"])
async def test_what_only_a_whole_bmc_has(peer, bmc, name):
    values = (PERMIT,) if name == "bmc_reset" else ()
    if name in LACKS[peer.name]:
        with pytest.raises(BmcUnsupported):
            await getattr(bmc, name)(*values)
    elif name != "bmc_reset":  # it would be away for the tests that follow
        assert await getattr(bmc, name)(*values)


async def test_console(peer, bmc):
    if peer.name == "emulator":
        assert await bmc.console_tail() == ()
        return
    await bring(bmc, "Off")
    await bring(bmc, "On")
    await until(bmc.console_tail, bool)


async def test_what_is_not_there(bmc):
    with pytest.raises(BmcUnsupported) as caught:
        await bmc.channel.document("/redfish/v1/Nowhere", "look for nothing")
    assert (caught.value.code, caught.value.status) == ("not_found", 404)


async def test_every_write_is_in_the_journal_with_its_intent(peer, bmc):
    if peer.name == "emulator":
        assert peer.journal is None
        return
    await bmc.set_led(PERMIT, True)

    async def intents() -> set[tuple[str, str]]:
        rows = [json.loads(line) for line in peer.journal.read_text().splitlines() if line.endswith("}")]
        return {(row["path"], row["intent"]) for row in rows if row["event"] == "request" and row["changes"]}

    wanted = ("/redfish/v1/Chassis/System.Embedded.1", str(PERMIT.intent_id))
    await until(intents, lambda seen: wanted in seen)
    assert {intent for _, intent in await intents()} == {str(PERMIT.intent_id)}


async def test_requests_stay_in_the_budget(peer, bmc):
    """Warm, so that discovery and login are paid; the emulator cannot expand and has little to list."""
    await bmc.system()
    budget = {"identity": 3, "system": 1, "ready": 1, "clock": 1, "health": 1, "http_boot": 2, "led": 1}
    if peer.name == "simulator":
        budget.update({"inventory": 20, "firmware": 1, "bios": 1, "sel": 1, "console_tail": 1})
    else:
        budget["identity"] = 4  # its one port is a second call
    for name, most in budget.items():
        before = bmc.requests
        await getattr(bmc, name)()
        assert bmc.requests - before <= most, name
