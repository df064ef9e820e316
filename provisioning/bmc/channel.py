"""Calls to one BMC with login, discovery and error naming done: documents and members in, JSON out."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Final, TypeVar

import aiohttp

from provisioning.bmc import dell, fields, paths
from provisioning.bmc.answers import Answer, refusal
from provisioning.bmc.errors import BmcBusy, BmcRefused, BmcUnsupported
from provisioning.bmc.fields import Json
from provisioning.bmc.login import PLAIN_HEADERS, Login, sessions_path
from provisioning.bmc.paths import Paths
from provisioning.bmc.quirks import Quirks, quirks_of
from provisioning.bmc.types import Hooks, Permit, Target
from provisioning.bmc.wire import Wire

ROOT: Final = "/redfish/v1/"
EXPANDED: Final = "?$expand=*($levels=1)"
MAX_PAGES: Final = 20
MAX_MEMBERS: Final = 64
NOT_READY_S: Final = 30.0
T = TypeVar("T")
INTENT_HEADER: Final = "Muster-Intent"


async def together(*calls: Coroutine[object, object, T]) -> list[T]:
    """Results of calls that run side by side. The first error ends the others and is raised alone."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(call) for call in calls]
    except BaseExceptionGroup as failed:
        first = failed.exceptions[0]
        raise first from first.__cause__
    return [task.result() for task in tasks]


class Channel:
    """One BMC. What was learned of it (root, quirks, paths) stays for the life of the process."""

    def __init__(self, http: Callable[[], aiohttp.ClientSession], target: Target, hooks: Hooks | None) -> None:
        self.target = target
        self.wire = Wire(http, target.name, target.base_url, target.fingerprint)
        self._hooks = hooks
        self.login = Login(self.wire, target.user, target.password, target.session, hooks)
        self._root: Json | None = None
        self._quirks: Quirks | None = None
        self._paths: Paths | None = None

    def retarget(self, target: Target) -> Login | None:
        """Follow a changed address, pin or login. Returns the login of the old password, to be closed."""
        old, self.target = self.target, target
        moved = target.base_url != old.base_url
        if moved or target.fingerprint != old.fingerprint:
            self.wire.retarget(target.base_url, target.fingerprint)
        if moved:
            self._root = self._quirks = self._paths = None
        if not moved and (target.user, target.password) == (old.user, old.password):
            if target.session is not None:
                self.login.take_over(target.session)
            return None
        # A session outlives its password (quirk session-outlives-password): it does not prove the new one.
        before = self.login
        session = target.session if target.session != before.session and target.session != old.session else None
        self.login = Login(self.wire, target.user, target.password, session, self._hooks)
        self.login.sessions_path = before.sessions_path
        return None if moved else before

    async def root(self) -> Json:
        """The service root, read once and without login."""
        if self._root is None:
            answer = await self.wire.send("GET", ROOT, verb="read the root", headers=PLAIN_HEADERS)
            self.learn_root(self.parsed(answer, "read the root"))
        return self._root or {}

    def learn_root(self, root: Json) -> None:
        """Keep a root and what follows from it."""
        self._root = root
        self.login.sessions_path = sessions_path(root)
        self._quirks = quirks_of(root)
        self._paths = dell.PATHS if self._quirks.table == "dell" else None

    async def quirks(self) -> Quirks:
        """Flags of this BMC."""
        await self.root()
        return self._quirks or Quirks()

    async def paths(self) -> Paths:
        """Where the resources are. A collection without systems is a BMC that is not ready, never a bare chassis."""
        root = await self.root()
        if self._paths is None:
            collection = fields.link(root.get("Systems")) or f"{ROOT}Systems"
            path = paths.first_member(await self.core(collection, "list systems"))
            if path is None:
                raise BmcBusy(
                    self.target.name,
                    "list systems",
                    "not_ready",
                    "the BMC shows no system yet",
                    retry_after_s=NOT_READY_S,
                )
            self._paths = paths.from_system(root, path, await self.core(path, "read the system"))
        return self._paths

    async def call(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        body: Mapping[str, object] | None = None,
        permit: Permit | None = None,
    ) -> Answer:
        """One call with login. With a permit it is a write: sent once, and its answer may be BmcUnknown.

        401 means that the session is gone and the call was not done: one new login, one repetition.
        """
        await self.root()
        for _ in range(2):
            ticket = await self.login.ticket()
            headers = {**ticket.headers, INTENT_HEADER: str(permit.intent_id)} if permit else ticket.headers
            answer = await self.wire.send(
                method, path, verb=verb, headers=headers, body=body, changes=permit is not None
            )
            if answer.status != 401:
                error = refusal(answer, target=self.target.name, verb=verb, changes=permit is not None)
                if error is not None:
                    raise error
                return answer
            if ticket.session is None:
                words = f"user {self.target.user} is refused"
                raise BmcRefused(self.target.name, verb, "bad_credentials", words, status=401)
            await self.login.lost(ticket)
        raise BmcBusy(
            self.target.name,
            verb,
            "session_refused",
            "a session just opened is not accepted",
            retry_after_s=NOT_READY_S,
        )

    async def read(self, path: str, verb: str) -> tuple[Json, Answer]:
        """GET of one object, with the answer it came in."""
        answer = await self.call("GET", path, verb=verb)
        return self.parsed(answer, verb), answer

    async def document(self, path: str, verb: str) -> Json:
        """GET of one object."""
        return (await self.read(path, verb))[0]

    async def core(self, path: str, verb: str) -> Json:
        """GET of what every BMC has: where it is missing the BMC is starting (quirk empty-members-after-reset)."""
        try:
            return await self.document(path, verb)
        except BmcUnsupported as error:
            words = f"{path} is not there yet"
            raise BmcBusy(
                self.target.name, verb, "not_ready", words, retry_after_s=NOT_READY_S, status=error.status
            ) from error

    async def members(self, path: str, verb: str) -> list[Json]:
        """All members of a collection, expanded in one call where the BMC can (quirks expand-one-level, page-of-50)."""
        page: str | None = path + EXPANDED if (await self.quirks()).expand else path
        rows: list[Json] = []
        for _ in range(MAX_PAGES):
            collection = await self.document(page, verb) if page else {}
            rows += fields.items(collection.get("Members"))
            page = fields.link(collection.get("Members@odata.nextLink"))
            if page is None:
                break
        return await self.filled(rows, verb)

    async def expanded(self, path: str, verb: str) -> Json:
        """One object with its links replaced by what they point to, where the BMC can."""
        return await self.document(path + EXPANDED, verb)

    async def filled(self, rows: Sequence[Json], verb: str) -> list[Json]:
        """Rows with those that are mere links replaced by what they point to, at most MAX_MEMBERS of them."""
        whole = await together(*(self._filled(row, verb) for row in rows[:MAX_MEMBERS]))
        return whole + [row for row in rows[MAX_MEMBERS:] if len(row) > 1]

    async def _filled(self, row: Json, verb: str) -> Json:
        path = fields.link(row) if len(row) == 1 else None
        if path is None:
            return row
        try:
            return await self.document(path, verb)
        except BmcUnsupported:
            return {}

    def parsed(self, answer: Answer, verb: str) -> Json:
        found = answer.parsed()
        error = refusal(answer, target=self.target.name, verb=verb, changes=False)
        if error is not None:
            raise error
        if isinstance(found, dict):
            return found
        words = f"HTTP {answer.status} whose body is no JSON object"
        raise BmcBusy(self.target.name, verb, "unreadable", words, retry_after_s=NOT_READY_S, status=answer.status)
