"""What each page and endpoint costs in queries: written down, and the same for 10 hosts as for 300 (lessons M39)."""

import json
import re
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from fleet import holds
from fleet.models import (
    Cable,
    CableEnd,
    Evidence,
    Finding,
    Notice,
    NoticeRule,
    Part,
    PartMove,
    PlanVersion,
    Port,
    Review,
    Transition,
)
from provisioning.engine import act, blast, campaign, verbs
from provisioning.models import Intent, Operation, Step
from tests.support import make, people, routes

FILE = Path(__file__).parents[1] / "query_counts.json"
GETS = [e for e in routes.endpoints() if e.method == "GET" and e.act == "read"]
# An export reads on in pieces while it is being taken.
PAGES = [p for p in routes.pages() if p.act == "read" and p.name != "audit_export"]
FEW, MANY = 10, 300


def fleet(n):
    """A fleet of n hosts that all have something to show; returns one of each noun."""
    hosts = make.hosts(n, "cabled")
    actor, now = make.actor(), timezone.now()
    asked = {"select": {"state": "cabled"}, "params": {}, "at_once": None, "actor": actor, "reason": "all"}
    made = campaign.create(kind="bring_up", devices=hosts, **asked)
    seen = Evidence.objects.create(at=now, kind="inventory", device_id=hosts[0].pk)
    for host in hosts[: min(n, 50)]:
        part = Part.objects.create(kind="gpu", serial=f"GPU{host.pk}", device=host, slot="1")
        PartMove.objects.create(part=part, to_device=hosts[0], actor=actor)
        text = {"stable_id": str(host.pk), "domain": "x", "kind": "x", "severity": "info", "words": "x"}
        Finding.objects.create(**text, device=host, evidence=[seen.pk])
        holds.place(device_id=host.pk, kind="debug", reason="look at it", actor=actor)
    operation = Operation.objects.filter(campaign=made, device=hosts[0]).earliest("id")
    common = {"operation": operation, "attempt": 1, "fence": 1}
    for _ in range(n):
        Step.objects.create(**common, n=0, name="contact", started_at=now, ended_at=now, outcome="retry")
        Intent.objects.create(**common, step=0, device=hosts[0], what="reset", at=now)
    facts = blast.facts(h.pk for h in hosts)
    plan = blast.plan(verb=verbs.verb("move.retired"), params={}, hosts=facts, role="L")
    waits = act.make(plan=plan, how={"filters": {"state": "cabled"}}, actor=actor)
    Review.objects.filter(pk=waits.pk).update(asked_at=now, hosts=[h.pk for h in hosts])
    port = Port.objects.create(device=hosts[0], name="mlx5_0")
    cable = make.subject("cable", "planned")
    CableEnd.objects.create(cable_id=cable, end="a", port=port)
    plan = PlanVersion.objects.create(sha256="x", actor=actor)
    inventory = {"ports": port.pk, "cables": cable, "plans": plan.pk, "devices": hosts[0].pk}
    inventory |= {"parts": Part.objects.earliest("id").pk, "findings": Finding.objects.earliest("id").pk}
    rule = NoticeRule.objects.create(name="x", channel="chat", target="https://x/…", changed_by=actor)
    for told in Finding.objects.all():
        Notice.objects.create(rule=rule, finding=told, why="opened")
    inventory["rules"] = rule.pk
    inventory["incidents"] = make.subject("incident", "open")
    inventory["transitions"] = Transition.objects.earliest("id").pk
    inventory["incidents"] = make.subject("incident", "open")
    label = Cable.objects.get(pk=cable).label
    return {
        "cable": label,
        "switch": make.switch().name,
        "serial": f"GPU{hosts[0].pk}",
        "inventory": inventory,
        "act": waits,
        "host": hosts[0],
        "operation": operation,
        "campaign": made,
        "evidence": seen,
    }


def count(get, path):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        answer = get(path)
        text = answer.getvalue()  # all of it, also of what is streamed
    assert answer.status_code in (200, 302), text
    return sum(1 for q in queries if not q["sql"].startswith(("SAVEPOINT", "RELEASE")))


def counts(n):
    """Queries of every page and endpoint on a fleet of n hosts."""
    one = fleet(n)
    of = {"hosts": one["host"].pk, "operations": one["operation"].pk, "campaigns": one["campaign"].pk}
    of |= {"evidence": one["evidence"].pk, "acts": one["act"].code}
    of |= one["inventory"]
    names = {"name": one["host"].name, "label": one["cable"], "serial": one["serial"], "code": one["cable"]}
    names_of = {"switches": {**names, "name": one["switch"]}, "act": {**names, "code": one["act"].code}}
    client, program, found = people.signed_in("operator"), people.program("operator"), {}
    for page in PAGES:
        noun = page.route.split("/")[1]
        path = routes.filled(page.route, id=of.get(noun), **names_of.get(noun, names))
        found[f"page {page.route}"] = count(client.get, path)
        if poll := re.search(r'hx-get="([^"]+)"', client.get(path).getvalue().decode()):
            address = poll.group(1).replace("&amp;", "&")
            found[f"poll {page.route}, nothing new"] = count_poll(client, address)
    found["page /hosts/ filtered"] = count(client.get, "/hosts/?state=cabled")
    found["page /hosts/ by cause"] = count(client.get, "/hosts/?group=cause")
    for endpoint in GETS:
        path = endpoint.at(of.get(endpoint.path.split("/")[1]))
        found[f"api GET {endpoint.path}"] = count(program.get, path)
    found["api GET /hosts/{id}?at="] = count(
        lambda path: program.get(path, at=timezone.now().isoformat()), f"/hosts/{of['hosts']}"
    )
    return dict(sorted(found.items()))


def count_poll(client, address):
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    return len(queries)


@pytest.mark.parametrize("n", [FEW, MANY])
def test_queries_are_as_written_down_whatever_the_number_of_hosts(db, n):
    found = counts(n)
    assert found == json.loads(FILE.read_text()), f"when that is meant, write it down: {json.dumps(found)}"


def test_pages_and_polls_keep_their_budget():
    for name, queries in json.loads(FILE.read_text()).items():
        assert queries <= (4 if name.startswith("poll") else 12), name
