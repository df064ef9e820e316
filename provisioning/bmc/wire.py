"""One BMC's HTTPS: sends a request, reads the whole answer, and names what went wrong on the way.

Two calls in flight, one write among them (iDRAC gets slower in parallel: quirk slow-bmc). The server certificate is
pinned; only first contact takes an unknown one, and it sends no credentials.
"""

import asyncio
import hashlib
import json
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from typing import Final

import aiohttp
from yarl import URL

from provisioning.bmc.answers import Answer
from provisioning.bmc.errors import BmcError, BmcTlsRefused, BmcUnknown, BmcUnreachable

CALLS_AT_ONCE: Final = 2
# asyncio keeps a read buffer of this size for each TLS connection; its 256 KiB make 260 MB of a fleet of 511. A record
# has 16 KiB at most.
SSLProtocol.max_size = 32 * 1024
_CUT = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)


class Pin(aiohttp.Fingerprint):
    """Checks the server certificate of a new connection, before anything is sent.

    pinned: SHA-256 that it must have; None takes any, until the owner sets it to what was seen. seen: what the last new
    connection showed. local_address: our end of that connection. Connections are kept by the object that checked them.
    """

    def __init__(self, pinned: bytes | None) -> None:
        super().__init__(pinned or bytes(32))
        self.pinned = pinned
        self.seen: bytes | None = None
        self.local_address: str | None = None

    def check(self, transport: asyncio.Transport) -> None:
        ssl_object = transport.get_extra_info("ssl_object")
        certificate = ssl_object.getpeercert(binary_form=True) if ssl_object else None
        self.seen = hashlib.sha256(certificate).digest() if certificate else None
        self.local_address = (transport.get_extra_info("sockname") or (None,))[0]
        if self.pinned is not None and self.seen != self.pinned:
            host, port, *_ = transport.get_extra_info("peername") or ("", 0)
            raise aiohttp.ServerFingerprintMismatch(self.pinned, self.seen or b"", host, port)


def pin_of(fingerprint: str | None) -> bytes | None:
    """SHA-256 from its hex, with or without colons. Raises ValueError if it is no SHA-256."""
    if fingerprint is None:
        return None
    digest = bytes.fromhex(fingerprint.replace(":", ""))
    if len(digest) != 32:
        raise ValueError("a fingerprint has 32 bytes")
    return digest


class Wire:
    """The connection to one BMC. requests: how many were sent."""

    def __init__(
        self, http: Callable[[], aiohttp.ClientSession], name: str, base_url: str, fingerprint: str | None
    ) -> None:
        self.name = name
        self.requests = 0
        self._http = http
        self._slots = asyncio.Semaphore(CALLS_AT_ONCE)
        self._write = asyncio.Lock()
        self._contact: Pin | None = None
        self.retarget(base_url, fingerprint)

    def retarget(self, base_url: str, fingerprint: str | None) -> None:
        """Talk to another address or expect another certificate from now on."""
        self._base, self.pinned = self._address(base_url, fingerprint)
        self._pin = self._pin_for(self.pinned) if self.pinned else None
        self._contact = None
        self._urls: dict[str, URL] = {}

    def contact(self) -> Pin:
        """The pin for first contact: it takes any certificate while none is pinned."""
        if self._pin is not None:
            return self._pin
        self._contact = Pin(None)
        return self._contact

    def _pin_for(self, pinned: bytes) -> Pin:
        """The connection of first contact lives on when what it showed is pinned: a TLS handshake less."""
        if self._contact is None or self._contact.seen != pinned:
            return Pin(pinned)
        self._contact.pinned = pinned
        return self._contact

    @property
    def local_address(self) -> str | None:
        """Our address as this BMC sees it, None before a connection."""
        return self._pin.local_address if self._pin else None

    def _address(self, base_url: str, fingerprint: str | None) -> tuple[URL, bytes | None]:
        try:
            base, pinned = URL(base_url), pin_of(fingerprint)
        except ValueError as error:
            raise BmcUnreachable(
                self.name, "address", "bad_address", f"{base_url!r} or its pin: {error}", False
            ) from error
        if base.scheme != "https" or not base.host:
            raise BmcTlsRefused(self.name, "address", "not_https", f"{base_url!r} is no https address")
        return base.origin(), pinned

    def check_pinned(self, verb: str) -> Pin:
        """The certificate to expect. Raises BmcTlsRefused (not_pinned) before first contact."""
        if self._pin is None:
            raise BmcTlsRefused(self.name, verb, "not_pinned", "no certificate is pinned yet: make first contact")
        return self._pin

    def _url(self, path: str) -> URL:
        found = self._urls.get(path)
        if found is None:
            found = self._base.join(URL(path))
            if len(self._urls) < 64:  # parsing costs a tenth of a call; log pages and jobs do not repeat
                self._urls[path] = found
        return found

    async def send(
        self,
        method: str,
        path: str,
        *,
        verb: str,
        headers: Mapping[str, str],
        body: Mapping[str, object] | None = None,
        changes: bool = False,
        tls: Pin | None = None,
    ) -> Answer:
        """One call. changes: it is a write, so a lost answer is BmcUnknown and nothing is sent twice.

        Raises BmcUnreachable, BmcTlsRefused, BmcUnknown. Refusals of the BMC are in the Answer.
        """
        pin = tls or self.check_pinned(verb)
        content = None if body is None else json.dumps(body).encode()
        # aiohttp itself repeats a GET whose kept-alive connection was closed; a POST that only reads is for us.
        tries = 2 if method == "POST" and not changes else 1
        async with self._slots, self._write if changes else nullcontext():
            while True:
                tries -= 1
                try:
                    return await self._once(method, self._url(path), headers, content, pin, changes)
                except _CUT as error:
                    if not tries or isinstance(error, aiohttp.ClientConnectorError):
                        raise self._named(error, verb, changes) from error
                except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                    raise self._named(error, verb, changes) from error

    async def _once(  # noqa: PLR0917  one call site; keyword arguments cost time here
        self, method: str, url: URL, headers: Mapping[str, str], content: bytes | None, pin: Pin, changes: bool
    ) -> Answer:
        self.requests += 1
        async with self._http().request(
            method, url, data=content, headers=headers, ssl=pin, allow_redirects=False
        ) as response:
            try:
                received = await response.read()
            except (aiohttp.ClientError, TimeoutError, OSError):
                # The status is known: a lost token answers 401 with a broken body (quirk session-lost-on-bmc-reset).
                if response.status < 300 and not changes:
                    raise
                received = b""
            head = response.headers
            return Answer(
                response.status,
                received,
                location=head.get("Location"),
                token=head.get("X-Auth-Token"),
                retry_after=head.get("Retry-After"),
                date=head.get("Date"),
            )

    def _named(self, error: BaseException, verb: str, changes: bool) -> BmcError:
        if isinstance(error, aiohttp.ServerFingerprintMismatch):
            words = f"certificate {error.got.hex()} is not the pinned {error.expected.hex()}"
            return BmcTlsRefused(self.name, verb, "certificate_changed", words)
        if isinstance(error, aiohttp.ClientSSLError):
            return BmcTlsRefused(self.name, verb, "tls_handshake", f"no TLS: {error}")
        if isinstance(error, aiohttp.ClientConnectorError):
            return BmcUnreachable(self.name, verb, "connect_failed", f"no connection: {error}")
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return BmcUnreachable(self.name, verb, "connect_timeout", "no connection in time")
        late = isinstance(error, TimeoutError)
        if changes:
            words = "sent, but no answer came: the outcome is unknown"
            return BmcUnknown(self.name, verb, "answer_timeout" if late else "answer_lost", words)
        if late:
            return BmcUnreachable(self.name, verb, "answer_timeout", "no answer in time")
        return BmcUnreachable(
            self.name, verb, "broken_answer", f"the answer broke off or is no HTTP: {type(error).__name__}"
        )
