"""Who hears of it in tests: an SMTP server and an HTTP receiver on loopback, real ones."""

import email
import email.policy
import hashlib
import hmac
import json
import re
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

from tests.support.web import free_port

KEY = "a key of both sides"


@dataclass
class Mailbox:
    """What an SMTP server has accepted. answers: what it says to the next ones instead, such as 451."""

    port: int
    mails: list = field(default_factory=list)
    answers: list = field(default_factory=list)

    async def handle_DATA(self, server, session, envelope):
        if self.answers:
            return self.answers.pop(0)
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith("nobody@"):
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    def settings(self, **changes):
        return {"host": "127.0.0.1", "port": self.port, "username": "", "password": "", **changes}


def _asks_for(password):
    def authenticator(server, session, envelope, mechanism, said):
        is_right = said.password == password.encode()
        return AuthResult(success=is_right, handled=is_right)

    return authenticator


@contextmanager
def mail_server(password=None):
    """A mail server. password: what it wants to hear at sign-in."""
    box = Mailbox(free_port())
    more = {}
    if password:
        more = {"authenticator": _asks_for(password), "auth_required": True, "auth_require_tls": False}
    controller = Controller(box, hostname="127.0.0.1", port=box.port, **more)
    controller.start()
    try:
        yield box
    finally:
        controller.stop()


@dataclass
class Receiver:
    """What an HTTP server was sent. answers: the statuses of the next ones (then 200). slow_s: before it answers."""

    url: str = ""
    sent: list = field(default_factory=list)
    headers: list = field(default_factory=list)
    answers: list = field(default_factory=list)
    slow_s: float = 0

    @property
    def subjects(self):
        return [body["subject"] for body in self.sent]


def is_signed(headers, body, key=KEY):
    """As docs/notices.md tells receivers to check it."""
    at, mac = re.fullmatch(r"t=(\d+),v1=([0-9a-f]{64})", headers["Muster-Signature"]).groups()
    wanted = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(wanted, mac) and abs(time.time() - int(at)) < 300


@contextmanager
def receiver():
    """A program that hears webhooks; what is not signed is a 401."""
    heard = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            time.sleep(heard.slow_s)
            status = heard.answers.pop(0) if heard.answers else 200
            if self.path.startswith("/signed") and not is_signed(self.headers, body):
                status = 401
            if status == 200:
                heard.sent.append(json.loads(body))
                heard.headers.append(dict(self.headers))
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", heard.url + "/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    heard.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield heard
    finally:
        server.shutdown()
        server.server_close()
