"""Sessions: one per BMC and process, handed over to the next process, never leaked by our own doing.

A login runs as a task of its own, so that a cancelled caller cannot lose the token of a session that the BMC has
already opened. Whoever comes while it runs gets its result, its refusal too: a refused login is never repeated here,
because a few bad ones block our address (quirk ip-block).
"""

import asyncio
import base64
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from provisioning.bmc import fields
from provisioning.bmc.answers import Answer, refusal
from provisioning.bmc.errors import BmcBusy, BmcError, BmcRefused
from provisioning.bmc.fields import Json
from provisioning.bmc.types import Hooks, Session
from provisioning.bmc.wire import Wire

PLAIN_HEADERS: Final = {"Accept": "application/json", "OData-Version": "4.0"}
JSON_HEADERS: Final = {**PLAIN_HEADERS, "Content-Type": "application/json"}
USUAL_PATH: Final = "/redfish/v1/SessionService/Sessions"
_NO_SESSIONS = frozenset({404, 405, 501})


def sessions_path(root: Json) -> str | None:
    """Where sessions are opened by the service root (quirk session-url-guess), None where it knows none."""
    path = fields.link(fields.at(root, "Links", "Sessions"))
    return path or (USUAL_PATH if root.get("SessionService") else None)


@dataclass(frozen=True, slots=True)
class Ticket:
    """What proves us to the BMC in one call. session is None with Basic auth."""

    headers: Mapping[str, str]
    session: Session | None


def token_ticket(session: Session) -> Ticket:
    """Headers of a session."""
    return Ticket({**JSON_HEADERS, "X-Auth-Token": session.token}, session)


def basic_ticket(user: str, password: str) -> Ticket:
    """Headers of Basic auth, for BMCs without sessions and for looking at full session tables."""
    secret = base64.b64encode(f"{user}:{password}".encode()).decode()
    return Ticket({**JSON_HEADERS, "Authorization": f"Basic {secret}"}, None)


class Login:
    """Holds the ticket of one BMC. sessions_path: where sessions are opened, None where there are none."""

    def __init__(self, wire: Wire, user: str, password: str, session: Session | None, hooks: Hooks | None) -> None:
        self.sessions_path: str | None = USUAL_PATH
        self.wire = wire
        self.user = user
        self.password = password
        self._hooks = hooks
        self._ticket = token_ticket(session) if session else None
        self._opening: asyncio.Task[Ticket] | None = None
        self._dead: Session | None = None

    @property
    def session(self) -> Session | None:
        """The session in use, None before login and with Basic auth."""
        return self._ticket.session if self._ticket else None

    def take_over(self, session: Session) -> None:
        """Use the session that is on record: another process may have opened it since. Not the one just lost."""
        if session not in (self._dead, self.session):
            self._ticket = token_ticket(session)

    async def ticket(self) -> Ticket:
        """The ticket in use; logs in if there is none. Raises what the login raised, for everyone who waits on it."""
        if self._ticket is not None:
            return self._ticket
        if self._opening is None:
            self._opening = asyncio.create_task(self._open(), name=f"login {self.wire.name}")
            self._opening.add_done_callback(self._opened)
        return await asyncio.shield(self._opening)

    def _opened(self, task: asyncio.Task[Ticket]) -> None:
        self._opening = None
        if not task.cancelled() and task.exception() is None:
            self._ticket = task.result()

    async def lost(self, ticket: Ticket) -> None:
        """The BMC no longer knows this ticket. The next call logs in anew, once, whoever else noticed as well."""
        if self._ticket is ticket:
            self._ticket, self._dead = None, ticket.session
            await self._closed()

    async def close(self) -> None:
        """Log out. What goes wrong is ignored: the session then ends by its idle timeout."""
        if self._opening is not None:
            await asyncio.wait({self._opening})
        session, self._ticket = self.session, None
        if session is not None:
            await self._delete(session)
            await self._closed()

    async def _delete(self, session: Session) -> None:
        if not session.location:
            return
        with suppress(BmcError):
            await self.wire.send("DELETE", session.location, verb="logout", headers=token_ticket(session).headers)

    async def _closed(self) -> None:
        if self._hooks:
            await self._hooks.session_closed(self.wire.name)

    async def _open(self) -> Ticket:
        self.wire.check_pinned("login")
        if self._hooks:
            await self._hooks.session_opening(self.wire.name)
        try:
            session = await self._new_session()
        except BmcError as error:
            # Only a lost answer leaves open whether a session was made.
            if self._hooks and error.code not in ("answer_timeout", "broken_answer"):
                await self._hooks.session_closed(self.wire.name)
            raise
        return await self._announce(session) if session else basic_ticket(self.user, self.password)

    async def _new_session(self) -> Session | None:
        """Log in. None where the BMC has no sessions and wants Basic auth."""
        path = self.sessions_path
        answer = await self._post(path) if path else None
        if path is None or answer is None or answer.status in _NO_SESSIONS:
            await self._closed()
            return None
        error = self._refused(answer)
        if isinstance(error, BmcBusy) and error.code == "sessions_full" and await self._sweep(path):
            answer = await self._post(path)
            error = self._refused(answer)
        if error is not None:
            raise error
        return self._session(answer)

    async def _announce(self, session: Session) -> Ticket:
        """Tell the caller of the new session; if it cannot keep the token, the session is closed at once."""
        if self._hooks:
            try:
                await self._hooks.session_opened(self.wire.name, session)
            except BaseException:
                await self._delete(session)
                raise
        return token_ticket(session)

    async def _post(self, path: str) -> Answer:
        body = {"UserName": self.user, "Password": self.password}
        return await self.wire.send("POST", path, verb="login", headers=JSON_HEADERS, body=body)

    def _refused(self, answer: Answer) -> BmcError | None:
        error = refusal(answer, target=self.wire.name, verb="login", changes=False)
        if answer.status in (401, 403) and error is not None and error.code in ("rejected", "bad_credentials"):
            words = f"user {self.user} is refused: {error.words}"
            return BmcRefused(self.wire.name, "login", "bad_credentials", words, status=answer.status)
        return error

    def _session(self, answer: Answer) -> Session:
        token, location = answer.token, answer.location
        if not token or not token.isascii() or not token.isprintable():
            raise BmcBusy(self.wire.name, "login", "unreadable", f"HTTP {answer.status} without a usable token")
        found = location or fields.text(answer.parsed(), "@odata.id") or ""
        # Some send an absolute URL; only its path is believed.
        path = "/" + found.partition("://")[2].partition("/")[2] if found.startswith("http") else found
        return Session(token, fields.link(path) or "")

    async def _sweep(self, sessions_path: str) -> bool:
        """Close sessions of our user that nobody holds, seen with Basic auth. True if one was closed.

        They are what killed processes left behind (quirk session-exhaustion). A live one of a sibling process may be
        among them; it then logs in once more.
        """
        headers = basic_ticket(self.user, self.password).headers
        path = f"{sessions_path}?$expand=*($levels=1)"
        closed = 0
        with suppress(BmcError):
            answer = await self.wire.send("GET", path, verb="list sessions", headers=headers)
            rows = fields.items(fields.at(answer.parsed(), "Members")) if answer.status == 200 else []
            for location in [found for row in rows if self.is_ours(row) and (found := fields.link(row))]:
                gone = await self.wire.send("DELETE", location, verb="close session", headers=headers)
                closed += gone.status < 300
        return closed > 0

    def is_ours(self, row: Json) -> bool:
        """Our user, and from our address where the BMC tells the origin."""
        origin = fields.text(row, "ClientOriginIPAddress")
        same_origin = origin is None or origin == self.wire.local_address
        return same_origin and fields.text(row, "UserName") == self.user
