"""The other way round: a client of many years, sushy, drives the simulator. It must find nothing odd there."""

from collections.abc import Iterator

import pytest
import sushy

from tests.provisioning.bmc import peers
from tests.provisioning.bmc.peers import Peer
from tests.support.waiting import eventually

pytestmark = [pytest.mark.workers, pytest.mark.filterwarnings("ignore::urllib3.exceptions.InsecureRequestWarning")]
SETTLES_WITHIN_S = 120


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """A running simulator."""
    server = peers.start_simulator(tmp_path_factory.mktemp("simulator"))
    yield server
    server.stop()


@pytest.fixture
def connection(simulator: Peer) -> Iterator[sushy.Sushy]:
    """sushy, logged in with a session."""
    auth = sushy.auth.SessionAuth(username=peers.USER, password=peers.PASSWORD)
    found = sushy.Sushy(simulator.target.base_url, auth=auth, verify=False)
    yield found
    auth.close()


@pytest.fixture
def host(connection: sushy.Sushy):
    """The one system."""
    return connection.get_system(connection.get_system_collection().members_identities[0])


def power(host, wanted) -> None:
    def is_there() -> bool:
        host.refresh(force=True)
        return host.power_state == wanted

    eventually(is_there, within_s=SETTLES_WITHIN_S, every_s=0.2)


def test_login_and_identity(connection, host):
    assert connection.get_session_service().service_enabled
    assert (host.sku, host.manufacturer, host.identity) == ("7XK2LM4", "Dell Inc.", "System.Embedded.1")


def test_power(host):
    if host.power_state == sushy.PowerState.ON:
        host.reset_system(sushy.ResetType.FORCE_OFF)
    power(host, sushy.PowerState.OFF)
    host.reset_system(sushy.ResetType.ON)
    power(host, sushy.PowerState.ON)
    host.reset_system(sushy.ResetType.FORCE_OFF)
    power(host, sushy.PowerState.OFF)


@pytest.mark.parametrize("target", [sushy.BootSource.PXE, sushy.BootSource.HDD, sushy.BootSource.UEFI_HTTP])
def test_boot(host, target):
    host.set_system_boot_options(target=target, enabled=sushy.BootSourceOverrideEnabled.ONCE)
    host.refresh(force=True)
    assert (host.boot.target, host.boot.enabled) == (target, sushy.BootSourceOverrideEnabled.ONCE)
    assert host.boot.mode == sushy.BootSourceOverrideMode.UEFI


def test_parts_and_bios(connection, host):
    assert len(host.processors.get_members()) == 10
    assert len(host.ethernet_interfaces.summary) == 2
    assert host.bios.attributes["BootMode"] == "Uefi"
    manager = connection.get_manager(connection.get_manager_collection().members_identities[0])
    assert manager.firmware_version
