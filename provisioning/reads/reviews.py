"""Reviews as pages and programs see them: who may do what to a selection, what an act would touch, what came of it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from django.db.models import F
from django.urls import reverse

from fleet.errors import NotFound
from fleet.http import rights
from fleet.http.rights import LETTERS, Who
from fleet.models import Device, Review, Transition
from fleet.reads import hosts as fleet_hosts
from fleet.reads.rows import Sites
from provisioning.engine import act, blast, verbs
from provisioning.engine.blast import Facts
from provisioning.engine.verbs import VERBS, Verb
from provisioning.models import UNDER_WAY, Operation
from provisioning.reads.moves import role_for

MOST_SHOWN = 100
MINUTE = 60


def body(verb: Verb, params: Mapping[str, Any], devices: Sequence[Device], role: str) -> dict[str, Any]:
    """The answer to a dry run (provisioning.api.reviews.ReviewOut)."""
    shows = blast.plan(verb=verb, params=params, hosts=blast.facts(d.pk for d in devices), role=role).shows
    refused = [
        {"field": "host", "value": name, "title": f"{name}: {group['why']}"}
        for group in shows["left_out"]
        for name in group["hosts"]
    ]
    kind = verb.name if verb.family in ("move", "force") else verb.what
    return {**shows, "dry_run": True, "kind": kind, "chain": shows["kinds"], "refused": refused}


def selected(how: Mapping[str, Any], sites: Sites) -> list[int]:
    """Ids of the hosts of a selection, as they are found now. Raises BadValue (422), NotFound (404)."""
    if "filters" in how:
        found = fleet_hosts.select(fleet_hosts.filters(how["filters"]), sites)
    else:
        found = fleet_hosts.select({}, sites).filter(name__in=how["hosts"])
    names = dict(found.values_list("name", "id"))
    if missing := sorted(set(how.get("hosts", ())) - set(names)):
        raise NotFound(f"there is no host {missing[0]}", field="host", value=missing[0])
    if not names:
        raise NotFound("no host matches any more", field="host", expected="drop a filter, or tick some hosts")
    return list(names.values())


def roles_of(who: Who, sites: set[int]) -> dict[str, list[str]]:
    """By the act of a verb: letters of the roles in which somebody may do it at each of these sites."""
    grants, found = set(who.grants), {}
    for name in {verb.act for verb in VERBS.values()}:
        able = [r for r in rights.ACTS[name].roles if all({(r, None), (r, site)} & grants for site in sites)]
        found[name] = [LETTERS[r] for r in able]
    return found


def role_of(who: Who, verb: Verb, devices: Sequence[Device]) -> str:
    """The role in which somebody does this to these hosts. Raises NotSignedIn (401), NotAllowed (403)."""
    if verb.family == "move":
        return role_for(who, devices, verb.what, force=False)
    return rights.roles_at(who, verb.act, sites={d.site_id for d in devices})[0]


def page(review: Review, who: Who) -> dict[str, Any]:
    """What the page of a review shows, by how far it is: chosen, shown, waits, done."""
    if not review.verb:
        found = blast.facts(review.hosts)
        offers = blast.offers(found, roles_of(who, {h.site_id for h in found}))
        return {"stage": "chosen", "n": len(found), "names": [h.name for h in found], "families": _families(offers)}
    common = {
        "n": len(review.hosts),
        "shows": review.shows,
        "names": review.shows["hosts"],
        "usually": usually(review.shows["takes"]),
    }
    common |= {"verb": verbs.verb(review.verb), "is_mine": _is_mine(review, who)}
    if review.done_at:
        return {**common, "stage": "done", "led_to": _led_to(review)}
    return {**common, "stage": "waits" if review.asked_at else "shown", "changed": act.changed(review)}


def offers(
    who: Who, host: Mapping[str, Any], facts: Mapping[str, Any], operations: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
    """For the page of one host, by family: {"offers": [...], "may", "needs"}. operations: its latest, as rows."""
    open_ones = (o for o in operations if o["state"] in UNDER_WAY and o["after"] is None)
    under_way: Mapping[str, Any] = next(open_ones, {"id": 0, "kind": ""})
    one = Facts(
        id=host["id"],
        name=host["name"],
        state=host["state"],
        seq=0,
        held=host["holds"],
        health=host["health"],
        site_id=facts["site_id"],
        operation=under_way["id"],
        operation_kind=under_way["kind"],
        since=host["state_since"],
    )
    found: dict[str, list[dict[str, Any]]] = {"operate": [], "move": []}
    for offer in blast.offers([one], roles_of(who, {facts["site_id"]})):
        family = {"force": "move"}.get(offer["verb"].family, offer["verb"].family)
        if family == "operate" or (family == "move" and offer["n"] and offer["may"]):
            found[family].append({**offer, "why": offer["why"][0][0] if offer["why"] else ""})
    return {**found, "under_way": under_way if under_way["id"] else None}


def usually(takes: Mapping[str, Any] | None) -> str:
    """How long one host takes, as "usually 11 to 14 min"; '' when nobody knows."""
    if takes is None:
        return ""
    low, high = takes["low_s"], takes["high_s"]
    if high < 2 * MINUTE:
        return f"usually {math.floor(low)} to {math.ceil(high)} s"
    first, last = math.floor(low / MINUTE), math.ceil(high / MINUTE)
    return f"usually {first} to {last} min" if first else f"usually up to {last} min"


def _is_mine(review: Review, who: Who) -> bool:
    return (review.asked_by.kind, review.asked_by.name) == (who.kind, who.name)


FAMILIES = {
    "operate": "Operations",
    "campaign": "Campaigns, in waves: hosts in service are drained first, and come back",
    "move": "Moves",
    "force": "Moves",
    "hold": "Holds",
}


def _families(offers: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Offers under headings, without moves that no edge allows and campaigns that take no more than operations do."""
    found: dict[str, list[dict[str, Any]]] = {}
    at_once = {o["verb"].name.partition(".")[2]: o["n"] for o in offers if o["verb"].family == "operate"}
    for offer in offers:
        family, rest = offer["verb"].name.split(".", 1)
        more = offer["n"] > at_once.get(rest, 0) if family == "campaign" else offer["n"]
        if more or family in ("operate", "hold"):
            found.setdefault(FAMILIES[offer["verb"].family], []).append(offer)
    return [{"words": words, "offers": some} for words, some in found.items()]


def _led_to(review: Review) -> dict[str, Any]:
    """What came of it, ready to link to. One query."""
    led = review.led_to
    if pks := led.get("operations"):
        rows = Operation.objects.filter(pk__in=pks).order_by("device__name").annotate(host=F("device__name"))
        return {"operations": list(rows.values("id", "kind", "state", "host")[:MOST_SHOWN]), "n": len(pks)}
    if pks := led.get("transitions"):
        return {"moved": Transition.objects.filter(pk__in=pks).count()}
    if pks := led.get("holds"):
        return {"standing": fleet_hosts.standing(pks), "n": len(pks)}
    return dict(led)


def address(review: Review) -> str:
    """Where somebody goes who has confirmed: to the one thing it led to, else to the review itself."""
    led = review.led_to
    if pks := led.get("campaigns"):
        return reverse("campaign", args=[pks[0]])
    if len(pks := led.get("operations", [])) == 1:
        return reverse("operation", args=[pks[0]])
    return reverse("act", args=[review.code])
