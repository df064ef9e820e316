"""Acts on hosts in two steps: a review that is stored and shown, then the act itself, once, by whoever asked.

A review is void when a host changed since it was made; where another person must confirm, it waits for them.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from datetime import datetime, time, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from fleet import holds, reasons, second
from fleet.errors import BadValue, NotAllowed, NotFound, WrongState
from fleet.models import Actor, Device, Review
from provisioning.engine import ask, blast, campaign, moves
from provisioning.engine.blast import Facts, Plan
from provisioning.engine.rules import Rules
from provisioning.engine.verbs import DATA_OVER, Verb, verb

VALID_S = 600
UNUSED_DAYS = 7
# Nothing that is read aloud as something else.
LETTERS = "23456789abcdefghjkmnpqrstuvwxyz"

# after: how many transitions the act itself has made on each host. Plan: primary key, then one_mutating_operation.
CHANGED = """
SELECT d.name, r.state, d.state, coalesce(o.id, 0), coalesce(o.kind, '') FROM unnest(%s::bigint[], %s::text[],
  %s::int[], %s::bigint[]) AS r(id, state, seq, operation)
JOIN fleet_device d ON d.id = r.id
LEFT JOIN provisioning_operation o ON o.device_id = d.id AND o.mutating AND o.after_id IS NULL
  AND o.state IN ('', 'queued', 'active', 'lost')
WHERE d.seq <> r.seq OR coalesce(o.id, 0) <> r.operation ORDER BY d.name
"""
ELSEWHERE = """
SELECT d.name, r.state, d.state, 0, '' FROM unnest(%s::bigint[], %s::text[], %s::int[]) AS r(id, state, seq)
JOIN fleet_device d ON d.id = r.id WHERE d.seq <> r.seq + %s ORDER BY d.name
"""


def select(*, hosts: Sequence[Facts], how: Mapping[str, Any], actor: Actor) -> Review:
    """Store a selection, before anybody has said what to do with it. how: see Review.select."""
    return _store(hosts, how, actor)


def make(*, plan: Plan, how: Mapping[str, Any], actor: Actor) -> Review:
    """Store the review of an act on all that can take part. Nothing happens before commit()."""
    columns: dict[str, Any] = {"verb": plan.verb.name, "params": dict(plan.params), "shows": dict(plan.shows)}
    if "second" in plan.shows["asks"]:
        columns["second"] = plan.verb.second or "lose_data"
    return _store(plan.hosts, how, actor, rules=_stored(blast.usual_rules(plan.verb, len(plan.hosts))), **columns)


def _stored(rules: Rules) -> dict[str, Any]:
    """As JSON; _campaign() reads it."""
    found = {f.name: getattr(rules, f.name) for f in fields(rules)}
    return {
        name: value.isoformat() if isinstance(value, time | datetime) else value
        for name, value in found.items()
        if value is not None
    }


def _rules(stored: Mapping[str, Any]) -> Rules:
    read: dict[str, Callable[[str], Any]] = {
        "opens": time.fromisoformat,
        "closes": time.fromisoformat,
        "until": datetime.fromisoformat,
    }
    found: dict[str, Any] = {name: read[name](value) if name in read else value for name, value in stored.items()}
    return Rules(**found)


def of_two(
    *,
    found: Verb,
    params: Mapping[str, Any],
    devices: Sequence[Device],
    reason: str,
    actor: Actor,
    rules: Rules | None = None,
) -> Review | None:
    """For programs, which need no review: the act that now waits for a second person; None when one is enough.

    Raises WrongState (409) that lists each host that is refused; BadValue (422).
    """
    if not found.second and not (found.loses_data and len(devices) > DATA_OVER):
        return None
    facts, names = blast.facts(d.pk for d in devices), {"hosts": [d.name for d in devices]}
    with transaction.atomic():
        REFUSE[found.family](found, devices, actor)
        plan = blast.plan(verb=found, params=params, hosts=facts, role=actor.role)
        if plan.left_out:
            raise ask.busy([d.pk for d in devices])
        if "second" not in plan.shows["asks"]:
            return None
        made = make(plan=plan, how=names, actor=actor)
        return commit(code=made.code, reason=reason, number=len(facts), actor=actor, rules=rules)


REFUSE: dict[str, Callable[[Verb, Sequence[Device], Actor], None]] = {
    "operate": lambda found, devices, actor: ask.refuse(found.what, devices),
    "campaign": lambda found, devices, actor: campaign.refuse(found.what, devices),
    "move": lambda found, devices, actor: moves.check(hosts=[d.pk for d in devices], to=found.what, actor=actor),
}


def _store(hosts: Sequence[Facts], how: Mapping[str, Any], actor: Actor, **columns: Any) -> Review:
    now = timezone.now()
    Review.objects.filter(asked_at=None, made_at__lt=now - timedelta(days=UNUSED_DAYS)).delete()
    return Review.objects.create(
        code="".join(secrets.choice(LETTERS) for _ in range(8)),
        select=dict(how),
        asked_by=actor,
        made_at=now,
        valid_until=now + timedelta(seconds=VALID_S),
        **blast.as_they_were(hosts),
        **columns,
    )


def commit(*, code: str, reason: str, number: int | None, actor: Actor, rules: Rules | None = None) -> Review:
    """Whoever asked confirms: the act is done, or waits for the second person. A second time it is the same one.

    number: of the hosts, as a person typed it. rules: of a campaign, others than were shown. Raises NotFound (404),
    NotAllowed (403) for anybody else, BadValue (422), WrongState (409) `stale` with every host that changed, `expired`,
    and what the act itself refuses.
    """
    with transaction.atomic():
        review = Review.objects.select_for_update(of=("self",)).select_related("asked_by").filter(code=code).first()
        if review is None or not review.verb:
            raise NotFound(f"there is no review {code}", field="id", value=code)
        if not second.is_same(review.asked_by, actor):
            title, to = f"{review.asked_by.name} made this review", f"{review.asked_by.name}, or a review of your own"
            raise NotAllowed(title, field="id", value=code, expected=to)
        if review.asked_at is not None:
            return review
        if rules is not None:
            review.rules = _stored(rules)
        _confirmed(review, reason, number)
        if review.second:
            second.ask(review)
        else:
            _go(review, actor, None)
        review.save()
    return review


def _confirmed(review: Review, reason: str, number: int | None) -> None:
    n, asked = len(review.hosts), review.shows["asks"]
    if not n:
        raise WrongState("no host can take part", field="hosts", value=0, hint="choose others")
    review.reason = reasons.needed(reason)
    if "number" in asked and number != n:
        raise BadValue(
            "the number is another one", field="number", value=number, expected=f"{n}, as many as it touches"
        )
    now = timezone.now()
    if review.valid_until <= now:
        raise WrongState(
            f"this review held until {review.valid_until:%H:%M}", code="expired", field="id", value=review.code
        )
    refuse_stale(review)
    review.asked_at = now


def confirm(*, code: str, actor: Actor) -> Review:
    """Another person wants it too: it is done, in the role of who asked. Raises as fleet.second.take() and commit()."""
    with transaction.atomic():
        review = second.take(code=code, actor=actor)
        refuse_stale(review)
        _go(review, review.asked_by, actor)
        review.save()
    return review


def changed(review: Review) -> list[dict[str, str]]:
    """Hosts that are not what they were when it was made, in words. One query."""
    return _words(CHANGED, [review.hosts, review.states, review.seqs, review.operations])


def refuse_stale(review: Review) -> None:
    """Raises WrongState (409) with every host that changed."""
    _refuse(changed(review))


def _refuse(found: list[dict[str, str]]) -> None:
    if found:
        n = f"{len(found)} hosts" if len(found) > 1 else found[0]["value"]
        hint = "make a new review of the same selection"
        raise WrongState(f"{n} changed since this review", code="stale", field="hosts", errors=found, hint=hint)


def _words(statement: str, arguments: list[Any]) -> list[dict[str, str]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, arguments)
        return [{"field": "hosts", "value": row[0], "title": _one(*row)} for row in cursor.fetchall()]


def _one(name: str, was: str, state: str, operation: int, kind: str) -> str:
    title = f"{name} was {was}, is {state}" if was != state else f"{name} is {state}, but not as it was"
    return f"{title}, with {kind} {operation} under way" if operation else title


def _go(review: Review, actor: Actor, other: Actor | None) -> None:
    """Do it. The hosts are locked by what does it, so that whoever changes one meanwhile is seen here, or sees this."""
    found = verb(review.verb)
    devices = list(Device.objects.filter(pk__in=review.hosts).order_by("pk"))
    family = "campaign" if "campaign" in review.shows["asks"] else found.family
    review.led_to = DO[family](review, found, devices, actor, other)
    review.done_at = timezone.now()
    moved = 1 if family in ("move", "force") else 0
    _refuse(_words(ELSEWHERE, [review.hosts, review.states, review.seqs, moved]))


Did = dict[str, list[int]]


def _words_of(review: Review, actor: Actor, other: Actor | None) -> str:
    both = f" (asked by {actor.name}, confirmed by {other.name})" if other else ""
    return review.reason[: reasons.MOST - len(both)] + both


def _operate(review: Review, found: Verb, devices: list[Device], actor: Actor, other: Actor | None) -> Did:
    words = _words_of(review, actor, other)
    made = ask.operations(kind=found.what, devices=devices, params=review.params, actor=actor, reason=words)
    return {"operations": [o.pk for o in made]}


def _campaign(review: Review, found: Verb, devices: list[Device], actor: Actor, other: Actor | None) -> Did:
    words, names = _words_of(review, actor, other), {"hosts": [d.name for d in devices]}
    made = campaign.create(
        kind=found.what,
        devices=devices,
        select=names,
        params=review.params,
        rules=_rules(review.rules),
        actor=actor,
        reason=words,
    )
    return {"campaigns": [made.pk]}


def _move(review: Review, found: Verb, devices: list[Device], actor: Actor, other: Actor | None) -> Did:
    ids, ends = [d.pk for d in devices], [o for o in review.operations if o]
    is_forced = found.family == "force"
    moved = moves.move(
        hosts=ids,
        to=found.what,
        reason=review.reason,
        actor=actor,
        force=is_forced,
        ends=ends if is_forced else None,
        confirmed_by=other,
    )
    return {"transitions": [m.id for m in moved]}


def _hold(review: Review, found: Verb, devices: list[Device], actor: Actor, other: Actor | None) -> Did:
    placed = holds.place_all(devices=review.hosts, kind=found.what, reason=review.reason, actor=actor)
    return {"holds": [h.pk for h in placed]}


DO: dict[str, Callable[[Review, Verb, list[Device], Actor, Actor | None], Did]] = {
    "operate": _operate,
    "campaign": _campaign,
    "move": _move,
    "force": _move,
    "hold": _hold,
}


def undo(*, code: str, actor: Actor) -> Review:
    """Lift the holds that a review led to and that still stand. Raises NotFound (404), WrongState (409)."""
    with transaction.atomic():
        review = Review.objects.filter(code=code).first()
        if review is None:
            raise NotFound(f"there is no review {code}", field="id", value=code)
        if not (placed := review.led_to.get("holds")):
            raise WrongState("nothing of this can be undone", field="id", value=code)
        holds.lift_all(placed, actor=actor)
    return review
