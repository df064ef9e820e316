"""kill -9 at every point where a step acts on hardware; another worker takes over; each command arrives at most once.

The points come from the kinds themselves: every step whose code asks for a permit is killed before its command is sent
(the intent is on record) and after (its outcome is not). Each point has a host of its own; a worker that takes over is
killed at the next point, with whatever hosts it had in its hands.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from signal import SIGKILL
from types import FunctionType, ModuleType
from typing import Any

from fleet import lifecycle
from fleet.models import Bmc, Device, Transition
from provisioning.engine import ask, release
from provisioning.models import Campaign, Intent, Operation, Step
from provisioning.operations.registry import KINDS
from tests.provisioning.engine.test_campaign import begin as begin_campaign
from tests.support import lab as labs
from tests.support import make, servers
from tests.support.lab import Lab
from tests.support.waiting import eventually

STATES = ("cabled", "discovered", "inspected", "baselined", "burned_in", "installed", "validated")
OVER = ("succeeded", "failed", "cancelled", "lost")
WITH_AN_OS = {"install", "validate"}


def asks_for_permits(function: Any) -> bool:
    """Whether this step, or what it calls in provisioning.operations, says intend()."""
    seen: set[FunctionType] = set()

    def looks(f: FunctionType) -> bool:
        if f in seen or not f.__module__.startswith("provisioning.operations"):
            return False
        seen.add(f)
        return "intend" in f.__code__.co_names or any(looks(g) for g in called_by(f))

    return looks(function)


def called_by(f: FunctionType) -> Iterator[FunctionType]:
    for name in f.__code__.co_names:
        found = f.__globals__.get(name)
        if isinstance(found, FunctionType):
            yield found
        elif isinstance(found, ModuleType):
            attributes = (getattr(found, other, None) for other in f.__code__.co_names)
            yield from (g for g in attributes if isinstance(g, FunctionType))


def points_of(kinds: Callable[[str], bool]) -> list[str]:
    return [
        f"{name}:{step.name}:{when}"
        for name, kind in KINDS.items()
        if kinds(name)
        for step in kind.steps
        if asks_for_permits(step.run)
        for when in ("before", "after")
    ]


def test_the_points_are_the_steps_that_act():
    points = {p.rpartition(":")[0] for p in points_of(lambda kind: True)}
    assert points == {
        *("identify:clock", "inspect:clock", "power:act", "validate:start"),
        *(f"{kind}:{step}" for kind in ("burn_in", "install") for step in ("uri", "override", "reset")),
        *("install:clock", "install:boot_disk"),
    }


def start_state(kind: str) -> str:
    return next(s for s in STATES if s in KINDS[kind].from_states)


def begin(lab: Lab, host: Device, point: str) -> None:
    """Ask for the operation of this point on its host, which stands where the kind may start."""
    kind, step, _ = point.split(":")
    host.refresh_from_db()
    if host.state != (state := start_state(kind)):
        make.bring("host", [host.pk], state, start=host.state)
        host.refresh_from_db()
    if step == "clock" and kind != "identify":
        lab.inject(host.name, "clock_wrong")
    params = {"action": "restart"} if kind == "power" else {}
    ask.operations(kind=kind, devices=[host], params=params, actor=make.actor(), reason=point)


def killed(lab: Lab, point: str) -> None:
    worker = lab.worker(point)
    try:
        code = eventually(lambda: lab.nudge() or worker.poll(), within_s=120, every_s=0.3)
    except AssertionError as error:
        raise AssertionError(f"{point} was never reached\n{under_way()}\n{lab.database.output()[-3000:]}") from error
    assert code == -SIGKILL, lab.database.output()


def under_way() -> str:
    return "\n".join(told(o) for o in Operation.objects.exclude(state="succeeded"))


def finished(lab: Lab) -> None:
    """A worker that lives brings everything to its end."""
    worker = lab.worker()
    eventually(lambda: lab.nudge() or not Operation.objects.exclude(state__in=OVER).exists(), within_s=300, every_s=0.3)
    assert worker.poll() is None, lab.database.output()
    worker.terminate()
    worker.wait(60)


def check(lab: Lab, hosts: dict[str, str]) -> None:
    """By the simulator's own journal, which knows nothing of our records. hosts: the one that was meant for a point."""
    for operation in Operation.objects.select_related("device"):
        assert operation.state == "succeeded" or (operation.state == "lost" and operation.words), operation.words
        assert operation.device.state in (*STATES, "in_service")
    resets = Counter(line["intent"] for line in lab.journal("reset_applied"))
    permitted = {str(pk) for pk in Intent.objects.filter(power=True).values_list("pk", flat=True)}
    assert resets and set(resets) <= permitted, "each reset has its intent"
    assert set(resets.values()) == {1}, "each intent at most one reset"
    for event in ("override", "clock_set"):
        sent = Counter(line["intent"] for line in lab.journal(event))
        assert set(sent.values()) <= {1} and None not in sent, event
    for operation in Operation.objects.all():
        sent = operation.intents.filter(power=True).count()
        retries = Step.objects.filter(operation=operation, outcome="retry").count()
        assert sent <= 1 + retries, told(operation)
    stats = lab.stats()
    assert stats["violations"] == 0
    for point in ("burn_in:reset:after", "install:reset:after", "power:act:after"):
        if name := hosts.get(point):
            words = told(Operation.objects.filter(device__name=name).latest("id"))
            assert stats["resets"][name] == 1, f"sent, seen, and not sent again: {words}"
    open_now, ours = sessions(lab)
    assert open_now.items() <= ours.items(), "no session that is not on record"
    assert lifecycle.verify()["ok"]


def told(operation: Operation) -> str:
    """All that is on record of an operation, for the words of a failed test."""
    intents = [
        f"{i.at:%H:%M:%S.%f} step {i.step}.{i.attempt} fence {i.fence}: {i.what}"
        for i in operation.intents.order_by("id")
    ]
    steps = [
        f"{s.ended_at:%H:%M:%S.%f} {s.name}.{s.attempt} fence {s.fence}: {s.outcome}: {s.words}"
        for s in operation.steps.order_by("id")
    ]
    return "\n".join([f"{operation.kind} {operation.state} {operation.words}", *intents, *steps])


def sessions(lab: Lab) -> tuple[dict[str, int], dict[str, int]]:
    """How many are open by the simulator, and by our records. One that was idle for 30 min has ended by itself."""
    ours = Bmc.objects.filter(session_state="open").values_list("device__name", flat=True)
    return lab.stats()["sessions_open"], dict.fromkeys(ours, 1)


def test_a_worker_killed_while_it_logs_in_leaks_no_session(real_db):
    """Between the answer of the BMC and the row: nobody knows the token, and only 16 sessions fit."""
    lab = labs.start(real_db, hosts=6, scale=10)
    hosts = list(Device.objects.filter(kind="host"))
    ask.operations(kind="identify", devices=hosts, params={}, actor=make.actor(), reason="first")
    for _ in range(3):
        killed(lab, "session:opened")
    open_now, ours = sessions(lab)
    assert sum(open_now.values()) > len(ours), "the kills left something to sweep"
    finished(lab)
    open_now, ours = sessions(lab)
    assert open_now == ours == dict.fromkeys((h.name for h in hosts), 1)


def test_killed_while_hosts_are_identified_inspected_burned_in_and_switched(real_db):
    points = points_of(lambda kind: kind not in WITH_AN_OS)
    names = [f"host-{n:03}" for n in range(1, len(points) + 1)]
    wrong = {name: "clock_wrong" for name, point in zip(names, points, strict=True) if point.startswith("identify:")}
    lab = labs.start(real_db, hosts=len(points), faults=wrong)
    hosts = {d.name: d for d in Device.objects.filter(kind="host")}
    ask.operations(kind="identify", devices=list(hosts.values()), params={}, actor=make.actor(), reason="first")
    for point in points[:2]:
        killed(lab, point)
    finished(lab)
    of = dict(zip(points, names, strict=True))
    for point in points[2:]:
        begin(lab, hosts[of[point]], point)
        killed(lab, point)
    finished(lab)
    check(lab, of)


def test_killed_while_hosts_are_installed_and_validated(real_db):
    points = points_of(lambda kind: kind in WITH_AN_OS)
    names = [f"host-{n:03}" for n in range(1, len(points) + 1)]
    lab = labs.start(real_db, hosts=len(points))
    hosts = {d.name: d for d in Device.objects.filter(kind="host")}
    ask.operations(kind="identify", devices=list(hosts.values()), params={}, actor=make.actor(), reason="first")
    finished(lab)
    of = dict(zip(points, names, strict=True))
    for point in [p for p in points if p.startswith("validate:")]:  # these need a system that runs
        begin(lab, hosts[of[point]], "install:-:-")
    for point in [p for p in points if p.startswith("install:")]:
        begin(lab, hosts[of[point]], point)
        killed(lab, point)
    finished(lab)
    for point in [p for p in points if p.startswith("validate:")]:
        begin(lab, hosts[of[point]], point)
        killed(lab, point)
    finished(lab)
    check(lab, of)


def test_a_bring_up_loses_and_doubles_nothing_whatever_is_killed(real_db):
    """The whole chain, four hosts at once: workers killed in every kind that acts, and Redis emptied in between."""
    lab = labs.start(real_db, hosts=4)
    made = begin_campaign("bring_up", {"state": "cabled"})
    killed(lab, "session:opened")
    for point in ("burn_in:uri:after", "burn_in:reset:before", "burn_in:reset:after", "install:boot_disk:after"):
        killed(lab, point)
        servers.VALKEY.say("FLUSHALL")
    killed(lab, "validate:start:after")
    finished(lab)
    check(lab, {})
    assert release.finish() == 1 and Campaign.objects.get(pk=made.pk).state == "done"
    for host in Device.objects.filter(kind="host"):
        moves = Transition.objects.filter(subject_kind="host", subject_id=host.pk).order_by("seq")
        assert [m.to_state for m in moves] == [*STATES, "in_service"], host.name
    moves = Transition.objects.filter(subject_kind="operation").values_list("subject_id", "to_state")
    assert sorted(moves) == sorted(
        (o.pk, to) for o in Operation.objects.all() for to in ("queued", "active", "succeeded")
    )
