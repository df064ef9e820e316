"""The NoCloud seed: three documents for the machine that is being installed, and for nobody else."""

import pytest
import yaml

from fleet.models import Network
from provisioning.boot.seed import NAMES
from provisioning.models import BootRequest
from tests.provisioning.boot.machine import ORDERS, close_window
from tests.provisioning.boot.test_agent import is_refused


@pytest.fixture
def url(machine, monkeypatch) -> str:
    """The address that the orders named, below /boot/."""
    monkeypatch.setitem(ORDERS["install"], "hostname", "host-001")
    machine.window().__class__.objects.filter(pk=machine.window().pk).update(orders=ORDERS["install"])
    seed = machine.get("orders", session=machine.session()).json()["seed"]["url"]
    machine.keep(seed.rstrip("/").rpartition("/")[2])
    return seed.partition("/boot/")[2]


def document(machine, url: str, name: str):
    answer = machine.get(f"{url}{name}")
    assert answer.status_code == 200
    return yaml.safe_load(answer.content)


def test_says_who_the_system_is(machine, url):
    meta = document(machine, url, "meta-data")
    assert meta["local-hostname"] == "host-001"
    assert meta["instance-id"].endswith(f"-{machine.operation.pk}"), "another one at each install"


def test_configures_time_name_and_host_key(machine, url):
    Network.objects.filter(address__device=machine.host).update(ntp="ntp1 192.0.2.9", domain="fleet.internal")
    user = document(machine, url, "user-data")
    assert (user["hostname"], user["fqdn"]) == ("host-001", "host-001.fleet.internal")
    assert user["ntp"] == {"enabled": True, "servers": ["ntp1", "192.0.2.9"]}
    assert user["ssh_genkeytypes"] == ["ed25519"] and user["ssh_pwauth"] is False


def test_of_a_network_without_time_servers_leaves_them_out(machine, url):
    Network.objects.update(ntp="", domain="")
    user = document(machine, url, "user-data")
    assert "ntp" not in user and "fqdn" not in user


def test_user_data_begins_as_cloud_init_wants(machine, url):
    for name in ("user-data", "vendor-data"):
        assert machine.get(f"{url}{name}").content.startswith(b"#cloud-config\n")


@pytest.mark.parametrize("name", NAMES)
def test_each_request_is_on_record(machine, url, name):
    machine.get(f"{url}{name}")
    found = BootRequest.objects.latest("id")
    assert (found.endpoint, found.operation_id, found.words) == ("seed", machine.operation.pk, f"fetched {name}")


def test_there_is_nothing_else(machine, url):
    assert machine.get(f"{url}network-config").status_code == 404


@pytest.mark.parametrize("name", NAMES)
def test_without_its_token_or_after_the_window_there_is_nothing(machine, url, name):
    assert is_refused(machine.get(f"seed/guessed/{name}"))
    close_window(machine)
    assert is_refused(machine.get(f"{url}{name}"))


def test_new_orders_kill_the_older_seed(machine, url):
    machine.get("orders", session=machine.told[1])
    assert is_refused(machine.get(f"{url}meta-data"))
