"""E-mail over SMTP, in steps, so that it is always known whether the message can have been taken.

The message counts as handed over with the final dot and not before: a broken connection, a timeout
or a refusal earlier than that is definitely not sent. After the dot only a reply tells; without
one the outcome is unknown. Nothing is sent twice here.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Literal

import aiosmtplib
from pydantic import SecretStr

from dunning_common.clock import monotonic
from dunning_common.events.contacts import Contacts
from notifier.channels import mime
from notifier.channels.addresses import email_recipient
from notifier.channels.base import (
    Deadline,
    DeadlinePassedError,
    Draft,
    Frozen,
    Late,
    Outcome,
    Parcel,
    Recipient,
    Refused,
    Sent,
    Unknown,
)
from notifier.channels.dkim_signing import DkimSigner
from notifier.channels.smtp_line import SmtpLine
from notifier.domain.redaction import redact

SmtpTls = Literal["none", "starttls", "implicit"]

_IDLE_LIMIT_S = 20.0
_CLOSING = 421
_MISCONFIGURED = frozenset({530, 534, 535, 538})  # our login, not this message, is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where the mail relay is. With `starttls` it must encrypt, or nothing goes."""

    host: str
    port: int
    tls: SmtpTls = "none"
    username: str | None = None
    password: SecretStr | None = None
    verify_certificates: bool = True
    local_hostname: str | None = None


@dataclass(slots=True)
class _Progress:
    """Whether the final dot may have left."""

    handed_over: bool = False


class SmtpChannel:
    """E-mail through one relay, over connections that are kept and reused."""

    def __init__(
        self, server: SmtpServer, *, cost_minor: int = 0, signer: DkimSigner | None = None
    ) -> None:
        self.provider = "smtp"
        self._signer = signer
        self._server = server
        self._cost_minor = cost_minor
        self._idle: list[_Kept] = []
        self._local_hostname = server.local_hostname

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:  # noqa: ARG002
        """The first usable e-mail address."""
        return email_recipient(contacts, tenant=tenant)

    def freeze(self, draft: Draft) -> Frozen:
        """The whole e-mail, signed where there is a key for the sender's domain.

        Raises:
            ValueError: an address or a key that cannot be used, attachments that are too large.
        """
        mail = mime.compose(draft)
        if self._signer is not None:
            mail = self._signer.sign(mail, sender=draft.sender.email)
        return Frozen(media_type="message/rfc822", body=mail)

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Hand the e-mail to the relay."""
        progress = _Progress()
        try:
            deadline.check()
            async with asyncio.timeout(deadline.max_send_s):
                reply = await self._converse(parcel, deadline, progress)
        except DeadlinePassedError:
            return Late()
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            if progress.handed_over:
                return Unknown(reason=_words("no_reply_after_data", error))
            return _refused(error)
        return self._verdict(reply)

    async def close(self) -> None:
        """Close the kept connections."""
        while self._idle:
            self._idle.pop().line.close()

    def _verdict(self, reply: aiosmtplib.SMTPResponse) -> Outcome:
        words = redact(f"{reply.code} {reply.message}")
        if 200 <= reply.code < 300:
            return Sent(provider_ref=words, cost_minor=self._cost_minor)
        if 400 <= reply.code < 600:
            return Refused(reason=words, retry=_may_pass(reply.code))
        return Unknown(reason=f"unexpected_reply: {words}")

    async def _converse(
        self, parcel: Parcel, deadline: Deadline, progress: _Progress
    ) -> aiosmtplib.SMTPResponse:
        line = await self._open_envelope(parcel)
        try:
            reply = await _transfer(line, parcel.body, deadline, progress)
        except BaseException:
            line.cut()
            raise
        self._keep(line, reply.code, expected={2, 4, 5})
        return reply

    def _keep(self, line: SmtpLine, code: int, *, expected: Collection[int]) -> None:
        """Keep a line for the next mail, unless its last answer cannot be one to what was said."""
        if line.is_open and code != _CLOSING and code // 100 in expected:
            self._idle.append(_Kept(line))
        else:
            line.cut()

    async def _open_envelope(self, parcel: Parcel) -> SmtpLine:
        """A connection that has taken sender and recipient and waits for the text.

        A kept connection may have died since; a new one is then tried once: nothing was sent yet.
        """
        while True:
            kept = self._take_idle()
            line = kept or await self._connect()
            try:
                await line.begin(parcel.sender.email, parcel.recipient.address)
            except aiosmtplib.SMTPServerDisconnected:
                line.cut()
                if kept is None:
                    raise
            except aiosmtplib.SMTPResponseException as error:
                if error.code == _CLOSING and kept is not None:
                    line.cut()
                    continue
                self._keep(line, error.code, expected={4, 5})
                raise
            except BaseException:
                line.cut()
                raise
            else:
                return line

    def _take_idle(self) -> SmtpLine | None:
        while self._idle:
            kept = self._idle.pop()
            if kept.line.is_open and monotonic() - kept.since < _IDLE_LIMIT_S:
                return kept.line
            kept.line.close()
        return None

    async def _connect(self) -> SmtpLine:
        server = self._server
        if self._local_hostname is None:
            self._local_hostname = await asyncio.to_thread(socket.getfqdn)
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            local_hostname=self._local_hostname,
            use_tls=server.tls == "implicit",
            start_tls=server.tls == "starttls",
            validate_certs=server.verify_certificates,
            username=server.username,
            password=server.password.get_secret_value() if server.password else None,
            timeout=None,  # one timeout spans the whole conversation
        )
        await client.connect()
        try:
            if not client.last_ehlo_response:  # without a login it has not asked yet
                await client.ehlo()
            return SmtpLine.take_over(client)
        except BaseException:
            client.close()
            raise


@dataclass(frozen=True, slots=True)
class _Kept:
    line: SmtpLine
    since: float = field(default_factory=monotonic)


async def _transfer(
    line: SmtpLine, body: bytes, deadline: Deadline, progress: _Progress
) -> aiosmtplib.SMTPResponse:
    """The text, then, when the deadline still allows, the final dot.

    The dot is written when the text has left our buffer, so that it cannot overtake a broken line.
    """
    line.say(_stuffed(body))
    await line.flush()
    deadline.check()
    if reply := line.unasked():
        raise aiosmtplib.SMTPResponseException(reply.code, reply.message)
    if not line.is_open:
        raise aiosmtplib.SMTPServerDisconnected("Connection lost")
    progress.handed_over = True
    line.say(b".\r\n")
    return await line.reply()


def _stuffed(body: bytes) -> bytes:
    """The text as it travels: leading dots doubled (RFC 5321, 4.5.2).

    Its lines end with CRLF already and nothing else: `mime.compose` writes no other sign of either
    kind, and looking for one in every mail took longer than writing it to the wire.
    """
    if not body.endswith(b"\r\n"):
        body += b"\r\n"
    return body.replace(b"\r\n.", b"\r\n..") if b"\n." in body else body


def _refused(error: Exception) -> Refused:
    match error:
        case aiosmtplib.SMTPResponseException():
            words = redact(f"{error.code} {error.message}")
            return Refused(reason=words, retry=_may_pass(error.code))
        case aiosmtplib.SMTPRecipientsRefused():
            return Refused(reason="recipient_refused", retry=False)
        case ValueError() if not isinstance(error, OSError):  # a bad certificate is both
            return Refused(reason=_words("unusable_address", error), retry=False)
        case _:
            return Refused(reason=_words("not_connected", error), retry=True)


def _may_pass(code: int) -> bool:
    return code < 500 or code in _MISCONFIGURED


def _words(slug: str, error: Exception) -> str:
    return redact(f"{slug}: {type(error).__name__} {error}")
