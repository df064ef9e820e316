"""GET /events: in one order, nothing skipped and nothing twice, whatever commits when."""

import random
import threading

import psycopg
import pytest

from fleet import findings, holds
from fleet.findings import Found
from fleet.models import Finding, Hold, Site, Transition
from provisioning.reads import events
from tests.support import make, people, servers
from tests.support.waiting import eventually

HOLD = """INSERT INTO fleet_hold (device_id, kind, reason, actor_id, placed_at) VALUES (%s, 'debug', %s, %s, now())"""
MOVE = """INSERT INTO fleet_transition
  (subject_kind, subject_id, from_state, to_state, cause, reason, actor_id, evidence)
  VALUES ('host', %s, %s, %s, '', %s, %s, '{}')"""


def read_on(program, after="", **query):
    """All that is there after a cursor: the rows, and the cursor to go on with."""
    rows = []
    while True:
        answer = program.get("/events", **({"after": after} if after else {}), **query)
        assert answer.status_code == 200, answer.content
        page = answer.json()
        rows += page["items"]
        after = page["next"]
        if not page["more"]:
            return rows, after


def settled(program):
    """The cursor behind all that was made for the test: other transactions on this server may hold it back a while."""

    def behind():
        rows, after = read_on(program)
        return after if rows and rows[-1]["kind"] == "token_made" else None

    return eventually(behind, within_s=60)


def connect(database):
    return psycopg.connect(servers.url("app", database.name))


class TestOverlappingTransactions:
    @pytest.fixture
    def people_and_hosts(self, real_db):
        hosts = make.hosts(3, "cabled")
        return make.actor(), hosts, people.program("viewer"), real_db

    def test_a_row_of_an_older_transaction_that_commits_later_is_not_skipped(self, people_and_hosts):
        actor, hosts, program, real_db = people_and_hosts
        after = settled(program)
        with connect(real_db) as old, connect(real_db) as young:
            old.execute(HOLD, [hosts[0].pk, "old", actor.pk])
            young.execute(HOLD, [hosts[1].pk, "young", actor.pk])
            young.commit()
            rows, same = read_on(program, after)
            assert (rows, same) == ([], after), "a younger row is not shown while an older one may still come"
            old.commit()
        words = eventually(lambda: [r["words"] for r in read_on(program, after)[0]], within_s=60)
        assert words == ["old", "young"]

    def test_the_number_of_a_row_says_nothing_when_its_transaction_began_before(self, people_and_hosts):
        """The younger transaction takes its number first, and the older one commits first."""
        actor, hosts, program, real_db = people_and_hosts
        after = settled(program)
        with connect(real_db) as old, connect(real_db) as young:
            old.execute("SELECT pg_current_xact_id()")
            young.execute(HOLD, [hosts[1].pk, "young", actor.pk])
            old.execute(HOLD, [hosts[0].pk, "old", actor.pk])
            old.commit()
            first = eventually(lambda: read_on(program, after)[0], within_s=60)
            assert [r["words"] for r in first] == ["old"]
            _, after = read_on(program, after)
            young.commit()
        assert [r["words"] for r in eventually(lambda: read_on(program, after)[0], within_s=60)] == ["young"]

    def test_what_was_rolled_back_never_comes_and_holds_nothing_back(self, people_and_hosts):
        actor, hosts, program, real_db = people_and_hosts
        after = settled(program)
        with connect(real_db) as bad, connect(real_db) as good:
            bad.execute(HOLD, [hosts[0].pk, "bad", actor.pk])
            good.execute(HOLD, [hosts[1].pk, "good", actor.pk])
            good.commit()
            bad.rollback()
        words = eventually(lambda: [r["words"] for r in read_on(program, after)[0]], within_s=60)
        assert words == ["good"]

    def test_changes_of_state_and_all_else_have_one_order(self, people_and_hosts):
        operator, hosts, program, real_db = people_and_hosts
        after = settled(program)
        with connect(real_db) as one:
            one.execute(HOLD, [hosts[0].pk, "before", operator.pk])
            one.execute(MOVE, [hosts[0].pk, "cabled", "quarantined", "between", operator.pk])
            one.execute("UPDATE fleet_hold SET ended_at = now(), ended_by_id = %s", [operator.pk])
            one.commit()
        rows = eventually(lambda: read_on(program, after)[0], within_s=60)
        assert [r["kind"] for r in rows] == ["hold_placed", "host_state", "hold_lifted"]
        assert {r["device"] for r in rows} == {hosts[0].name}
        assert (rows[1]["data"]["from_state"], rows[1]["data"]["to_state"]) == ("cabled", "quarantined")


def write(database, hosts, actor, seed, done):
    """Transactions of all lengths, some undone, each of one host of its own."""
    chance = random.Random(seed)
    with connect(database) as link:
        for n in range(15):
            for _ in range(chance.randint(1, 3)):
                link.execute(HOLD, [chance.choice(hosts).pk, f"{seed}:{n}", actor.pk])
                link.execute("SELECT pg_sleep(%s)", [chance.random() / 50])
            link.rollback() if chance.random() < 0.2 else link.commit()
    done.append(seed)


def test_a_reader_that_polls_while_others_write_misses_nothing_and_gets_nothing_twice(real_db):
    hosts, actor, program, done = make.hosts(3, "cabled"), make.actor(), people.program("viewer"), []
    after = settled(program)
    crowd = [threading.Thread(target=write, args=(real_db, hosts, actor, seed, done)) for seed in range(6)]
    for one in crowd:
        one.start()
    seen = []
    while any(one.is_alive() for one in crowd):
        rows, after = read_on(program, after, limit=7)
        seen += rows
    for one in crowd:
        one.join()
    assert len(done) == len(crowd)
    expected = set(Hold.objects.values_list("id", flat=True))

    def whole():
        nonlocal after
        rows, after = read_on(program, after)
        seen.extend(rows)
        return len({r["subject_id"] for r in seen}) == len(expected)

    eventually(whole, within_s=60)
    assert sorted(r["subject_id"] for r in seen) == sorted(expected)


class TestWhatIsInIt:
    @pytest.fixture
    def happened(self, real_db):
        """One of most kinds, at two sites; the last one says so."""
        here = make.host("cabled", name="host-here")
        there = make.host("cabled", name="host-there", site=Site.objects.create(name="site-2"))
        actor, reader = make.actor(), people.program("viewer")
        hold = holds.place(device_id=here.pk, kind="debug", reason="look at it", actor=actor)
        holds.lift(hold_id=hold.pk, device_id=here.pk, actor=actor)
        findings.open([Found("health", "psu", "warning", f"{d.name} lost a PSU", d.pk) for d in (here, there)])
        findings.open([Found("health", "psu", "warning", "seen again", here.pk)])
        findings.open([Found("health", "clock", "info", "it was wrong", here.pk, mended="it was set")])
        make.operation("power", here)
        make.subject("cable", "planned")
        findings.acknowledge(ids=[Finding.objects.get(device=there).pk], reason="on its way", actor=actor)
        for device in (here, there):
            holds.place(device_id=device.pk, kind="debug", reason="the last", actor=actor)
        return reader

    def feed(self, program, **query):
        def read():
            rows, _ = read_on(program, **query)
            assert rows and rows[-1]["words"] == "the last", rows[-1:]
            return rows

        return eventually(read, within_s=60)

    def test_every_transition_and_every_other_event_once_in_order(self, happened):
        rows = self.feed(happened)
        states = [r for r in rows if r["kind"].endswith("_state")]
        assert len(states) == Transition.objects.count()
        assert len({r["id"] for r in rows}) == len(rows)
        for subject in {(r["subject_kind"], r["subject_id"]) for r in states}:
            chain = [r["data"]["seq"] for r in states if (r["subject_kind"], r["subject_id"]) == subject]
            assert chain == list(range(1, len(chain) + 1))
        others = [r["kind"] for r in rows if not r["kind"].endswith("_state")]
        assert others == [
            *("token_made", "hold_placed", "hold_lifted", "finding_opened", "finding_opened"),
            *("finding_opened", "finding_closed", "finding_acknowledged", "hold_placed", "hold_placed"),
        ]

    def test_pages_of_any_size_are_the_same_feed(self, happened):
        whole = self.feed(happened)
        assert self.feed(happened, limit=1) == self.feed(happened, limit=3) == whole

    def test_kinds(self, happened):
        kinds = "hold_placed,operation_state"
        rows = self.feed(happened, kinds=kinds, limit=1)
        assert [r["kind"] for r in rows] == ["hold_placed", "operation_state", "hold_placed", "hold_placed"]
        assert {r["device"] for r in rows} == {"host-here", "host-there"}

    def test_a_window_without_a_row_of_the_kind_leads_on(self, happened, monkeypatch):
        monkeypatch.setattr(events, "WINDOW", 2)
        assert len(self.feed(happened, kinds="hold_placed")) == 3
        page = happened.get("/events", kinds="plan_loaded").json()
        assert (page["items"], page["more"]) == ([], True)

    def test_of_ones_own_site_only(self, happened):
        rows = self.feed(people.program("viewer", site=Site.objects.get(name="site-2")))
        assert {r["device"] for r in rows} == {"host-there"}
        assert {r["kind"] for r in rows} == {"host_state", "finding_opened", "finding_acknowledged", "hold_placed"}

    def test_now_is_the_end(self, happened):
        self.feed(happened)
        page = happened.get("/events", after="now").json()
        assert (page["items"], page["more"]) == ([], False)
        assert "the last" not in [r["words"] for r in read_on(happened, page["next"])[0]]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"after": "x"}, "cursor"),
        ({"after": "WzEsMiwzXQ"}, "cursor"),
        ({"kinds": "love"}, "kinds"),
        ({"kinds": "hold_placed,"}, "kinds"),
        ({"limit": 0}, "limit"),
        ({"since": "now"}, "since"),
    ],
)
def test_what_cannot_be_asked_is_422(db, query, field):
    answer = people.program("viewer").get("/events", **query)
    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_an_unknown_kind_is_told_which_there_are(db):
    problem = people.program("viewer").get("/events", kinds="love").json()
    assert problem["value"] == "love" and "finding_opened" in problem["expected"]


def test_numbers_ahead_of_the_servers_own_are_said_and_not_waited_for(real_db):
    """As after a restore from a dump into a new server: rows would be hidden until its numbers have caught up."""
    host, program = make.host("cabled"), people.program("viewer")
    with psycopg.connect(servers.url("owner", real_db.name)) as owner:
        owner.execute("ALTER TABLE fleet_transition DISABLE TRIGGER USER")
        owner.execute("UPDATE fleet_transition SET xid = '4611686018427387904' WHERE subject_id = %s", [host.pk])
        owner.execute("ALTER TABLE fleet_transition ENABLE TRIGGER USER")
    answer = program.get("/events")
    assert (answer.status_code, answer.json()["code"]) == (503, "feed_ahead")


def test_an_act_of_two_persons_is_told_when_it_is_asked_for_and_when_it_is_confirmed(real_db):
    host, reader = make.host("quarantined"), people.program("viewer")
    after = settled(reader)
    act = people.program("admin").post("/transitions", {"host": host.pk, "to": "retired", "reason": "scrap it"}).json()
    assert people.program("operator").post(f"/acts/{act['id']}/confirm").status_code == 200

    def told():
        rows, _ = read_on(reader, after, kinds="act_asked,act_confirmed,host_state")
        assert len(rows) == 3
        return rows

    asked, *rest = eventually(told, within_s=60)
    assert (asked["kind"], {r["kind"] for r in rest}) == ("act_asked", {"act_confirmed", "host_state"})
    assert (asked["data"]["id"], asked["data"]["hosts"]) == (act["id"], [host.pk])
    assert asked["actor"] != next(r["actor"] for r in rest if r["kind"] == "act_confirmed")
