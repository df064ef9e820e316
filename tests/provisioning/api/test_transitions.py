"""Hosts are moved by the API: who may, what it answers, and acts that wait for a second person."""

from datetime import timedelta
from io import StringIO

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.utils import timezone

from fleet.models import Device, Grant, Review, Site, Token, Transition
from provisioning.models import Operation
from tests.support import make, people

WHY = "the slot was wrong"


def move(program, **body):
    return program.post("/transitions", {"reason": WHY, **body})


def state_of(host):
    return Device.objects.values_list("state", flat=True).get(pk=host.pk)


def retire(program, *hosts):
    """Somebody asks for it; the number that waits."""
    answer = move(program, hosts=[h.name for h in hosts], to="retired")
    assert answer.status_code == 202, answer.content
    return answer.json()["id"]


def confirm(program, number):
    return program.post(f"/acts/{number}/confirm", "")


@pytest.mark.parametrize("by", ["name", "pk"])
def test_one_host_gives_its_transition(db, by):
    host = make.host("cabled")
    answer = move(people.program("technician"), host=getattr(host, by), to="racked")
    assert answer.status_code == 201
    row = answer.json()
    assert (row["subject_id"], row["from_state"], row["to_state"], row["reason"]) == (host.pk, "cabled", "racked", WHY)
    assert (row["role"], row["actor"][:7]) == ("T", "program")
    assert state_of(host) == "racked"


def test_many_hosts_give_all_theirs(db):
    hosts = make.hosts(3, "quarantined")
    answer = move(people.program("operator"), hosts=[h.name for h in hosts], to="burned_in")
    assert answer.status_code == 201
    assert [t["subject_id"] for t in answer.json()["transitions"]] == [h.pk for h in hosts]


def test_the_same_key_moves_once(db):
    host, program = make.host("cabled"), people.program("technician")
    body = {"host": host.name, "to": "racked", "reason": WHY}
    first, again = (program.post("/transitions", body, key="one-key-for-both") for _ in range(2))
    assert (first.status_code, first.json()) == (again.status_code, again.json()) == (201, first.json())
    assert Device.objects.get(pk=host.pk).seq == 2
    assert program.post("/transitions", {**body, "to": "cabled"}, key="one-key-for-both").status_code == 422


def test_the_edge_decides_in_which_role_somebody_moves_it(db):
    program = people.program("technician")
    token = Token.objects.latest("id")
    Grant.objects.create(token=token, role="operator")
    Grant.objects.create(token=token, role="admin")
    seen = []
    for start, to in (("received", "racked"), ("quarantined", "cabled"), ("repair_vendor", "quarantined")):
        seen.append(move(program, host=make.host(start).name, to=to).json()["role"])
    assert seen == ["T", "O", "T"]


@pytest.mark.parametrize(
    ("role", "body", "status", "words"),
    [
        ("technician", {"to": "in_service"}, 409, "needs the role operator or scheduler"),
        ("operator", {"to": "discovered"}, 409, "nobody may move it to discovered"),
        ("operator", {"to": "quarantined", "force": True}, 403, "may not force"),
        ("admin", {"to": "racked", "force": True}, 422, "nothing is forced to racked"),
        ("viewer", {"to": "racked"}, 403, "may not move hosts"),
        ("operator", {"to": "happy"}, 422, "one of expected"),
        ("operator", {"to": "in_service", "reason": "  "}, 422, "reason"),
        ("operator", {"to": "in_service", "host": "host-x"}, 404, "there is no host host-x"),
        ("operator", {"to": "in_service", "hosts": ["host-a"]}, 422, "exactly one of host, hosts and select"),
    ],
)
def test_refusals_in_words(db, role, body, status, words):
    host = make.host("validated", name="host-a")
    answer = move(people.program(role), **{"host": host.name, **body})
    assert answer.status_code == status, answer.content
    assert words in str(answer.json()["title"])
    assert state_of(host) == "validated"


def test_every_refused_host_is_listed_with_where_it_may_go(db):
    good, bad = make.host("validated"), make.host("draining")
    answer = move(people.program("scheduler"), hosts=[good.name, bad.name, make.host("cabled").name], to="in_service")
    assert answer.status_code == 409
    (error,) = answer.json()["errors"]
    assert error["expected"] == "from there the role scheduler may move it to: nowhere"
    assert (state_of(good), state_of(bad)) == ("validated", "draining")


def test_a_site_is_a_limit(db):
    there = Site.objects.create(name="elsewhere")
    host = make.host("cabled", site=there)
    answer = move(people.program("technician", site=make.site()), host=host.name, to="racked")
    assert answer.status_code == 403
    assert move(people.program("technician", site=there), host=host.name, to="racked").status_code == 201


def test_no_role_alone_holds_at_all_these_sites(db):
    there = Site.objects.create(name="elsewhere")
    program = people.program("operator", site=there)
    Grant.objects.create(token=Token.objects.latest("id"), role="technician", site=make.site())
    hosts = [make.host("cabled").name, make.host("cabled", site=there).name]
    answer = move(program, hosts=hosts, to="racked")
    assert answer.status_code == 403
    assert answer.json()["hint"] == "go site by site"


def test_an_admin_forces_what_runs(db):
    operation = make.operation("power", make.host("in_service"), state="active")
    name = Device.objects.get(pk=operation.device_id).name
    assert move(people.program("admin"), host=name, to="quarantined").status_code == 409
    assert move(people.program("admin"), host=name, to="quarantined", force=True).status_code == 201
    assert Operation.objects.get(pk=operation.pk).state == "cancelled"


def test_an_admin_ends_what_runs_on_a_host_that_is_quarantined_already(db):
    operation = make.operation("identify", make.host("quarantined"), state="active")
    answer = move(people.program("admin"), host=operation.device_id, to="quarantined", force=True)
    assert (answer.status_code, answer.json()) == (201, {"transitions": []})
    assert Operation.objects.get(pk=operation.pk).state == "cancelled"


class TestSecondPerson:
    """Retirement: an admin asks, another person confirms, within the hour."""

    def test_two_persons_retire_hosts_and_both_are_on_record(self, db):
        hosts = make.hosts(2, "quarantined")
        admin, operator = people.program("admin"), people.program("operator")
        number = retire(admin, *hosts)
        assert {state_of(h) for h in hosts} == {"quarantined"}
        assert [a["id"] for a in operator.get("/acts", waiting="true").json()["items"]] == [number]
        row = operator.get(f"/acts/{number}").json()
        assert (row["act"], row["hosts"], row["reason"]) == ("retire", sorted(h.name for h in hosts), WHY)
        answer = confirm(operator, number)
        assert answer.status_code == 200
        assert {state_of(h) for h in hosts} == {"retired"}
        moved = Transition.objects.filter(subject_kind="host", to_state="retired").order_by("id")
        assert answer.json()["transitions"] == [t.pk for t in moved]
        asked, confirmed = row["asked_by"], answer.json()["confirmed_by"]
        assert asked != confirmed
        assert {(t.actor.name, t.actor.role, t.reason) for t in moved} == {
            (asked, "L", f"{WHY} (asked by {asked}, confirmed by {confirmed})")
        }
        assert operator.get("/acts", waiting="true").json()["items"] == []
        assert [a["id"] for a in operator.get("/acts", waiting="false").json()["items"]] == [number]

    def test_not_by_who_asked(self, db):
        host, admin = make.host("cabled"), people.program("admin")
        Grant.objects.create(token=Token.objects.latest("id"), role="operator")
        number = retire(admin, host)
        answer = confirm(admin, number)
        assert answer.status_code == 403
        assert answer.json()["expected"] == "another person"
        assert state_of(host) == "cabled"

    @pytest.mark.parametrize("role", ["technician", "liaison", "viewer", "scheduler"])
    def test_not_by_any_role(self, db, role):
        number = retire(people.program("admin"), make.host("cabled"))
        assert confirm(people.program(role), number).status_code == 403

    def test_nobody_but_an_admin_asks(self, db):
        answer = move(people.program("operator"), host=make.host("cabled").name, to="retired")
        assert answer.status_code == 409
        assert "needs the role admin" in answer.json()["title"]
        assert not Review.objects.exists()

    def test_once_and_within_the_hour(self, db):
        host, other = make.hosts(2, "cabled")
        admin, operator = people.program("admin"), people.program("operator")
        number = retire(admin, host)
        assert confirm(operator, number).status_code == 200
        assert "confirmed already" in confirm(operator, number).json()["title"]
        late = retire(admin, other)
        row = Review.objects.get(code=late)
        assert row.valid_until - row.asked_at == timedelta(hours=1)
        Review.objects.filter(code=late).update(valid_until=timezone.now())
        answer = confirm(operator, late)
        assert (answer.status_code, answer.json()["hint"]) == (409, "ask for it again")
        assert state_of(other) == "cabled"
        assert confirm(operator, "zzz").status_code == 404

    def test_what_has_changed_meanwhile_is_seen(self, db):
        good, busy = make.hosts(2, "cabled")
        number = retire(people.program("admin"), good, busy)
        operation = make.operation("identify", busy)
        operator = people.program("operator")
        answer = confirm(operator, number)
        assert answer.status_code == 409
        assert [e["value"] for e in answer.json()["errors"]] == [busy.name]
        assert state_of(good) == "cabled" and Review.objects.get().confirmed_at is None
        operator.post(f"/operations/{operation.pk}/cancel", {"reason": "it retires"})
        assert confirm(operator, number).status_code == 200

    def test_who_asked_must_be_an_admin_still(self, db):
        number = retire(people.program("admin"), make.host("cabled"))
        Token.objects.update(revoked_at=timezone.now())
        answer = confirm(people.program("operator"), number)
        assert answer.status_code == 409
        assert "may not retire any more" in answer.json()["title"]

    def test_a_site_is_a_limit(self, db):
        there = Site.objects.create(name="elsewhere")
        number = retire(people.program("admin"), make.host("cabled", site=there))
        here = people.program("operator", site=make.site())
        assert here.get(f"/acts/{number}").status_code == confirm(here, number).status_code == 404
        assert here.get("/acts").json()["items"] == []
        assert confirm(people.program("operator", site=there), number).status_code == 200

    def test_the_shell_is_the_second_person_of_a_single_account(self, db):
        host, only = make.host("cabled"), people.person("admin")
        number = retire(people.program("admin"), host)
        out = StringIO()
        User.objects.create(username="gone", is_active=False)
        call_command("act", "confirm", str(number), stdout=out)
        assert out.getvalue() == f"act {number} is done: retire {host.name}\n"
        assert state_of(host) == "retired"
        assert "confirmed by shell" in Transition.objects.latest("id").reason
        assert only.is_active

    def test_the_shell_is_nobody_where_somebody_else_could(self, db):
        host = make.host("cabled")
        people.person("admin"), people.person("viewer")
        number = retire(people.program("admin"), host)
        with pytest.raises(CommandError, match="more than one account") as refused:
            call_command("act", "confirm", str(number))
        assert refused.value.returncode == 2
        assert state_of(host) == "cabled"


def test_a_host_by_its_name(db):
    host = make.host("cabled", name="host-a")
    program = people.program("viewer")
    assert program.get("/hosts/host-a").json() == program.get(f"/hosts/{host.pk}").json()
    at = timezone.now().isoformat()
    assert program.get("/hosts/host-a", at=at).json()["state"] == "cabled"
    assert program.get("/hosts/host-b").json()["title"] == "there is no host host-b"
    elsewhere = people.program("viewer", site=Site.objects.create(name="elsewhere"))
    assert elsewhere.get("/hosts/host-a").status_code == 404


def test_a_dry_run_moves_nothing(db):
    good, bad = make.host("in_service"), make.host("cabled")
    body = {"hosts": [good.name, bad.name], "to": "draining", "reason": "planned work", "dry_run": True}
    answer = people.program().post("/transitions", body)
    assert answer.status_code == 200, answer.content
    shown = answer.json()
    assert (shown["kind"], shown["hosts"]) == ("move.draining", [good.name])
    assert [e["value"] for e in shown["refused"]] == [bad.name]
    assert shown["service"] == {"lost": 1, "now": 1, "remain": 0}
    assert state_of(good) == "in_service"


def test_a_dry_run_of_a_forced_move_says_what_it_ends(db):
    host = make.host("burned_in")
    operation = make.operation("install", host, state="active")
    body = {"host": host.name, "to": "quarantined", "force": True, "reason": "it smells", "dry_run": True}
    shown = people.program("admin").post("/transitions", body).json()
    ends = {"operation": operation.pk, "kind": "install", "host": host.name, "critical": False}
    assert shown["ends"] == [ends]
