"""Stand-ins for everything outside the notifier: ledger, renderer, mail server, SendGrid, Twilio.

They speak the real protocols on loopback, keep a log on disk of what they accepted, and misbehave
on request. For tests, rehearsals and the mail catcher; never for production.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import os
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from email import message_from_bytes
from enum import StrEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid4

import orjson
from aiosmtpd import smtp as aiosmtpd_smtp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from notifier.content.model import Rendered, RenderRequest, TemplateError
from notifier.ports.ledger import (
    DebtorKey,
    Denied,
    Granted,
    LedgerUnavailableError,
    PermitRequest,
)


class Mode(StrEnum):
    """How a provider behaves.

    `ok` accepts and says so; `slow` accepts and says so late; `lost` accepts and hangs up without a
    word; `broken` accepts and answers with an error of a gateway; `busy` does not accept, for now;
    `refuse` never accepts; `cut` hangs up before it has everything.
    """

    OK = "ok"
    SLOW = "slow"
    LOST = "lost"
    BROKEN = "broken"
    BUSY = "busy"
    REFUSE = "refuse"
    CUT = "cut"


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """One message that a provider took."""

    message_id: str
    to: str
    sha256: str


class AcceptLog:
    """What a provider accepted, one JSON line each; on disk before the provider answers."""

    def __init__(self, file: Path | None = None) -> None:
        self.accepted: list[Accepted] = []
        self._file = file.open("ab") if file else None

    def add(self, accepted: Accepted) -> None:
        """Take note, durably."""
        self.accepted.append(accepted)
        if self._file is not None:
            line = {"id": accepted.message_id, "to": accepted.to, "sha256": accepted.sha256}
            self._file.write(orjson.dumps(line) + b"\n")
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()

    @property
    def message_ids(self) -> list[str]:
        """Message ids in the order of acceptance; one that stands here twice was sent twice."""
        return [accepted.message_id for accepted in self.accepted]


class _Behaviour:
    """What to do with the next message: scripted first, then the standing mode."""

    def __init__(self, log: AcceptLog | None) -> None:
        self.log = log or AcceptLog()
        self.mode = Mode.OK
        self.script: deque[Mode] = deque()
        self.delay_s = 0.3
        self.on_accept: Callable[[], None] = lambda: None
        self._server: asyncio.Server | None = None

    def next_mode(self) -> Mode:
        return self.script.popleft() if self.script else self.mode

    def accept(self, message_id: str, to: str, body: bytes) -> None:
        sha256 = hashlib.sha256(body).hexdigest()
        self.log.add(Accepted(message_id=message_id, to=to, sha256=sha256))
        self.on_accept()

    @property
    def port(self) -> int:
        """Where it listens on loopback."""
        if self._server is None:
            raise RuntimeError("enter the server first: async with …")
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def listen(self) -> asyncio.Server:
        raise NotImplementedError

    async def __aenter__(self) -> Self:
        self._server = await self.listen()
        return self

    async def __aexit__(
        self,
        _: type[BaseException] | None,
        __: BaseException | None,
        ___: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        self.log.close()


class FakeSmtp(_Behaviour):
    """A mail server.

    `lost` and `slow` concern the reply after the final dot; `broken` is a 554 there, and the mail
    is not accepted: unlike over HTTP, an SMTP error reply is a definite no.
    """

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log)
        self.mails: list[bytes] = []
        self.keep_mails = True
        self.connections = 0
        self._port = port

    async def listen(self) -> asyncio.Server:
        """Start listening."""
        return await asyncio.get_running_loop().create_server(
            self._connection, "127.0.0.1", self._port
        )

    def _connection(self) -> aiosmtpd_smtp.SMTP:
        self.connections += 1
        return _SmtpConnection(_SmtpHandler(self), hostname="fake.test", ident="fake")


class _SmtpConnection(aiosmtpd_smtp.SMTP):
    """aiosmtpd, and a way to hang up before it takes the text."""

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802 -- aiosmtpd's name
        mode = self.event_handler.mode = self.event_handler.server.next_mode()
        if mode is Mode.CUT:
            _hang_up(self.transport)
            return
        await super().smtp_DATA(arg)


class _SmtpHandler:
    def __init__(self, server: FakeSmtp) -> None:
        self.server = server
        self.mode = Mode.OK

    async def handle_RCPT(  # noqa: N802 -- aiosmtpd's name
        self, _: Any, __: Any, envelope: Any, address: str, ___: Any
    ) -> str:
        script = self.server.script
        upcoming = script[0] if script else self.server.mode
        if upcoming is Mode.REFUSE:
            self.server.next_mode()
            return f"550 5.1.1 <{address}> user unknown"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, smtp: Any, _: Any, envelope: Any) -> str:  # noqa: N802
        if self.mode is Mode.BUSY:
            return "451 4.3.0 try again later"
        if self.mode is Mode.BROKEN:
            return "554 5.6.0 not taken"
        raw: bytes = envelope.original_content
        message_id = str(message_from_bytes(raw)["Message-ID"]).strip("<>").partition("@")[0]
        self.server.accept(message_id, envelope.rcpt_tos[0], raw)
        if self.server.keep_mails:
            self.server.mails.append(raw)
        if self.mode is Mode.LOST:
            _hang_up(smtp.transport)
            return "250 nobody hears this"
        if self.mode is Mode.SLOW:
            await asyncio.sleep(self.server.delay_s)
        return f"250 2.0.0 queued as {message_id[:8]}"


def _hang_up(transport: asyncio.BaseTransport | None) -> None:
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


@dataclass(frozen=True, slots=True, kw_only=True)
class Heard:
    """An HTTP request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


class _HttpProvider(_Behaviour):
    """A provider's HTTP API: enough of HTTP/1.1 to hang up at any point."""

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log)
        self.heard: list[Heard] = []
        self._port = port

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> asyncio.Server:
        """Start listening."""
        return await asyncio.start_server(self._serve, "127.0.0.1", self._port)

    def take(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        """Accept a request and say what to answer."""
        raise NotImplementedError

    def complain(self, status: int) -> Any:
        """The body of an error in the provider's own shape."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                mode = None
                request = await _read_request(reader)
                if request is None:
                    return
                self.heard.append(request)
                mode = self.next_mode()
                answer = await self._answer(mode, request)
                if answer is None:
                    writer.transport.abort()
                    return
                writer.write(answer)
                await writer.drain()
        except ConnectionError:
            return
        finally:
            writer.close()

    async def _answer(self, mode: Mode, request: Heard) -> bytes | None:
        match mode:
            case Mode.CUT:
                return None
            case Mode.BUSY:
                return _response(429, {}, self.complain(429))
            case Mode.REFUSE:
                return _response(400, {}, self.complain(400))
            case _:
                answer = self.take(request)
        if mode is Mode.LOST:
            return None
        if mode is Mode.BROKEN:
            return _response(502, {}, {"message": "bad gateway"})
        if mode is Mode.SLOW:
            await asyncio.sleep(self.delay_s)
        return _response(*answer)


class FakeSendGrid(_HttpProvider):
    """SendGrid's `POST /v3/mail/send`, and its signed event webhook."""

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log, port=port)
        self._key = ec.generate_private_key(ec.SECP256R1())

    @property
    def public_key(self) -> str:
        """The verification key, as SendGrid shows it."""
        spki = self._key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        return base64.b64encode(spki).decode()

    def take(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        """Accept an e-mail: 202 with `X-Message-Id`."""
        mail = orjson.loads(request.body)
        addressed = mail["personalizations"][0]
        message_id = addressed["custom_args"]["message_id"]
        self.accept(message_id, addressed["to"][0]["email"], request.body)
        return 202, {"X-Message-Id": f"sg-{message_id[:8]}"}, None

    def complain(self, status: int) -> Any:
        """An error in SendGrid's shape."""
        return {"errors": [{"message": f"no ({status})", "field": None, "help": None}]}

    def event(self, kind: str, *, tenant: str, message_id: UUID, **more: Any) -> dict[str, Any]:
        """One event about a message."""
        return {
            "event": kind,
            "email": "debtor@example.com",
            "sg_event_id": f"ev-{uuid4().hex}",
            "sg_message_id": f"sg-{str(message_id)[:8]}.filter0001.1.1",
            "timestamp": int(time.time()),
            "message_id": str(message_id),
            "tenant": tenant,
            **more,
        }

    def signed(
        self, events: Sequence[Mapping[str, Any]], *, at: int | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a webhook call; `at` is the signed Unix time."""
        body = orjson.dumps(list(events))
        timestamp = str(int(time.time()) if at is None else at)
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return body, {
            "content-type": "application/json",
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp,
        }


class FakeTwilio(_HttpProvider):
    """Twilio's `Messages.json`, and its signed status callbacks."""

    account_sid = "AC" + "0" * 32
    auth_token = "fake-twilio-token"  # noqa: S105 -- of the fake

    def __init__(self, log: AcceptLog | None = None, *, port: int = 0) -> None:
        super().__init__(log, port=port)
        self.texts: list[dict[str, str]] = []

    def take(self, request: Heard) -> tuple[int, dict[str, str], Any]:
        """Accept a text: 201 with its SID."""
        form = dict(parse_qsl(request.body.decode()))
        message_id = form["StatusCallback"].rpartition("/")[2]
        self.texts.append(form)
        self.accept(message_id, form["To"], form["Body"].encode())
        sid = sid_of(message_id)
        return 201, {}, {"sid": sid, "status": "queued", "num_segments": "1", "price": None}

    def complain(self, status: int) -> Any:
        """An error in Twilio's shape."""
        return {"code": 21211 if status == 400 else 20429, "message": "no", "status": status}

    def callback(
        self, url: str, *, message_id: UUID, status: str, error_code: str = ""
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a status callback to the public `url`."""
        params = {"MessageSid": sid_of(str(message_id)), "MessageStatus": status, "To": "+3361"}
        if error_code:
            params["ErrorCode"] = error_code
        text = url + "".join(name + params[name] for name in sorted(params))
        mac = hmac.new(self.auth_token.encode(), text.encode(), hashlib.sha1).digest()
        return urlencode(params).encode(), {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": base64.b64encode(mac).decode(),
        }


def sid_of(message_id: str) -> str:
    """The SID that `FakeTwilio` gives a message."""
    return "SM" + UUID(message_id).hex


async def _read_request(reader: asyncio.StreamReader) -> Heard | None:
    head = await reader.readline()
    if not head:
        return None
    method, path, _ = head.decode().split(" ", 2)
    headers: dict[str, str] = {}
    while line := (await reader.readline()).strip():
        name, _, value = line.decode().partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Heard(method=method, path=path, headers=headers, body=body)


def _response(status: int, headers: Mapping[str, str], body: Any) -> bytes:
    content = b"" if body is None else orjson.dumps(body)
    lines = [f"HTTP/1.1 {status} Fake", f"content-length: {len(content)}"]
    lines += ["content-type: application/json", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, "", ""]).encode() + content


@dataclass(slots=True)
class FakeLedger:
    """A ledger in memory: keys, paid invoices, and permits that payments wait for.

    Set `down` and it answers nothing; `closed` says why an invoice must not be reminded.
    """

    debtor_keys: dict[DebtorKey, bytes] = field(default_factory=dict)
    closed: dict[str, str] = field(default_factory=dict)
    down: bool = False
    permit_s: float | None = None
    on_permit: Callable[[], None] = lambda: None
    asked: list[PermitRequest] = field(default_factory=list)
    live: dict[UUID, tuple[float, frozenset[str]]] = field(default_factory=dict)
    key_calls: int = 0
    permit_calls: int = 0
    return_calls: int = 0

    async def keys(self, debtors: Collection[DebtorKey]) -> Mapping[DebtorKey, bytes]:
        """The keys of debtors that were not erased."""
        self.key_calls += 1
        self._answer()
        return {d: self.debtor_keys[d] for d in debtors if d in self.debtor_keys}

    async def permits(
        self, requests: Sequence[PermitRequest], *, lease_s: float
    ) -> Mapping[UUID, Granted | Denied]:
        """Permits for what is not closed."""
        self.permit_calls += 1
        self._answer()
        self.asked.extend(requests)
        answers = {request.permit_id: self._decide(request, lease_s) for request in requests}
        self.on_permit()
        return answers

    async def return_permits(self, permit_ids: Collection[UUID]) -> None:
        """Forget permits."""
        self.return_calls += 1
        for permit_id in permit_ids:
            self.live.pop(permit_id, None)

    async def pay(self, invoice_id: str) -> None:
        """Close an invoice; returns, like the ledger's answer, when no live permit covers it."""
        self.closed[invoice_id] = "paid"
        while any(  # noqa: ASYNC110 -- permits also end by the clock
            invoice_id in invoices and until > time.monotonic()
            for until, invoices in self.live.values()
        ):
            await asyncio.sleep(0.005)

    def _answer(self) -> None:
        if self.down:
            raise LedgerUnavailableError("the ledger is down")

    def _decide(self, request: PermitRequest, lease_s: float) -> Granted | Denied:
        refused = [
            (invoice_id, self.closed[invoice_id])
            for invoice_id, _ in request.invoices
            if invoice_id in self.closed
        ]
        if refused:
            return Denied(refused=tuple(refused))
        permit_s = self.permit_s or lease_s
        invoices = frozenset(invoice_id for invoice_id, _ in request.invoices)
        self.live[request.permit_id] = (time.monotonic() + permit_s, invoices)
        return Granted(expires_in_s=permit_s)


class PlainRenderer:
    """Renders without templates, in no time; the template `broken` fails."""

    def render(self, request: RenderRequest) -> Rendered:
        """A few words per channel."""
        if request.template == "broken":
            raise TemplateError("broken", "line 1", "it is broken on purpose")
        words = f"{request.template} for {', '.join(request.message.invoice_ids)}"
        match request.channel:
            case "email":
                html = f"<p>{words}</p>"
                return _rendered("multipart/alternative", subject=words, text=words, html=html)
            case "sms":
                return _rendered("text/plain", text=words)
            case _:
                pdf = b"%PDF-1.7\n" + words.encode() + b"\n%%EOF\n"
                return _rendered("application/pdf", subject=words, pdf=pdf)


def _rendered(
    media_type: str,
    *,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    pdf: bytes | None = None,
) -> Rendered:
    return Rendered(media_type=media_type, subject=subject, text=text, html=html, pdf=pdf)
