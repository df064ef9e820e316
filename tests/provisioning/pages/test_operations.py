"""The page of an operation: its steps as they are, and what can be done in each state."""

import re

import pytest
from django.db.models.functions import Now
from django.utils import timezone

from provisioning.models import BootWindow, Intent, LogLine, Operation, Step
from tests.support import make, people

KEY = "0123456789abcdef"


def text_of(answer, status=200):
    assert answer.status_code == status, answer.content.decode()[:2000]
    return answer.content.decode()


def step(operation, n, name, outcome, *, attempt=1, words=""):
    now = timezone.now()
    Step.objects.create(
        operation=operation, n=n, name=name, attempt=attempt, fence=1, started_at=now, ended_at=now, outcome=outcome,
        words=words,
    )  # fmt: skip


def rows(text):
    """(step, outcome) of the table of steps."""
    table = re.search(r'aria-label="Steps".*?</table>', text, re.S).group()
    found = []
    for row in re.findall(r"<tr>(.*?)</tr>", table, re.S)[1:]:
        cells = re.findall(r"<td>(.*?)</td>", row, re.S)
        found.append(tuple(re.sub(r"<[^>]+>", "", c).strip() for c in cells[:2]))
    return found


def test_steps_in_the_order_of_the_kind_with_their_tries(db):
    operation = make.operation("identify", make.host(), state="active", step=1, step_name="match", waits_for="the BMC")
    step(operation, 0, "contact", "retry", words="no answer")
    step(operation, 0, "contact", "done", attempt=2, words="it answers")
    text = text_of(people.signed_in("viewer").get(f"/operations/{operation.pk}/"))
    assert rows(text) == [("1 contact", "done"), ("2 match", "running"), ("3 clock", "not yet")]
    assert "no answer" in text
    assert "the BMC" in text
    assert "Step 2 of 3" in text


def test_both_deadlines_stand_with_the_step_while_it_is_under_way(db):
    at = timezone.now().replace(hour=12, minute=34)
    times = {"step_deadline_at": at, "deadline_at": at.replace(minute=56)}
    operation = make.operation("identify", make.host(), state="active", **times)
    path = f"/operations/{operation.pk}/"
    text = text_of(people.signed_in("viewer").get(path))
    assert re.search(r"deadline [^<]*12:34[^<]*, of the whole [^<]*12:56", re.sub(r"</?time[^>]*>", "", text))
    Operation.objects.filter(pk=operation.pk).update(deadline_at=None)
    assert "of the whole" not in text_of(people.signed_in("viewer").get(path)), "one that an older version began"


def test_after_a_retry_later_steps_have_not_begun(db):
    operation = make.operation("identify", make.host(), state="active", step=0, step_name="contact")
    step(operation, 0, "contact", "done")
    step(operation, 1, "match", "fail")
    text = text_of(people.signed_in("viewer").get(f"/operations/{operation.pk}/"))
    assert rows(text)[:2] == [("1 contact", "running"), ("2 match", "not yet")]


def test_boot_intents_and_log(db):
    operation = make.operation("install", make.host("burned_in"), state="active")
    now = timezone.now()
    BootWindow.objects.create(
        operation=operation, device=operation.device, mode="install", delivery="uefi_http", opened_at=now, asks=3,
        stage="kernel", stage_at=now,
    )  # fmt: skip
    Intent.objects.create(
        operation=operation,
        device=operation.device,
        step=6,
        attempt=1,
        what="reset: ForceRestart",
        power=True,
        fence=1,
        at=now,
    )
    LogLine.objects.create(at=now, operation_id=operation.pk, source="host", line="<b>disk</b> failed")
    text = text_of(people.signed_in("viewer").get(f"/operations/{operation.pk}/"))
    assert "install, by uefi http" in text
    assert "3 times" in text
    assert "kernel" in text
    assert "reset: ForceRestart (power)" in text
    assert "&lt;b&gt;disk&lt;/b&gt; failed" in text


def test_a_poll_sees_a_change_and_brings_the_forms_only_when_the_state_is_another(db):
    operation = make.operation("identify", make.host(), state="active", step_name="contact")
    client = people.signed_in("operator")
    first = text_of(client.get(f"/operations/{operation.pk}/"))
    address = re.search(r'hx-get="([^"]+)"', first).group(1).replace("&amp;", "&")
    assert client.get(address, headers={"HX-Request": "true"}).status_code == 204
    Operation.objects.filter(pk=operation.pk).update(waits_for="the BMC")
    text = text_of(client.get(address, headers={"HX-Request": "true"}))
    assert "the BMC" in text
    assert "<form" not in text
    people.program().post(f"/operations/{operation.pk}/cancel", {"reason": "stop it"})
    other = make.operation("identify", make.host(), state="failed")
    address = address.replace(f"/operations/{operation.pk}/", f"/operations/{other.pk}/")
    text = text_of(client.get(address, headers={"HX-Request": "true"}))
    assert 'id="actions" hx-swap-oob="true"' in text
    assert "Retry from the failed step" in text


@pytest.mark.parametrize(
    ("state", "role", "shown", "not_shown"),
    [
        ("queued", "operator", ["/cancel/"], ["/retry/", "/skip/", "/found/"]),
        ("active", "operator", ["/cancel/"], ["/retry/", "/skip/", "/found/"]),
        ("failed", "operator", ["/retry/", "This needs the role admin"], ["/cancel/", "/skip/"]),
        ("failed", "admin", ["/retry/", "/skip/"], ["/cancel/", "/found/"]),
        ("lost", "operator", ["/found/"], ["/cancel/", "/retry/", "/skip/"]),
        ("succeeded", "admin", [], ["/cancel/", "/retry/", "/skip/", "/found/"]),
        ("active", "viewer", ["This needs the role operator or admin"], ["/cancel/"]),
    ],
)
def test_what_can_be_done(db, state, role, shown, not_shown):
    operation = make.operation("identify", make.host(), state=state)
    text = text_of(people.signed_in(role).get(f"/operations/{operation.pk}/"))
    assert all(words in text for words in shown)
    assert not any(words in text for words in not_shown)


@pytest.mark.parametrize(
    ("state", "verb", "more", "after"),
    [
        ("queued", "cancel", {}, "cancelled"),
        ("failed", "retry", {}, "queued"),
        ("failed", "skip", {}, "queued"),
        ("lost", "found", {"outcome": "failed"}, "failed"),
        ("lost", "found", {"outcome": "go_on"}, "active"),
    ],
)
def test_acts(db, state, verb, more, after):
    ended = {"ended_at": Now()} if state in ("failed", "lost") else {}
    operation = make.operation("identify", make.host(), state=state, **ended)
    form = {"key": f"{KEY}-{verb}", "reason": "as it must be", **more}
    answer = people.signed_in("admin").post(f"/operations/{operation.pk}/{verb}/", form)
    assert (answer.status_code, answer["Location"]) == (303, f"/operations/{operation.pk}/")
    assert Operation.objects.get(pk=operation.pk).state == after


@pytest.mark.parametrize(
    ("verb", "form", "status", "words"),
    [
        ("cancel", {"reason": ""}, 422, "A reason is needed"),
        ("retry", {"reason": "again"}, 409, "is active"),
        ("found", {"reason": "looked", "outcome": "maybe"}, 422, "Outcome is needed"),
    ],
)
def test_a_refused_act_keeps_the_page_and_polls_it(db, verb, form, status, words):
    operation = make.operation("identify", make.host(), state="active")
    answer = people.signed_in("admin").post(f"/operations/{operation.pk}/{verb}/", {"key": KEY, **form})
    text = text_of(answer, status)
    assert words in text
    assert f'hx-get="/operations/{operation.pk}/?have=' in text


@pytest.mark.parametrize("path", ["/operations/999999/", f"/operations/{10**30}/", f"/campaigns/{10**30}/"])
def test_what_does_not_exist_is_404(db, path):
    text_of(people.signed_in("viewer").get(path), 404)


def test_an_act_on_what_does_not_exist_is_404(db):
    text_of(people.signed_in("admin").post(f"/operations/{10**30}/cancel/", {"key": KEY, "reason": "no"}), 404)
    text_of(people.signed_in("admin").post(f"/campaigns/{10**30}/halt/", {"key": KEY}), 404)
