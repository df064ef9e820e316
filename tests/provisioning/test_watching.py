"""Somebody watches: what breaks in a host that serves is found through its BMC, and is over when it is mended."""

from fleet.models import Device, Evidence, Finding
from tests.provisioning.engine.test_campaign import begin
from tests.provisioning.test_mending import sim
from tests.support import lab as labs
from tests.support.lab import Lab
from tests.support.waiting import eventually

SWEEP = """
import asyncio
from provisioning.engine import sweep, turn
pump = turn.pump()
done = asyncio.run_coroutine_threadsafe(sweep.run(pump, every_s=0), pump.loop).result(120)
asyncio.run_coroutine_threadsafe(pump.bmcs.close(logout=False), pump.loop).result(20)
print("looked at", done)
"""


def looked(lab: Lab) -> dict[str, str]:
    """Look at every host, in a process of its own: name of each host with an open finding, and its kind."""
    assert lab.database.manage("shell", "-v", "0", "-c", SWEEP).wait(180) == 0, lab.database.output()
    return dict(Finding.objects.filter(closed_at=None).values_list("device__name", "kind"))


def test_what_breaks_in_service_is_found_and_over_when_mended(real_db):
    lab = labs.start(real_db, hosts=3)
    begin("bring_up", {"state": "cabled"}, reason="new rack")
    worker = lab.worker()

    def serve() -> bool:
        lab.nudge()
        return Device.objects.filter(kind="host", state="in_service").count() == 3

    eventually(serve, within_s=240)
    worker.terminate()
    worker.wait(60)
    before = lab.stats()["by_bmc"]
    assert looked(lab) == {}
    after = lab.stats()["by_bmc"]
    assert {after[name] - before[name] for name in after} == {2}, "the root, which a new process reads once, and a look"
    assert sim(lab, "break", "host-001", "psu_dead") == sim(lab, "break", "host-002", "inlet_hot") == 0
    assert looked(lab) == {"host-001": "psu_out", "host-002": "inlet_hot"}
    assert Device.objects.get(name="host-001").health == "warning"
    assert sim(lab, "fix", "host-001") == sim(lab, "fix", "host-002") == 0
    assert looked(lab) == {} and Device.objects.get(name="host-001").health == "ok"
    assert Evidence.objects.filter(kind="sweep").count() == 3 + 2 + 2, "each change, and once where nothing changed"
    assert lab.stats()["violations"] == 0
