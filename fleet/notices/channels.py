"""The ways to a person or a program: mail by SMTP, a webhook that is signed, the text that chat tools take."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import smtplib
import ssl
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.utils import parseaddr
from typing import Any

import aiohttp
from django.conf import settings
from django.core.mail import EmailMessage
from django.core.mail.backends.smtp import EmailBackend

from fleet.notices.words import Message

TIMEOUT_S = 10.0  # a connection, an answer; a whole HTTP call
MAIL_S = 20.0  # all of a mail
AT_ONCE = 8
CHAT_MOST = 3000  # Slack cuts longer texts

# What chat tools would take for a link, a mark or a call to everybody: the words come from hardware and people.
CHAT_PLAIN = {"&": "&amp;", "<": "&lt;", ">": "&gt;", "@": "@\u200b"}


@dataclass(frozen=True)
class Post:
    """One message on its way. address: mail address or URL. key: signs a webhook. delivery: the same however often."""

    channel: str
    address: str
    key: str
    delivery: str
    rule: tuple[int, str]
    message: Message


class NotSent(Exception):
    """It did not arrive, or nobody said that it did. The words name no secret."""


def sign(key: str, body: bytes, *, at: int) -> str:
    """The value of Muster-Signature: a receiver makes v1 again from t and the bytes of the body."""
    mac = hmac.new(key.encode(), f"{at}.".encode() + body, hashlib.sha256)
    return f"t={at},v1={mac.hexdigest()}"


def send_in_order(queues: Sequence[Sequence[Post]], *, within_s: float) -> list[list[str | None]]:
    """Send each queue in its order, the queues side by side, each up to its first failure or for so long.

    A list a queue with what became of each post that was tried: None when it arrived, else why not.
    """
    executor = ThreadPoolExecutor(AT_ONCE, "mail")
    try:
        return asyncio.run(_all(queues, executor, within_s))
    finally:
        executor.shutdown(wait=False, cancel_futures=True)


async def _all(
    queues: Sequence[Sequence[Post]], executor: ThreadPoolExecutor, within_s: float
) -> list[list[str | None]]:
    room = asyncio.Semaphore(AT_ONCE)
    until = time.monotonic() + within_s
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S)) as http:

        async def one(queue: Sequence[Post]) -> list[str | None]:
            results: list[str | None] = []
            async with room:
                for post in queue:
                    if time.monotonic() > until:
                        break
                    results.append(await _try(post, http, executor))
                    if results[-1] is not None:
                        break
            return results

        return list(await asyncio.gather(*(one(queue) for queue in queues)))


async def _try(post: Post, http: aiohttp.ClientSession, executor: ThreadPoolExecutor) -> str | None:
    try:
        if post.channel == "mail":
            running = asyncio.get_running_loop().run_in_executor(executor, send_mail, post)
            await asyncio.wait_for(running, MAIL_S)
        else:
            await _post(post, http)
    except TimeoutError:
        return "no answer in time"
    except NotSent as error:
        return str(error)
    return None


def send_mail(post: Post) -> None:
    """Send by the server of MUSTER_SMTP_URL. Raises NotSent."""
    if settings.SMTP is None:
        raise NotSent("no mail server is set: MUSTER_SMTP_URL")
    domain = parseaddr(settings.MAIL_FROM)[1].rpartition("@")[2] or "muster"
    headers = {"Message-ID": f"<{post.delivery}@{domain}>", "Auto-Submitted": "auto-generated"}
    mail = EmailMessage(post.message.subject, post.message.text, settings.MAIL_FROM, [post.address], headers=headers)
    backend = EmailBackend(**settings.SMTP, timeout=TIMEOUT_S)
    try:
        backend.send_messages([mail])
    except smtplib.SMTPAuthenticationError as error:
        raise NotSent(f"the mail server refused our sign-in ({error.smtp_code})") from error
    except smtplib.SMTPRecipientsRefused as error:
        code, words = next(iter(error.recipients.values()))
        raise NotSent(f"the mail server refused {post.address}: {code} {_text(words)}") from error
    except smtplib.SMTPResponseException as error:
        raise NotSent(f"the mail server answered {error.smtp_code} {_text(error.smtp_error)}") from error
    except ssl.SSLError as error:
        raise NotSent(f"no TLS with the mail server: {error.reason}") from error
    except TimeoutError as error:
        raise NotSent("the mail server did not answer in time") from error
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise NotSent(f"no way to the mail server ({type(error).__name__})") from error
    finally:
        with contextlib.suppress(OSError, smtplib.SMTPException):  # Django leaves a refused sign-in connected
            backend.close()


def _text(words: Any) -> str:
    text = words.decode(errors="replace") if isinstance(words, bytes) else str(words)
    return " ".join(text.split())[:200]


async def _post(post: Post, http: aiohttp.ClientSession) -> None:
    body = json.dumps(_body(post), separators=(",", ":")).encode()
    headers = {"Content-Type": "application/json", "User-Agent": "Muster", "Muster-Delivery": post.delivery}
    if post.channel == "webhook":
        headers["Muster-Signature"] = sign(post.key, body, at=int(time.time()))
    try:
        async with http.post(post.address, data=body, headers=headers, allow_redirects=False) as answer:
            status = answer.status
    except TimeoutError as error:
        raise NotSent(f"no answer within {TIMEOUT_S:g} s") from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise NotSent("its TLS certificate is not one we trust") from error
    except (aiohttp.ClientError, OSError, ValueError) as error:  # their words may hold the whole address
        raise NotSent(f"no connection ({type(error).__name__})") from error
    if not 200 <= status < 300:
        raise NotSent(f"answered {status}" + (": a redirect is not followed" if 300 <= status < 400 else ""))


def _body(post: Post) -> Mapping[str, Any]:
    said = post.message
    if post.channel == "chat":
        text = "".join(CHAT_PLAIN.get(c, c) for c in said.subject + "\n" + said.text)
        return {"text": text if len(text) <= CHAT_MOST else text[: CHAT_MOST - 1] + "…"}
    rule = {"id": post.rule[0], "name": post.rule[1]}
    words = {"delivery": post.delivery, "why": said.why, "rule": rule, "subject": said.subject, "text": said.text}
    return words | {"count": said.count, "by_kind": said.by_kind, "findings": said.findings}
