"""Sizes of waves, the canary, limits and windows, as laws that hold for any fleet."""

from collections import Counter
from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.engine import waves
from provisioning.engine.waves import Candidate, Waiting, Window

SIZES = st.lists(st.integers(1, 300) | st.integers(1, 100).map("{}%".format) | st.just("rest"), max_size=6)
HARDWARE = st.tuples(st.sampled_from("pq"), st.sampled_from("abc"), st.sampled_from("xy"), st.just("z"))


@st.composite
def fleets(draw, least=1):
    kinds = draw(st.lists(st.tuples(HARDWARE, st.sampled_from("AB"), st.sampled_from("123")), min_size=least))
    return [Candidate(n, f"host-{n:03}", hardware, row, row + rack) for n, (hardware, row, rack) in enumerate(kinds)]


class TestSizes:
    @given(SIZES, st.integers(1, 1000))
    def test_every_host_is_in_one_wave_and_no_wave_is_empty(self, asked, hosts):
        found = waves.sizes(asked, hosts)
        assert sum(found) == hosts and min(found) > 0

    @pytest.mark.parametrize(
        ("asked", "hosts", "found"),
        [
            ([2, 5, "10%", "25%", "rest"], 511, [2, 5, 52, 128, 324]),
            ([2, 5, "10%", "25%", "rest"], 9, [2, 5, 1, 1]),
            ([2, 5], 3, [2, 1]),
            (["rest"], 7, [7]),
            ([], 7, [7]),
            (["50%"], 7, [4, 3]),
        ],
    )
    def test_as_asked(self, asked, hosts, found):
        assert waves.sizes(asked, hosts) == found


class TestCanary:
    @given(fleets(), st.integers(1, 20))
    def test_every_combination_is_in_it_as_soon_as_its_size_allows(self, fleet, size):
        there = {h.hardware for h in fleet}
        chosen = {h.hardware for h in waves.canary(fleet, size)}
        assert len(chosen) == min(size, len(there), len(fleet))

    @given(fleets(), st.integers(1, 20))
    def test_of_one_thing_that_differs_the_most_frequent_variants_come_first(self, fleet, size):
        alike = [Candidate(h.id, h.name, (h.hardware[1],)) for h in fleet]
        counts = Counter(h.hardware for h in alike)
        chosen = {h.hardware for h in waves.canary(alike, size)}
        assert all(counts[inside] >= counts[outside] for inside in chosen for outside in counts.keys() - chosen)

    @given(fleets(), st.integers(1, 20), st.randoms(use_true_random=False))
    def test_the_same_hosts_give_the_same_canary_in_whatever_order_they_come(self, fleet, size, draw):
        mixed = draw.sample(fleet, len(fleet))
        assert waves.canary(mixed, size) == waves.canary(fleet, size)

    @given(fleets(), st.integers(1, 20))
    def test_it_is_as_large_as_asked_and_names_nobody_twice(self, fleet, size):
        chosen = waves.canary(fleet, size)
        assert len(chosen) == len({h.id for h in chosen}) == min(size, len(fleet))

    def test_a_rare_version_comes_before_another_row(self):
        fleet = [Candidate(n, f"h{n}", ("p", "2.3.5"), "ABCD"[n % 4]) for n in range(40)]
        odd = Candidate(99, "h99", ("p", "2.1.4"), "A")
        assert odd in waves.canary([*fleet, odd], 2)

    def test_a_large_one_takes_no_time(self):
        fleet = [Candidate(n, f"h{n:05}", ("p", str(n % 7)), str(n % 60)) for n in range(6000)]
        assert len(waves.canary(fleet, 3000)) == 3000

    def test_what_is_left_of_it_is_spread_over_the_rows(self):
        fleet = [Candidate(n, f"h{n:02}", ("p",), "ABCD"[n // 10]) for n in range(40)]
        assert {h.row for h in waves.canary(fleet, 4)} == set("ABCD")


class TestDeal:
    @given(fleets(), SIZES)
    def test_every_host_once_and_the_canary_first(self, fleet, asked):
        wanted = waves.sizes(asked, len(fleet))
        dealt = waves.deal(fleet, wanted)
        assert [len(wave) for wave in dealt] == wanted
        assert sorted(h.id for wave in dealt for h in wave) == [h.id for h in fleet]
        if len(dealt) > 1:
            assert dealt[0] == waves.canary(fleet, wanted[0])

    def test_later_waves_take_one_of_each_rack_before_a_second(self):
        fleet = [Candidate(n, f"h{n:02}", ("p",), "A", f"A{n // 4}") for n in range(16)]
        _, second, _ = waves.deal(fleet, [1, 4, 11])
        assert len({h.rack for h in second}) == 4


WAITING = st.lists(st.tuples(st.integers(1, 4), st.sets(st.integers(1, 4), max_size=2), st.booleans()), max_size=30)


class TestPick:
    @given(WAITING, st.none() | st.integers(0, 9), st.none() | st.integers(0, 9), st.integers(1, 3), st.integers(1, 3))
    def test_no_limit_is_passed_and_nobody_waits_who_could_begin(self, drawn, room, spare, per_rack, per_leaf):
        waiting = [
            Waiting(n, n, waves.domains(rack=rack, leaf=sorted(leafs)), serves)
            for n, (rack, leafs, serves) in enumerate(drawn)
        ]
        limits = {"rack": per_rack, "leaf": per_leaf}
        busy: Counter = Counter({("rack", 1): 1})
        picked = waves.pick(waiting, room=room, limits=limits, busy=busy, spare=spare)
        assert room is None or len(picked) <= room
        assert spare is None or sum(p.serves for p in picked) <= spare
        assert all(n <= limits[kind] for (kind, _), n in busy.items())
        assert busy == Counter({("rack", 1): 1}) + Counter(d for p in picked for d in p.domains)
        if room is None or len(picked) < room:
            left = spare if spare is None else spare - sum(p.serves for p in picked)
            for one in waiting:
                full = any(busy[d] >= limits[d[0]] for d in one.domains)
                assert one in picked or full or (one.serves and left == 0)

    def test_a_limit_that_nobody_set_holds_nobody_back(self):
        waiting = [Waiting(n, n, waves.domains(rack=1, feed=[1, 2])) for n in range(5)]
        assert waves.pick(waiting, room=None, limits={}, busy=Counter(), spare=None) == waiting


AT = datetime(2026, 3, 2, tzinfo=UTC)
TIMES = st.times().map(lambda t: t.replace(second=0, microsecond=0))


class TestWindow:
    @given(TIMES, TIMES, st.integers(0, 60 * 24 * 20))  # no change of summer time
    def test_whenever_it_says_that_it_opens_it_is_open_and_not_sooner(self, opens, closes, minutes):
        now = AT + timedelta(minutes=minutes)
        window = Window("Europe/Berlin", opens, closes)
        at = window.next_open(now)
        assert at is not None and at >= now
        if opens != closes:
            assert window.next_open(at) == at
            assert at == now or window.next_open(at - timedelta(minutes=1)) != at - timedelta(minutes=1)

    @pytest.mark.parametrize(
        ("opens", "closes", "now", "at"),
        [
            (None, None, "03:00", "2T03:00"),
            ("22:00", "06:00", "23:30", "2T23:30"),
            ("22:00", "06:00", "05:59", "2T05:59"),
            ("22:00", "06:00", "06:00", "2T22:00"),
            ("08:00", "10:00", "10:00", "3T08:00"),
        ],
    )
    def test_by_the_clock_of_the_site(self, opens, closes, now, at):
        window = Window("UTC", *(t and time.fromisoformat(t) for t in (opens, closes)))
        day, _, hour = at.partition("T")
        assert window.next_open(AT.combine(AT.date(), time.fromisoformat(now), UTC)) == datetime(
            2026, 3, int(day), *map(int, hour.split(":")), tzinfo=UTC
        )

    def test_after_its_end_it_never_opens(self):
        window = Window("UTC", time(8), time(10), AT + timedelta(hours=12))
        assert window.next_open(AT) == AT + timedelta(hours=8)
        assert window.next_open(AT + timedelta(hours=11)) is None
        assert not window.is_over(AT) and window.is_over(AT + timedelta(hours=12))


@pytest.mark.parametrize(
    ("causes", "cause"),
    [({}, ""), ({"a": 1}, ""), ({"a": 2}, "a"), ({"a": 2, "b": 2}, "a"), ({"a": 2, "b": 3}, "b"),
     ({"a": 2, "b": 1, "c": 2}, ""), ({"a": 1, "b": 1}, "")],
)  # fmt: skip
def test_a_common_cause_is_of_two_at_least_and_of_half_of_them(causes, cause):
    assert waves.common_cause(causes) == cause
