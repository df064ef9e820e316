"""/policy/notices/: who is told of what, and what was told."""

from collections.abc import Callable
from datetime import time
from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from fleet.errors import BadValue, MusterError
from fleet.http import forms, rights
from fleet.http.auth import PageRequest, needs
from fleet.http.paging import BIGINT
from fleet.models import NoticeRule, Site
from fleet.models.evidence import SEVERITIES
from fleet.models.notices import CHANNELS
from fleet.notices import rules, run
from fleet.reads import notices as reads

TOLD = 50
# A rule of all sites is for those who may act at all of them.
NO_SITE = 0
FLAGS = ("critical_breaks_quiet", "tell_closed", "active")


@require_safe
@needs("read")
def notices(request: PageRequest) -> HttpResponse:
    """Rules, what was told lately, and the form of a rule: a new one, or ?edit= one that stands."""
    shown = forms.blank()
    try:
        edit = forms.number(request.GET, "edit", low=1, high=BIGINT)
    except BadValue as error:
        return _show(request, shown | {"error": error}, error.status)
    if edit:
        rule = reads.rule(edit, request.who.sites("read"))
        flags = {name: "on" if rule[name] else "" for name in FLAGS}
        lists = {name: " ".join(rule[name]) for name in ("domains", "kinds")}
        shown |= {"typed": {**rule, **flags, **lists, "rule": edit, "target": ""}, "edit": rule["name"]}
    else:
        shown["typed"] = {"severity": "warning", "critical_breaks_quiet": "on", "active": "on"}
    return _show(request, shown)


def _show(request: PageRequest, shown: Any, status: int = 200) -> HttpResponse:
    sites = request.who.sites("read")
    found = reads.ready(list(reads.rules(sites).order_by("name")))
    told = reads.told(list(reads.notices({}, sites).order_by("-id")[:TOLD]))
    context = {"here": "policy", **shown, "rules": found, "told": told, "severities": SEVERITIES, "channels": CHANNELS}
    context["sites"] = Site.objects.order_by("name").values_list("name", flat=True)
    return render(request, "policy/notices.html", context, status=status)


def _refused(request: PageRequest, form: str) -> Callable[[MusterError], HttpResponse]:
    def show(error: MusterError) -> HttpResponse:
        error.field = "sign" if error.field == "key" else error.field  # `key` is each form's own
        shown = dict(forms.typed(request.POST, form, error))
        shown["typed"] = {name: value for name, value in request.POST.items() if name not in ("key", "sign", "target")}
        return _show(request, shown, error.status)

    return show


def _place(request: PageRequest, rule_id: int) -> None:
    _demand(request, reads.site_of(rule_id, request.who.sites("read")))


def _demand(request: PageRequest, site: int | None) -> None:
    rights.demand(request.who, "policy", sites=[site or NO_SITE])


@require_POST
@needs("policy")
def save(request: PageRequest) -> HttpResponse:
    """Make a rule, or change one."""

    def effect() -> str:
        rule_id = forms.number(request.POST, "rule", low=1, high=BIGINT)
        if rule_id:
            _place(request, rule_id)
        asked = _asked(request)
        _demand(request, asked["site_id"])
        if rule_id:
            rules.change(rule_id, asked, actor=request.actor)
        else:
            rules.create(rules.Wanted(**asked), actor=request.actor)
        messages.success(request, f"Rule {asked['name']} stands.")
        return reverse("notices")

    return forms.act(request, effect, _refused(request, "rule"))


def _asked(request: PageRequest) -> dict[str, Any]:
    """What the form says. target and sign are left empty for what stands."""
    data = request.POST
    asked: dict[str, Any] = {name: data.get(name) == "on" for name in FLAGS}
    asked |= {name: forms.text(data, name) for name in ("name", "channel", "severity")}
    asked |= {name: tuple(forms.text(data, name, most=2000).split()) for name in ("domains", "kinds")}
    asked |= {name: _hour(data, name) for name in ("quiet_from", "quiet_until")}
    asked["target"], asked["key"] = forms.text(data, "target", most=rules.ADDRESS_MOST), forms.text(data, "sign")
    asked["escalate_after_min"] = forms.number(data, "escalate_after_min", low=1, high=rules.MINUTES_MOST)
    asked["escalate_to_id"] = forms.number(data, "escalate_to", low=1, high=BIGINT)
    if asked["escalate_to_id"]:
        reads.site_of(asked["escalate_to_id"], request.who.sites("read"))
    site = forms.text(data, "site")
    asked["site_id"] = Site.objects.filter(name=site).values_list("id", flat=True).first() if site else None
    if site and asked["site_id"] is None:
        raise BadValue(f"there is no site {site!r}", field="site", value=site)
    return asked


def _hour(data: Any, name: str) -> time | None:
    text = forms.text(data, name)
    try:
        return time.fromisoformat(text).replace(tzinfo=None) if text else None
    except ValueError as error:
        raise BadValue(f"{name} is no time of day", field=name, value=text, expected="such as 22:00") from error


@require_POST
@needs("policy")
def test(request: PageRequest, id: int) -> HttpResponse:
    """Send a test by a rule, and say on the page what became of it."""

    def effect() -> str:
        _place(request, id)
        notice = run.test(NoticeRule.objects.select_related("secret").get(pk=id))
        if notice.state == "sent":
            messages.success(request, f"The test of {notice.rule.name} arrived.")
        else:
            messages.error(request, f"The test of {notice.rule.name} did not arrive: {notice.error}")
        return reverse("notices")

    return forms.act(request, effect, _refused(request, f"test-{id}"))


@require_POST
@needs("policy")
def delete(request: PageRequest, id: int) -> HttpResponse:
    """It tells nothing any more."""

    def effect() -> str:
        _place(request, id)
        rules.delete(id, actor=request.actor)
        return reverse("notices")

    return forms.act(request, effect, _refused(request, "delete"))
