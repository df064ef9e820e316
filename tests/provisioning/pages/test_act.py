"""The review before an act: what it shows, what it asks for, that it is done once, and when it is void."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from fleet import lifecycle
from fleet.models import Device, Hold, Rack, Review, Row, Transition
from provisioning.engine import moves
from provisioning.models import Campaign, Operation
from tests.support import make, people

KEY = "0123456789abcdef"


def text_of(answer, status=200):
    assert answer.status_code == status, answer.content.decode()[:3000]
    return " ".join(answer.content.decode().split())


def rack(name, row="A"):
    row, _ = Row.objects.get_or_create(site=make.site(), name=row)
    return Rack.objects.get_or_create(row=row, name=name)[0]


def ask(client, verb, *hosts, status=303, **more):
    """The address of the review that the form of a list or a host leads to."""
    form = {"key": f"{KEY}-{Review.objects.count()}", "verb": verb, "host": [h.name for h in hosts], **more}
    answer = client.post("/act/", form)
    assert answer.status_code == status, answer.content.decode()[:3000]
    return answer["Location"]


def press(client, address, reason="because of a test", **more):
    return client.post(f"{address}do/", {"reason": reason, **more})


def crowd(n, state="installed"):
    """A fleet big enough that a few hosts are no great part of it."""
    return make.hosts(n, state, rack=rack("A01"))


@pytest.fixture
def client(db):
    return people.signed_in("operator")


class TestReview:
    """What it shows before anything happens."""

    def test_from_a_selection_through_a_verb_to_what_it_would_touch(self, client):
        good, busy, other = *make.hosts(2, "installed", rack=rack("A01")), make.host("cabled", rack=rack("A02"))
        make.operation("validate", busy)
        crowd(60)
        chosen = ask(client, "", good, busy, other)
        text = text_of(client.get(chosen))
        assert "Act on 3 hosts" in text
        assert re.search(r'value="operate.install">Install 1</button>.*?2 cannot: 1 busy with validate; 1 cabled', text)
        form = {"key": KEY, "verb": "operate.install", "again": chosen.split("/")[2]}
        shown = client.post("/act/", form)["Location"]
        text = text_of(client.get(shown))
        assert "Review: Install on 1 host" in text and "Nothing has happened yet" in text
        assert "A01: 1" in text
        assert f'1 busy with validate: <span class="names">{busy.name}' in text
        assert "all data on 1 host goes" in text
        assert "Number of hosts, to confirm" in text
        assert not Operation.objects.filter(kind="install").exists()

    def test_all_that_match_whatever_page_they_are_on(self, client):
        crowd(130)
        make.host("cabled")
        answer = client.post("/act/", {"key": KEY, "all": "1", "state": "installed"})
        assert len(Review.objects.get().hosts) == 130
        assert "Act on 130 hosts" in text_of(client.get(answer["Location"]))

    def test_nothing_chosen_is_said_and_what_was_ticked_is_kept(self, client):
        host = make.host("installed")
        text = text_of(client.post("/act/", {"key": KEY, "state": "installed"}), 422)
        assert "No host is chosen" in text
        text = text_of(client.post("/act/", {"key": KEY, "host": [host.name], "verb": "operate.fly"}), 422)
        assert "There is nothing to do called" in text
        assert f'value="{host.name}" aria-label="Choose {host.name}" checked' in text

    def test_what_a_force_ends_is_said(self, db):
        host = make.host("burned_in")
        operation = make.operation("install", host, state="active")
        admin = people.signed_in("admin")
        address = ask(admin, "force.quarantined", host)
        assert f"install {operation.pk}</a> on {host.name}, at once" in text_of(admin.get(address))
        Device.objects.filter(pk=host.pk).update(no_power_by=operation.pk)
        assert "nobody may interrupt" in text_of(admin.get(ask(admin, "force.quarantined", host)))
        assert press(admin, address).status_code == 303
        assert Operation.objects.get(pk=operation.pk).state in ("cancelled", "lost")


class TestFriction:
    """What each reach asks for; provisioning.engine.verbs.FRICTION."""

    def asks(self, client, verb, *hosts):
        code = ask(client, verb, *hosts).split("/")[2]
        return set(Review.objects.get(code=code).shows["asks"])

    def test_by_reach(self, client):
        one, two, *_ = crowd(60)
        far = make.host("installed", rack=rack("B01"))
        assert self.asks(client, "operate.validate", one) == {"reason"}
        assert self.asks(client, "operate.power.restart", one) == {"reason", "number"}
        assert self.asks(client, "operate.install", one) == {"reason", "number"}
        assert self.asks(client, "operate.validate", one, two) == {"reason", "number"}
        assert self.asks(client, "operate.validate", one, far) == {"reason", "number", "campaign"}
        assert self.asks(client, "move.quarantined", one, far) == {"reason", "number"}

    def test_a_great_part_of_the_fleet_goes_in_waves(self, client):
        hosts = crowd(40)
        assert "campaign" not in self.asks(client, "operate.validate", *hosts[:2])
        assert "campaign" in self.asks(client, "operate.validate", *hosts[:3])

    def test_data_of_many_hosts_takes_two(self, client):
        hosts = crowd(60)
        assert "second" not in self.asks(client, "operate.install", *hosts[:25])
        assert "second" in self.asks(client, "operate.install", *hosts[:26])
        assert "second" not in self.asks(client, "operate.validate", *hosts[:26])

    def test_hosts_that_never_held_data_lose_none(self, client):
        hosts = crowd(60, "burned_in")
        assert "second" not in self.asks(client, "operate.install", *hosts)

    @pytest.mark.parametrize("typed", [{}, {"number": "3"}, {"number": "two"}])
    def test_the_number_is_typed(self, client, typed):
        address = ask(client, "operate.validate", *crowd(60)[:2])
        text = text_of(press(client, address, "I typed this", **typed), 422)
        assert 'value="I typed this"' in text
        assert 'id="do-number-wrong"' in text
        assert not Operation.objects.exists()

    def test_a_reason_is_needed(self, client):
        address = ask(client, "operate.validate", crowd(60)[0])
        assert 'id="do-reason-wrong"' in text_of(press(client, address, ""), 422)


class TestDone:
    """What came of it, once."""

    def test_operations_on_two_hosts(self, client):
        hosts = crowd(60)[:2]
        address = ask(client, "operate.power.restart", *hosts)
        assert press(client, address, number="2")["Location"] == address
        made = Operation.objects.order_by("device_id")
        assert [(o.device_id, o.kind, o.params) for o in made] == [
            (h.pk, "power", {"action": "restart"}) for h in hosts
        ]
        text = text_of(client.get(address))
        assert "by you: because of a test" in text
        assert f'href="/operations/{made[0].pk}/"' in text
        assert "/do/" not in text

    def test_one_operation_leads_to_its_page(self, client):
        address = ask(client, "operate.validate", crowd(60)[0])
        assert press(client, address)["Location"] == f"/operations/{Operation.objects.get().pk}/"

    def test_a_double_press_and_a_resend_are_one_act(self, client):
        hosts = crowd(60)[:2]
        address = ask(client, "operate.validate", *hosts)
        first = press(client, address, number="2")
        again = press(client, address, "another reason", number="2")
        assert (first["Location"], again["Location"]) == (address, address)
        assert Operation.objects.count() == 2
        assert not Operation.objects.filter(reason="another reason").exists()

    def test_over_a_rack_it_is_a_campaign(self, client):
        crowd(60)
        hosts = [make.host("installed", rack=rack(name)) for name in ("B01", "B02")]
        address = ask(client, "operate.validate", *hosts)
        assert "As a campaign in waves of 1, 1, the first a canary" in text_of(client.get(address))
        campaign_page = press(client, address, number="2")["Location"]
        made = Campaign.objects.get()
        assert campaign_page == f"/campaigns/{made.pk}/"
        assert (made.kind, made.hosts, made.reason) == ("validate", 2, "because of a test")
        assert f'href="/campaigns/{made.pk}/"' in text_of(client.get(address))

    def test_a_move(self, client):
        host = make.host("validated", rack=rack("A01"))
        address = ask(client, "move.quarantined", host)
        assert press(client, address, "it smells")["Location"] == address
        assert Transition.objects.latest("id").reason == "it smells"
        assert "1 host moved" in text_of(client.get(address))

    def test_holds_and_their_undo(self, client):
        hosts = crowd(60)[:3]
        address = ask(client, "hold.debug", *hosts)
        press(client, address, number="3")
        assert Hold.objects.filter(ended_at=None, reason="because of a test").count() == 3
        assert "Undo: lift 3 holds" in text_of(client.get(address))
        assert client.post(f"{address}undo/", {"key": f"{KEY}-undo"}).status_code == 303
        assert not Hold.objects.filter(ended_at=None).exists()
        assert set(Device.objects.filter(pk__in=[h.pk for h in hosts]).values_list("held", flat=True)) == {0}
        assert "None of these 3 holds stands any more" in text_of(client.get(address))

    def test_nothing_else_can_be_undone(self, client):
        address = ask(client, "operate.validate", crowd(60)[0])
        press(client, address)
        assert "cannot be undone" not in text_of(client.get(address))
        assert "can be undone" in text_of(client.post(f"{address}undo/", {"key": KEY + "9"}), 409)


class TestVoid:
    """A host that changed, or ten minutes, void it; a new one of the same selection is one press away."""

    def test_another_state(self, client):
        crowd(60)
        host, other = make.hosts(2, "validated", rack=rack("A01"))
        address = ask(client, "operate.validate", host, other)
        lifecycle.move("host", [host.pk], to="quarantined", actor=make.actor(), reason="it smells")
        for text in (text_of(client.get(address)), text_of(press(client, address, "typed", number="2"), 409)):
            assert "This review is void: 1 host changed" in text
            assert f"{host.name} was validated, is quarantined" in text
        assert 'value="typed"' in text
        assert not Operation.objects.exists()
        again = client.post("/act/", {"key": KEY, "again": address.split("/")[2]})["Location"]
        assert again != address
        assert press(client, again, number="2").status_code == 303
        assert Operation.objects.count() == 2

    def test_there_and_back_again(self, client):
        host = make.host("installed")
        address = ask(client, "operate.validate", host)
        for state in ("quarantined", "installed"):
            lifecycle.move("host", [host.pk], to=state, actor=make.actor(), reason="there and back")
        assert f"{host.name} is installed, but not as it was" in text_of(press(client, address), 409)

    def test_another_operation(self, client):
        host = make.host("installed")
        address = ask(client, "operate.validate", host)
        operation = make.operation("power", host)
        assert f"with power {operation.pk} under way" in text_of(press(client, address), 409)

    def test_after_ten_minutes(self, client):
        address = ask(client, "operate.validate", make.host("installed"))
        review = Review.objects.get()
        assert review.valid_until - review.made_at == timedelta(minutes=10)
        Review.objects.update(valid_until=timezone.now())
        text = text_of(press(client, address), 409)
        assert "Its ten minutes are over" in text and "Make a new review of the same selection" in text

    def test_what_changes_between_the_look_and_the_act_is_seen(self, client, monkeypatch):
        host = make.host("validated", rack=rack("A01"))
        address = ask(client, "move.quarantined", host)
        real = moves.move

        def late(**asked):
            lifecycle.move("host", asked["hosts"], to="installed", actor=make.actor("S"), reason="updated meanwhile")
            return real(**asked)

        monkeypatch.setattr(moves, "move", late)
        assert "changed since this review" in text_of(press(client, address), 409)
        assert Device.objects.get(pk=host.pk).state == "validated"

    def test_a_selection_by_filter_is_found_again(self, client):
        make.hosts(2, "installed")
        address = ask(client, "operate.validate", all="1", state="installed")
        make.host("installed")
        again = client.post("/act/", {"key": KEY, "again": address.split("/")[2]})["Location"]
        assert len(Review.objects.get(code=again.split("/")[2]).hosts) == 3

    def test_no_host_that_can_take_part_is_no_act(self, client):
        address = ask(client, "operate.install", make.host("cabled"))
        assert "No host can take part" in text_of(client.get(address))
        text_of(press(client, address, number="0"), 409)


class TestWho:
    """Rights: of each role, of who made it, and of the second person."""

    @pytest.mark.parametrize(
        ("role", "verb", "state", "status"),
        [
            ("viewer", "operate.validate", "installed", 403),
            ("technician", "operate.validate", "installed", 403),
            ("technician", "move.racked", "cabled", 303),
            ("liaison", "move.repair_vendor", "quarantined", 303),
            ("scheduler", "move.draining", "in_service", 303),
            ("scheduler", "hold.debug", "installed", 403),
            ("operator", "operate.validate", "installed", 303),
            ("operator", "force.quarantined", "installed", 403),
            ("operator", "campaign.bring_up", "cabled", 303),
            ("admin", "force.quarantined", "installed", 303),
            ("admin", "hold.hands", "installed", 303),
        ],
    )
    def test_may_ask(self, db, role, verb, state, status):
        host = make.host(state)
        answer = people.signed_in(role).post("/act/", {"key": KEY, "verb": verb, "host": [host.name]})
        assert answer.status_code == status, answer.content.decode()[:2000]

    def test_the_verbs_say_which_role_may(self, db):
        host = make.host("cabled")
        technician = people.signed_in("technician")
        text = text_of(technician.get(ask(technician, "", host)))
        assert re.search(
            r"<button disabled>Validate</button> <span class=\"hint\">needs the role operator or admin", text
        )
        assert 'value="move.racked">Move to racked 1</button>' in text

    def test_only_who_made_it_confirms_it(self, client):
        address = ask(client, "operate.validate", make.host("installed"))
        other = people.signed_in("admin")
        assert "Make a review of your own" in text_of(other.get(address))
        text_of(press(other, address), 403)
        assert not Operation.objects.exists()

    def test_not_of_hosts_that_one_may_not_see(self, client):
        address = ask(client, "operate.validate", make.host("installed"))
        elsewhere = people.signed_in("operator", site=type(make.site()).objects.create(name="elsewhere"))
        text_of(elsewhere.get(address), 404)
        text_of(press(elsewhere, address), 404)

    def test_two_persons(self, db):
        host = make.host("quarantined")
        admin, operator, viewer = people.signed_in("admin"), people.signed_in("operator"), people.signed_in("viewer")
        address = ask(admin, "move.retired", host)
        assert "another person confirms" in text_of(admin.get(address))
        assert press(admin, address, "too old")["Location"] == address
        assert Device.objects.get(pk=host.pk).state == "quarantined"
        assert "manage.py act confirm" in text_of(admin.get(address))
        assert "needs the role operator or admin" in text_of(viewer.get(address))
        assert address in text_of(operator.get(f"/hosts/{host.name}/"))
        text_of(admin.post(f"{address}confirm/", {"key": KEY}), 403)
        assert "Confirm: Move to retired on 1 host" in text_of(operator.get(address))
        assert operator.post(f"{address}confirm/", {"key": KEY}).status_code == 303
        assert Device.objects.get(pk=host.pk).state == "retired"
        assert "confirmed by" in text_of(viewer.get(address))

    def test_data_of_many_hosts_waits_for_the_second(self, client):
        hosts = crowd(30)
        address = ask(client, "operate.install", *hosts)
        assert press(client, address, number="30")["Location"] == address
        assert not Operation.objects.exists()
        other = people.signed_in("operator")
        assert other.post(f"{address}confirm/", {"key": KEY}).status_code == 303
        assert Campaign.objects.get().hosts == 30
        assert re.search(r"asked by person-\d+, confirmed by person-\d+", Campaign.objects.get().reason)

    def test_an_expired_sign_in_loses_nothing(self, client):
        host = make.host("installed", name="host-a")
        address = ask(client, "operate.power.restart", host)
        client.logout()
        to = press(client, address, "I typed this", number="1")["Location"]
        assert to == f"/sign-in/?next={address}%3Freason%3DI%2Btyped%2Bthis%26number%3D1"
        user = people.person("operator")
        client.force_login(user)
        Review.objects.update(asked_by=lifecycle.actor("user", user.username, "O", user_id=user.pk))
        text = text_of(client.get(f"{address}?reason=I+typed+this&number=1"))
        assert 'value="I typed this"' in text and re.search(r'name="number"[^>]*value="1"', text)
        client.logout()
        for field, to in (("from", "hosts"), ("again", "act")):
            assert client.post("/act/", {field: "a/b"})["Location"] == f"/sign-in/?next=/{to}/a%252Fb/"
        form = {"key": KEY, "state": "installed", "host": ["host-a"]}
        assert client.post("/act/", form)["Location"] == "/sign-in/?next=/hosts/%3Fstate%3Dinstalled%26host%3Dhost-a"
