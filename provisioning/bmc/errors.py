"""What can go wrong with a BMC, as the steps see it. Nothing else leaves the driver."""


class BmcError(Exception):
    """A call to a BMC that did not give what was asked for.

    target: name of the host. verb: what was tried, in the words of the driver's method.
    code: stable name on which tables key. words: one sentence for people, without secrets.
    passing: waiting may mend it. retry_after_s: what the BMC asked for, None when it did not.
    status: HTTP status, None without an answer. message_ids: last parts of the MessageIds of the answer.
    """

    passing_by_default = False

    def __init__(
        self,
        target: str,
        verb: str,
        code: str,
        words: str,
        passing: bool | None = None,
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
        message_ids: tuple[str, ...] = (),
    ) -> None:
        super().__init__(target, verb, code, words)
        self.target = target
        self.verb = verb
        self.code = code
        self.words = words
        self.passing = self.passing_by_default if passing is None else passing
        self.retry_after_s = retry_after_s
        self.status = status
        self.message_ids = message_ids

    def __str__(self) -> str:
        return f"{self.target}: {self.verb}: {self.words}"


class BmcUnreachable(BmcError):
    """No answer, and if it was a write it was never sent.

    Codes: connect_failed, connect_timeout, answer_timeout, broken_answer, bad_address.
    """

    passing_by_default = True


class BmcTlsRefused(BmcError):
    """The certificate is not the pinned one, none is pinned yet, or no TLS came about.

    Codes: certificate_changed, not_pinned, tls_handshake, not_https.
    """


class BmcBusy(BmcError):
    """The BMC answers, but not now.

    Codes: not_ready, sessions_full, in_post, too_many_requests, server_error, unreadable, session_refused.
    """

    passing_by_default = True


class BmcRefused(BmcError):
    """The BMC said no; asking the same again will not help unless `passing` says so.

    Codes: bad_credentials, must_change_password, conflict, settling, locked, rejected, precondition_failed.
    """


class BmcUnsupported(BmcError):
    """This BMC has no such thing. Codes: not_found, not_supported."""


class BmcUnknown(BmcError):
    """A write whose answer did not come: look at the BMC before anything is repeated.

    Codes: answer_timeout, answer_lost, server_error.
    """
