"""A small fleet with something of every kind to show, for looking at pages: by a browser's test and by a camera."""

from dataclasses import dataclass

from django.utils import timezone

from fleet import holds
from fleet.models import Device, Evidence, Finding
from provisioning.models import Operation, Step
from tests.support import make, people

PASSWORD = "long enough for anyone"


@dataclass(frozen=True)
class Scene:
    """What stands on the scene, and the name by which somebody who may act signs in."""

    name: str
    host: Device
    operation: Operation
    campaign: int

    def paths(self) -> dict[str, str]:
        """Addresses to look at, by a word for each."""
        return {
            "now": "/",
            "hosts": "/hosts/",
            "host": f"/hosts/{self.host.name}/",
            "campaigns": "/campaigns/?state=cabled",
            "campaign": f"/campaigns/{self.campaign}/",
            "operation": f"/operations/{self.operation.pk}/",
            "refused": "/hosts/?state=happy",
            "nothing": "/nothing",
        }


def build() -> Scene:
    """Make it, committed for real."""
    host = make.host("quarantined", name="host-bad", cause="part_missing", health="critical")
    seen = Evidence.objects.create(at=timezone.now(), kind="inventory", device_id=host.pk, words="GPU 4 is gone")
    words = {"domain": "inventory", "kind": "part_missing", "severity": "critical", "words": "GPU 4 is gone"}
    Finding.objects.create(stable_id="x", device=host, evidence=[seen.pk], **words)
    holds.place(device_id=host.pk, kind="hands", reason="swap the GPU", actor=make.actor())
    make.hosts(12, "cabled")
    body = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "bring them up"}
    campaign = people.program().post("/campaigns", body).json()
    operation = make.operation("inspect", make.host("discovered"), state="active", waits_for="the BMC")
    now, common = timezone.now(), {"operation": operation, "fence": 1, "name": "check"}
    Step.objects.create(**common, n=0, attempt=1, started_at=now, ended_at=now, outcome="retry", words="no answer")
    user = people.person("operator")
    user.set_password(PASSWORD)
    user.save()
    return Scene(user.username, host, operation, campaign["id"])
