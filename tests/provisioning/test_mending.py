"""A host that failed is mended by hands and tried again: it goes on where it failed, into service."""

import pytest

from fleet.models import Device
from provisioning.engine import ask
from provisioning.models import Operation
from tests.provisioning.engine.test_campaign import begin
from tests.support import lab as labs
from tests.support import make
from tests.support.lab import Lab
from tests.support.waiting import eventually


def sim(lab: Lab, *words: str) -> int:
    """The exit code of `manage.py sim ...`."""
    return int(lab.database.manage("sim", *words, env={"MUSTER_SIM_CONTROL": lab.control}).wait(60))


def stands(lab: Lab, state: str) -> None:
    def there() -> bool:
        lab.nudge()
        return Device.objects.get(kind="host").state == state

    eventually(there, within_s=240)


@pytest.mark.parametrize("fault", ["gpu_missing", "disk_readonly"])
def test_a_host_that_is_mended_and_retried_goes_into_service(real_db, fault):
    lab = labs.start(real_db, hosts=1, faults={"host-001": fault})
    begin("bring_up", {"hosts": ["host-001"]}, reason="new rack")
    lab.worker()
    stands(lab, "quarantined")
    failed = Operation.objects.get(state="failed")
    assert sim(lab, "fix", "host-001", "psu_dead") == 2, "it has another fault"
    assert sim(lab, "fix", "host-002") == 2, "there is no such host"
    assert sim(lab, "fix", "host-001") == 0
    ask.retry(operation_id=failed.pk, actor=make.actor("O", "Ann"), reason="part replaced")
    stands(lab, "in_service")
    assert not Operation.objects.exclude(state="succeeded").exists()


def test_a_host_can_be_broken_too_and_a_fault_that_is_not_there_is_refused(real_db):
    lab = labs.start(real_db, hosts=1)
    assert sim(lab, "break", "host-001", "haunted") == 2
    assert sim(lab, "break", "host-001", "psu_dead") == 0
    assert labs.ask(f"{lab.control}/truth")["host-001"]["fault"] == "psu_dead"
    assert lab.database.manage("sim", "fix", "host-001", env={"MUSTER_SIM_CONTROL": ""}).wait(60) == 2
    assert "no simulator" in lab.database.output()
