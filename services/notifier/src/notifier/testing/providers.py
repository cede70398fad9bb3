"""SendGrid and Twilio on loopback: their sending APIs, and the webhooks they sign."""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode
from uuid import UUID, uuid4

import orjson
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from dunning_common.clock import SystemClock
from notifier.testing.behaviour import AcceptLog
from notifier.testing.http import Heard, HttpProvider


class FakeSendGrid(HttpProvider):
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
            "timestamp": _now_s(),
            "message_id": str(message_id),
            "tenant": tenant,
            **more,
        }

    def signed(
        self, events: Sequence[Mapping[str, Any]], *, at: int | None = None
    ) -> tuple[bytes, dict[str, str]]:
        """Body and headers of a webhook call; `at` is the signed Unix time."""
        body = orjson.dumps(list(events))
        timestamp = str(_now_s() if at is None else at)
        signature = self._key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
        return body, {
            "content-type": "application/json",
            "x-twilio-email-event-webhook-signature": base64.b64encode(signature).decode(),
            "x-twilio-email-event-webhook-timestamp": timestamp,
        }


class FakeTwilio(HttpProvider):
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


def _now_s() -> int:
    return int(SystemClock().now().timestamp())


def sid_of(message_id: str) -> str:
    """The SID that `FakeTwilio` gives a message."""
    return "SM" + UUID(message_id).hex
