"""The state of one BMC: logins, clock, logs, readiness. What stands behind it is in `host`."""

import base64
import collections
import secrets
import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from provisioning.simulator import draw
from provisioning.simulator.http1 import Connection
from provisioning.simulator.job import Job
from provisioning.simulator.plan import HostPlan
from provisioning.simulator.world import World

SESSIONS = 8
LOG_ENTRIES = 200
BAD_LOGINS, BLOCK_S = 5, 600.0  # so many refused logins within a minute block the table for ten
AWAY_S, UNREADY_S = 180.0, 60.0  # a BMC reset: no answer, then answers that it is not ready (scr#251)


class SessionsFull(Exception):
    """The table of sessions holds no more (RAC0218)."""


class LoginRefused(Exception):
    """User or password is wrong."""


class Entry(NamedTuple):
    """One line of a log."""

    id: int
    at: datetime
    severity: str
    message_id: str
    message: str


class Session:
    """One login; `used_s` in simulated seconds."""

    __slots__ = ("created", "id", "used_s", "user")

    def __init__(self, id_: int, user: str, now_s: float, created: datetime) -> None:
        self.id = id_
        self.user = user
        self.used_s = now_s
        self.created = created


class Bmc:
    """One BMC. It holds no timers: what is over is noticed when somebody looks."""

    __slots__ = (
        "accounts",
        "attributes",
        "away_until_s",
        "bad_logins",
        "basic",
        "clock_offset_s",
        "connections",
        "context",
        "jobs",
        "lclog",
        "led",
        "media",
        "next_entry",
        "next_job",
        "next_session",
        "ntp",
        "password",
        "plan",
        "requests",
        "sel",
        "sessions",
        "unready_until_s",
        "user",
        "world",
    )

    def __init__(self, plan: HostPlan, world: World) -> None:
        self.plan = plan
        self.world = world
        self.context: ssl.SSLContext | None = None  # TLS, made at the first contact
        self.connections: set[Connection] = set()
        self.requests = 0
        self.sessions: dict[str, Session] = {}
        self.next_session = 1
        self.bad_logins: list[float] = []
        self.away_until_s = self.unready_until_s = 0.0
        self.clock_offset_s = round(draw.between(-2, 2, world.options.seed, plan.name, "clock"), 1)
        self.ntp = False
        self.accounts: dict[str, dict[str, Any]] = {}
        self.attributes: dict[str, Any] = {}  # what was changed; the rest is in the table of defaults
        self.jobs: dict[str, Job] = {}
        self.next_job = 1
        self.led = False
        self.media: dict[str, Any] = {}
        self.next_entry = {"Sel": 1, "Lclog": 1}
        self.sel: collections.deque[Entry] = collections.deque(maxlen=LOG_ENTRIES)
        self.lclog: collections.deque[Entry] = collections.deque(maxlen=LOG_ENTRIES)
        self.set_login(world.options.user, world.options.password)
        self.log("Sel", "SEL0002", "Log cleared.")

    # Clock

    def now(self) -> datetime:
        """The BMC's own idea of the time."""
        return datetime.now(UTC) + timedelta(seconds=self.clock_offset_s)

    def date_header(self) -> str:
        """The Date header by the BMC's clock."""
        return time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + self.clock_offset_s))

    def set_clock(self, at: datetime) -> None:
        """Set the clock; what was off before does not matter."""
        self.clock_offset_s = (at - datetime.now(UTC)).total_seconds()

    def follow_ntp(self) -> None:
        """Be right, if NTP is still on."""
        if self.ntp:
            self.clock_offset_s = 0.0

    # Availability

    def is_away(self) -> bool:
        """Nobody answers: the BMC restarts."""
        return self.world.clock.now_s() < self.away_until_s

    def is_ready(self) -> bool:
        """The web server answers and the lifecycle controller as well."""
        return self.world.clock.now_s() >= self.unready_until_s

    def restart(self, why: str, *, away_s: float = AWAY_S, unready_s: float = UNREADY_S) -> None:
        """Go away now; sessions and open connections are lost."""
        if self.world.clock.delays:
            self.away_until_s = self.world.clock.now_s() + away_s
            self.be_unready(away_s + unready_s)
        self.world.journal.write("bmc_restart", self.plan.name, why=why, sessions_lost=len(self.sessions))
        self.sessions.clear()
        for connection in tuple(self.connections):
            connection.abort()
        self.log("Lclog", "RAC0182", "The iDRAC firmware was rebooted.", "Warning")

    def be_unready(self, for_s: float) -> None:
        """Answer for a while that the lifecycle controller is not ready."""
        if self.world.clock.delays:
            self.unready_until_s = self.world.clock.now_s() + for_s

    # Logins

    def set_login(self, user: str, password: str) -> None:
        """The one login that is let in. Open sessions live on, as on the real thing."""
        self.user, self.password = user, password
        self.basic = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()

    def login(self, user: object, password: object) -> tuple[str, Session]:
        """A new session and its token. Raises LoginRefused, SessionsFull."""
        now_s = self.world.clock.now_s()
        self.expire()
        if self.is_blocked() or (user, password) != (self.user, self.password):
            self.refused()
            raise LoginRefused
        if len(self.sessions) >= SESSIONS:
            raise SessionsFull
        session, token = Session(self.next_session, self.user, now_s, self.now()), secrets.token_hex(16)
        self.next_session += 1
        self.sessions[token] = session
        self.world.journal.write("session_open", self.plan.name, session=session.id, open=len(self.sessions))
        self.log("Lclog", "USR0030", f"Successfully logged in using {self.user}, from 127.0.0.1 and REDFISH.")
        return token, session

    def refused(self) -> None:
        """A login was wrong: remembered for the block, and logged."""
        self.bad_logins = [*self.bad_logins[-BAD_LOGINS:], self.world.clock.now_s()]
        self.log("Lclog", "USR0031", "Unable to log in for root from 127.0.0.1 using REDFISH.", "Warning")

    def is_blocked(self) -> bool:
        """Too many wrong logins in a short time: the right one is refused as well."""
        if not self.world.clock.delays or len(self.bad_logins) < BAD_LOGINS:
            return False
        first, last = self.bad_logins[-BAD_LOGINS], self.bad_logins[-1]
        return last - first < 60 and self.world.clock.now_s() - last < BLOCK_S

    def expire(self) -> None:
        """Drop sessions that nobody used for too long."""
        limit = self.world.clock.now_s() - self.world.session_idle_s
        for token in [token for token, session in self.sessions.items() if session.used_s < limit]:
            self.logout(token, "session_expired")

    def logout(self, token: str, event: str = "session_close") -> None:
        """End the session of this token; `event` says why."""
        session = self.sessions.pop(token)
        self.world.journal.write(event, self.plan.name, session=session.id, open=len(self.sessions))

    def is_known(self, headers: dict[str, str]) -> bool:
        """Whether the token or the Basic login in `headers` is good; using a token keeps it alive."""
        token = headers.get("x-auth-token")
        if token is None:
            if "authorization" not in headers:
                return False
            good = headers["authorization"] == self.basic and not self.is_blocked()
            if not good:
                self.refused()
            return good
        session = self.sessions.get(token)
        if session is None:
            return False
        now_s = self.world.clock.now_s()
        if session.used_s < now_s - self.world.session_idle_s:
            self.expire()
            return False
        session.used_s = now_s
        return True

    # Logs

    def log(self, which: str, message_id: str, message: str, severity: str = "OK") -> None:
        """A line in the SEL ("Sel") or the lifecycle log ("Lclog")."""
        number = self.next_entry[which]
        self.next_entry[which] = number + 1
        (self.sel if which == "Sel" else self.lclog).append(Entry(number, self.now(), severity, message_id, message))
