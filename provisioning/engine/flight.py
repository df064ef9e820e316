"""One claimed operation in flight: its context, its steps one after the other, and what an outcome means for it."""

import os
import random
import signal
import traceback
from asyncio import Future
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from django.conf import settings
from django.db import InterfaceError, OperationalError

from fleet.profiles import profile_spec
from provisioning.bmc.errors import BmcError
from provisioning.bmc.types import Permit
from provisioning.engine import sessions, snapshot
from provisioning.engine.claim import MOST_CLAIMS, Want
from provisioning.engine.write import Record
from provisioning.operations import deadlines, pace
from provisioning.operations.context import Context, Refused
from provisioning.operations.evidence import last_look
from provisioning.operations.kinds import Kind, Step
from provisioning.operations.outcomes import Done, Fail, Lost, OpenFinding, Outcome, Retry, Wait, from_error
from provisioning.operations.registry import KINDS

if TYPE_CHECKING:
    from provisioning.engine.turn import Pump

BACK_OFF_S = 20.0
BACK_OFF_MAX_S = 240.0
HELD_S = 60.0
# Real seconds at most between a claim and its look, and between the look and its record. A hold stands for days, so
# that even a tenth of a second for each look would come to a deadline.
ASIDE_S = 2.0
# Real seconds between looks at what wakes its operation by itself, whatever the scale: 511 hosts that were looked at
# every 0.2 s kept a worker busy with nothing.
POKED_S = 5.0
NO_LOOK = {"bmc_unreachable", "bmc_tls", "bmc_credentials", "wrong_state", "time_scale", "worker_died"}
# A host that somebody has taken elsewhere is no worse for it, but what was asked for waits for a person.
SEVERITY = {"wrong_state": "info"}
WORDS = 500
UNKNOWN = "outcome_unknown"


class Overtaken(Exception):
    """What this flight found before could not be written: it is no longer its business to act."""


class Flight:
    """Runs the steps of one operation until it must wait or ends. Lives in the pump's event loop."""

    def __init__(self, row: dict[str, Any], pump: "Pump") -> None:
        self.row = row
        self.pump = pump
        self.op: int = row["id"]
        self.fence: int = row["fence"]
        self.device: int = row["device_id"]
        self.kind: Kind = KINDS[row["kind"]]
        self.n: int = row["step"]
        self.attempt: int = row["attempt"]
        self.started_at: datetime | None = row["step_started_at"]
        self.deadline_at: datetime | None = row["step_deadline_at"]
        self.ends_at: datetime | None = row["deadline_at"]
        self.profile = profile_spec(row["profile_id"])
        self.result: dict[str, Any] = snapshot.parsed(row["result"])
        self.window = snapshot.window(row)
        self.sent = snapshot.sent(row)
        self.target, self.unreadable = snapshot.target(row)
        self.intents = 0
        self.must_sweep: bool = row["session_state"] == "opening"
        self.put: Future[bool] | None = None
        pump.devices[row["name"]] = self.device

    @property
    def step(self) -> Step:
        """The step it stands at."""
        return self.kind.steps[self.n]

    async def fly(self) -> None:
        """Steps, one after the other. Returns when the operation waits, ended, or is no longer ours."""
        while True:
            now = datetime.now(UTC)
            self.started_at = self.started_at or now
            self.intents = 0
            context = self._context(now)
            try:
                outcome = await self._outcome(context)
            except Overtaken:
                return
            self.target = context.target
            if self.intents:
                kill_at(f"{self.kind.name}:{self.step.name}:after")
            record, go_on = self._record(outcome, context)
            # The next step may act only when this one's intents are settled on record.
            wait = self.intents > 0 or not go_on
            self.put = self.pump.put(record, hurry=wait)
            if (wait and not await self.put) or not go_on:
                return

    async def _outcome(self, context: Context) -> Outcome:
        if self.row["cancel_by_id"] and not (self.step.no_power and self.sent):
            return Fail(self.row["cancel_reason"] or "cancelled", "cancelled")
        ended = self._deadly(context) or self._timed(context.now) or self._stopped()
        outcome = ended or self._blocked(context) or await self._run(context)
        if isinstance(outcome, Wait | Retry):
            outcome = self._in_time(outcome)
        if isinstance(outcome, Retry) and outcome.counts and self.attempt >= self.step.attempts:
            outcome = Fail(
                f"{outcome.why} (attempt {self.attempt} of {self.step.attempts})", outcome.cause or self.step.cause
            )
        if isinstance(outcome, Fail) and outcome.cause != "cancelled" and self.kind.fails_to:
            return await self._failed(outcome, context)
        return _reported(outcome) if isinstance(outcome, Lost) else outcome

    def _deadly(self, context: Context) -> Fail | Lost | None:
        """Nothing of it is run any more when worker after worker died before it had an outcome."""
        if self.row["claims"] <= MOST_CLAIMS:
            return None
        words = f"{MOST_CLAIMS} workers ended in step {self.step.name} before it had an outcome: their log may say why"
        return Lost(words) if context.in_doubt else Fail(words, "worker_died")

    def _timed(self, now: datetime) -> Fail | None:
        """Its deadlines, from their first claim. Where a profile has no times, the operation fails and is not lost."""
        try:
            self.deadline_at = self.deadline_at or now + timedelta(seconds=deadlines.of_step(self.step, self.profile))
            self.ends_at = self.ends_at or now + timedelta(seconds=deadlines.of_kind(self.kind, self.profile))
        except (ArithmeticError, ValueError, TypeError) as error:
            return _bug(error)
        return None

    def _stopped(self) -> Fail | None:
        """Why nothing may be asked of this host at all."""
        if self.row["host_state"] not in self.kind.from_states:
            return Fail(
                f"the host is {self.row['host_state']} now: {self.kind.name} has no business there", "wrong_state"
            )
        if self.unreadable:
            return Fail(f"the BMC's login cannot be read: {self.unreadable}", "bmc_credentials")
        if settings.TIME_SCALE != 1 and not _is_loopback(self.target.base_url):
            return Fail(
                f"time runs {settings.TIME_SCALE:g} times as fast here: only loopback BMCs are touched", "time_scale"
            )
        return None

    def _blocked(self, context: Context) -> Outcome | None:
        blocked: datetime | None = self.row["blocked_until"]
        if blocked is None or blocked <= context.now:
            return None
        wait_s = pace.field_s((blocked - context.now).total_seconds())
        why = "the BMC refused our login twice: nobody tries for a while"
        return Retry(why, "bmc_credentials", counts=False, after_s=wait_s, in_doubt=bool(context.in_doubt))

    async def _failed(self, outcome: Fail, context: Context) -> Fail:
        """A failure opens a finding with an owner, and takes its evidence before anything is reset."""
        finding = OpenFinding("operation", outcome.cause, SEVERITY.get(outcome.cause, "critical"), outcome.why)
        seen = () if outcome.cause in NO_LOOK else await last_look(context)
        return Fail(outcome.why, outcome.cause, (*outcome.effects, finding, *seen), outcome.traceback)

    def _is_over(self) -> bool:
        """Whether the whole operation's time has passed; never in a critical section, which nothing cuts off."""
        return bool(self.ends_at and datetime.now(UTC) > self.ends_at and not self.step.no_power)

    def _in_time(self, outcome: Wait | Retry) -> Outcome:
        """The outcome itself, or what it comes to when the deadline of its step or of the whole has passed."""
        now = datetime.now(UTC)
        if self.deadline_at and now > self.deadline_at:
            minutes = pace.field_minutes((now - (self.started_at or now)).total_seconds())
            words = f"deadline of step {self.step.name} passed after {minutes:.0f} min; last: {outcome.why}"
        elif self._is_over():
            words = f"deadline of {self.kind.name} passed in step {self.step.name}; last: {outcome.why}"
        else:
            return outcome
        if outcome.in_doubt:
            return Lost(f"{words}; what was sent last may or may not have been done", outcome.effects)
        cause = outcome.cause if isinstance(outcome, Retry) and outcome.cause else self.step.cause
        return Fail(words, cause, outcome.effects)

    async def _run(self, context: Context) -> Outcome:
        try:
            if self.must_sweep and self.target.fingerprint:
                await sessions.close_unrecorded(self.pump, context.bmc, context.host.name)
                self.must_sweep = False
            return await self.step.run(context)
        except BmcError as error:
            return _unsettled(from_error(error), context)
        except Refused as refused:
            return self._refused(refused, context)
        except (OperationalError, InterfaceError) as error:  # of an intent or a session: somebody held a row too long
            why = f"the database did not answer: {str(error).splitlines()[0]}"
            return Retry(why, "database", counts=False, in_doubt=self.intents > 0)
        except Overtaken:
            raise
        except Exception as error:  # noqa: BLE001 (the top of a turn: a bug is a Fail, never a silent retry)
            return _bug(error)

    def _refused(self, refused: Refused, context: Context) -> Outcome:
        if refused.code in ("power_cap", "observe_only", "cancelled"):
            return Fail(refused.words, refused.code)
        if refused.code == "deadline":
            return Retry(refused.words, "deadline", counts=False, in_doubt=bool(context.in_doubt))
        if refused.code == "hold":  # a host that somebody holds is not late: neither the wait nor the look counts
            held = datetime.now(UTC) - context.now + timedelta(seconds=pace.seconds(HELD_S) + ASIDE_S)
            self.deadline_at, self.ends_at = _later(self.deadline_at, held), _later(self.ends_at, held)
        return Wait(HELD_S, refused.words)

    def _context(self, now: datetime) -> Context:
        row = self.row
        return Context(
            operation_id=self.op,
            kind=self.kind.name,
            params=snapshot.parsed(row["params"]),
            result=self.result,
            attempt=self.attempt,
            step_name=self.step.name,
            step_started_at=self.started_at or now,
            now=now,
            host=snapshot.host(row),
            profile=self.profile,
            window=self.window,
            sent=tuple(self.sent),
            boot_url=settings.BOOT_URL,
            target=self.target,
            fleet=self.pump.bmcs,
            agent=self.pump.agents,
            permit=self._permit,
        )

    async def _permit(self, what: str, *, power: bool, beacon: bool) -> Permit:
        """Where the operation stands is on record before its intent is: who takes over looks for it at that step."""
        if self.put is not None and not await self.pump.written(self.put):
            raise Overtaken
        if self._is_over():  # a step that has looked begins nothing that would be judged before it can show
            raise Refused("deadline", f"{what}: not begun any more")
        want = Want(self.op, self.fence, self.n, self.attempt, what, power, beacon, self.step.no_power)
        permit = await self.pump.permit(want)
        self.intents += 1
        kill_at(f"{self.kind.name}:{self.step.name}:before")
        return permit

    def _record(self, outcome: Outcome, context: Context) -> tuple[Record, bool]:
        """The outcome as it is written, and whether the next step follows at once."""
        step, n, attempt, started = self.step, self.n, self.attempt, self.started_at
        ended, cause, wait_s = self._follow(outcome)
        in_doubt = isinstance(outcome, Wait | Retry | Lost) and getattr(outcome, "in_doubt", True)
        go_on = isinstance(outcome, Done) and not ended
        record = Record(
            op=self.op,
            fence=self.fence,
            device=self.device,
            kind=self.kind.name,
            host_state=self.row["host_state"],
            step=n,
            step_name=step.name,
            attempt=attempt,
            outcome="cancelled" if ended == "cancelled" else type(outcome).__name__.lower(),
            words=(outcome.words if isinstance(outcome, Done) else outcome.why)[:WORDS],
            started_at=started or context.now,
            next_step=self.n,
            next_name=self.step.name,
            next_attempt=self.attempt,
            next_started_at=self.started_at,
            next_deadline_at=self.deadline_at,
            ends_at=self.ends_at,
            wait_s=wait_s,
            pokes=self.row["pokes"],
            release=not go_on,
            ended=ended,
            cause=cause,
            result=dict(getattr(outcome, "result", {})),
            progress=getattr(outcome, "progress", None) or (0, 0),
            effects=outcome.effects,
            log_lines=tuple(context.log_lines),
            traceback=getattr(outcome, "traceback", ""),
            settle=not in_doubt,
            row=not isinstance(outcome, Wait),
        )
        return record, go_on

    def _follow(self, outcome: Outcome) -> tuple[str, str, float]:
        """Stand where the outcome leads: (state that the operation ends in or '', cause, real seconds to wait)."""
        if isinstance(outcome, Fail | Lost):
            return (*_end(outcome), 0.0)
        self.result = {**self.result, **outcome.result}
        if isinstance(outcome, Done):
            is_last = self.n + 1 == len(self.kind.steps)
            self._go_to(self.n if is_last else self.n + 1)
            return "succeeded" if is_last else "", "", 0.0
        if isinstance(outcome, Wait):
            wait_s = max(pace.seconds(outcome.seconds), POKED_S if outcome.poked else 0.0)
            return "", "", max(min(wait_s, self._left_s() + 0.5), 0.05)
        wait_s = self._back_off_s(outcome)
        if outcome.back_to:
            self._go_to(next(i for i, s in enumerate(self.kind.steps) if s.name == outcome.back_to))
        elif outcome.counts:
            self.attempt += 1
        return "", "", wait_s

    def _left_s(self) -> float:
        """Until a deadline would be judged."""
        now = datetime.now(UTC)
        ends = [at for at in (self.deadline_at, None if self.step.no_power else self.ends_at) if at]
        return (min(ends, default=now) - now).total_seconds()

    def _back_off_s(self, outcome: Retry) -> float:
        """Real seconds, with jitter: what the BMC asked for, else longer with each attempt or with the time gone by."""
        field_s = min(BACK_OFF_S * 2 ** (self.attempt - 1), BACK_OFF_MAX_S)
        if not outcome.counts and self.started_at is not None:
            gone_s = (datetime.now(UTC) - self.started_at).total_seconds() * float(settings.TIME_SCALE)
            field_s = min(max(gone_s / 4, BACK_OFF_S), BACK_OFF_MAX_S)
        if outcome.after_s is not None:
            field_s = outcome.after_s
        return min(pace.seconds(field_s) * random.uniform(0.8, 1.3), max(self._left_s() + 0.5, 0.05))

    def _go_to(self, n: int) -> None:
        self.n, self.attempt, self.started_at, self.deadline_at, self.sent = n, 1, None, None, []


def _bug(error: Exception) -> Fail:
    return Fail(f"{type(error).__name__}: {error}"[:WORDS], "bug", traceback=traceback.format_exc()[-8000:])


def _unsettled(outcome: Outcome, context: Context) -> Outcome:
    """What a dead worker may have sent stays in doubt until a look at the hardware succeeds; no attempt is spent."""
    if isinstance(outcome, Retry) and context.in_doubt:
        return replace(outcome, in_doubt=True, counts=False)
    return outcome


def _reported(outcome: Lost) -> Lost:
    """Nothing goes on until a person has looked, so a finding with an owner asks for it."""
    finding = OpenFinding("operation", UNKNOWN, "critical", outcome.why)
    return replace(outcome, effects=(*outcome.effects, finding))


def _end(outcome: Fail | Lost) -> tuple[str, str]:
    if isinstance(outcome, Lost):
        return "lost", UNKNOWN
    return ("cancelled", "cancelled") if outcome.cause == "cancelled" else ("failed", outcome.cause)


def _later(at: datetime | None, by: timedelta) -> datetime | None:
    return at and at + by


def _is_loopback(base_url: str) -> bool:
    host = urlsplit(base_url).hostname or ""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def kill_at(point: str) -> None:
    """Kill points of the tests: MUSTER_KILL_AT=<point> ends this process there as a crash would.

    Points: kind:step:before (the intent is committed, nothing sent) and kind:step:after (sent, no outcome on record);
    session:opened (the BMC has granted a session that is not on record yet).
    """
    if point == settings.KILL_AT:
        os.kill(os.getpid(), signal.SIGKILL)
