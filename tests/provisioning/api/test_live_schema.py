"""Schemathesis on the running API: nothing that is sent is answered by a 5xx, or by what the document does not say."""

from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from fleet import findings, holds
from fleet.findings import Found
from fleet.models import CableEnd, Evidence, Finding, Part, PartMove, PlanVersion, Port, Token, Transition
from tests.support import make, people

pytestmark = pytest.mark.api

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
GENERATION = {
    "deadline": None,
    "derandomize": True,
    "database": None,
    "phases": [Phase.generate],
    "suppress_health_check": list(HealthCheck),
}
EXAMPLES, EXAMPLES_OF_AN_ID = 10, 3


@pytest.fixture
def real_ids(real_db):
    """Something of every noun, so that a real id can be sent."""
    actor = make.actor()
    hosts = make.hosts(4, "cabled") + make.hosts(4, "installed")
    states = ("queued", "active", "failed", "lost", "succeeded")
    operations = [make.operation("power", make.host("installed"), state=state) for state in states]
    Evidence.objects.create(at=operations[0].asked_at, kind="inventory", device_id=hosts[0].pk)
    body = {"kind": "bring_up", "select": {"state": "cabled"}, "reason": "bring up"}
    campaign = people.program().post("/campaigns", body).json()
    retire = {"host": hosts[7].pk, "to": "quarantined", "reason": "scrap it"}
    people.program("operator").post("/transitions", retire)
    act = people.program("admin").post("/transitions", {**retire, "to": "retired"}).json()
    kinds = ("fan", "psu", "outcome_unknown")
    findings.open([Found("operation", kind, "info", "x", hosts[0].pk) for kind in kinds])
    port = Port.objects.create(device=hosts[0], name="mlx5_0")
    cable = make.subject("cable", "planned")
    CableEnd.objects.create(cable_id=cable, end="a", port=port)
    part = Part.objects.create(kind="gpu", serial="G1", device=hosts[0], slot="1")
    PartMove.objects.create(part=part, to_device=hosts[0], actor=actor)
    plan = PlanVersion.objects.create(sha256="5e" * 32, actor=actor)
    chat = {"name": "chat", "channel": "chat", "target": "http://127.0.0.1:1/"}  # nobody listens there
    rule = people.program("admin").post("/rules", chat).json()
    hold = holds.place(device_id=hosts[0].pk, kind="debug", reason="look at it", actor=actor)
    return {
        "hosts": [h.pk for h in hosts],
        "operations": [o.pk for o in operations],
        "campaigns": [campaign["id"]],
        "evidence": [Evidence.objects.get().pk],
        "holds": [hold.pk],
        "rules": [rule["id"]],
        "devices": [hosts[0].pk],
        "ports": [port.pk],
        "cables": [cable],
        "parts": [part.pk],
        "plans": [plan.pk],
        "incidents": [make.subject("incident", "open")],
        "tokens": [Token.objects.latest("id").pk],
        "transitions": [Transition.objects.earliest("id").pk],
        "acts": [act["id"]],
        "findings": [f.pk for f in Finding.objects.all()],
    }


def run(operation, base_url, headers, mode, *, examples, **fixed):
    """Send what the schema allows, or what it does not; returns the statuses of the answers."""
    statuses = Counter()

    @settings(max_examples=examples, **GENERATION)
    @given(case=operation.as_strategy(generation_mode=mode, **fixed))
    def send(case):
        response = case.call(base_url=base_url, headers=headers)
        if b"Request Line is too large" in response.content:
            return  # an address of more than 4 kB does not reach us: the web server refuses it
        case.validate_response(response, checks=CHECKS)
        statuses[response.status_code] += 1

    send()
    return statuses


def test_nothing_that_is_sent_breaks_it_or_is_answered_off_the_document(real_ids, site):
    owner = people.person("admin")
    schema = schemathesis.openapi.from_url(f"{site.url}/api/v1/openapi.json")
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 20
    seen = Counter()
    for operation in operations:  # each with a token of its own: one of them revokes tokens
        headers = {"Authorization": f"Bearer {people.program('admin', owner=owner).token}"}
        for mode in GenerationMode.POSITIVE, GenerationMode.NEGATIVE:
            seen += run(operation, site.url, headers, mode, examples=EXAMPLES)
        for pk in real_ids[operation.path.split("/")[3]] if "{id}" in operation.path else ():
            fixed = {"examples": EXAMPLES_OF_AN_ID, "path_parameters": {"id": pk}}
            seen += run(operation, site.url, headers, GenerationMode.POSITIVE, **fixed)
    print(seen)
    assert {200, 202, 404, 409, 422} <= set(seen), seen
