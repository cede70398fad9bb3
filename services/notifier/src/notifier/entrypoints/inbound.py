"""Where mail and texts to the creditor come in: checked, stored, acknowledged, understood later.

SendGrid drops a mail for ever when the answer is 4xx and tries for three days when it is 5xx. So a
tenant for whom nothing is set up yet answers 503, and only what is not from the provider 401; what
cannot be read is stored, acknowledged and listed. Twilio takes an empty TwiML document for "no
answer": nothing is ever answered by itself.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from notifier.adapters.webhook_bodies import BodyError, inflated
from notifier.adapters.webhook_signatures import is_fresh, is_standard_webhook
from notifier.domain.issues import Issue, IssueKind
from notifier.domain.redaction import redact
from notifier.entrypoints.webhooks import (
    SIGNATURE,
    body_of,
    is_signed_by_sendgrid,
    is_signed_by_twilio,
    twilio_fields,
    unsigned,
)
from notifier.ports.inbound import InboundStore, NewInbound
from notifier.ports.issues import Issues

_MAX_MAIL_BYTES = 31 * 1024 * 1024
"""SendGrid takes mails of up to 30 MB."""
_MAX_TEXT_BYTES = 256 * 1024
_STANDARD_AGE_S = 300.0
"""How old a Standard Webhooks timestamp may be."""

_SID = re.compile(r"[A-Za-z0-9]{2,64}")
_NO_ANSWER = '<?xml version="1.0" encoding="UTF-8"?><Response/>'


def inbound_routes(
    *,
    db: Database,
    store: InboundStore,
    issues: Issues,
    parse_key: Callable[[str], str | None],
    inbound_secret: Callable[[str], SecretStr | None],
    twilio_token: Callable[[str], SecretStr | None],
    public_url: str,
    max_age_s: float,
    clock: Clock,
) -> APIRouter:
    """The routes under `/webhooks` for what comes in.

    Args:
        db: the service's database.
        store: keeps what came.
        issues: lists what cannot even be stored as a mail or text.
        parse_key: the public key of a tenant's Inbound Parse security policy.
        inbound_secret: what a tenant's URL or mail gateway proves itself with.
        twilio_token: the auth token of a tenant's Twilio account.
        public_url: how providers reach this service.
        max_age_s: oldest timestamp signed by SendGrid that is taken.
        clock: to compare it with.
    """
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    gate = _Gate(parse_key=parse_key, inbound_secret=inbound_secret, max_age_s=max_age_s)

    @router.post("/inbound-mail/{tenant}", status_code=204, response_class=Response)
    async def inbound_mail(tenant: str, request: Request) -> None:
        """A mail to the return or reply address, from SendGrid Inbound Parse or a mail gateway."""
        raw = await body_of(request, max_bytes=_MAX_MAIL_BYTES)
        if not gate.lets_in(tenant, request, raw, now=clock.now().timestamp()):
            raise unsigned()
        encoding = request.headers.get("content-encoding", "")
        async with db.tenant(tenant) as connection:
            try:
                mail = inflated(raw, encoding, max_bytes=_MAX_MAIL_BYTES)
            except BodyError as error:
                await issues.note(connection, [_unreadable(tenant, "inbound email", raw, error)])
                return
            await store.keep(
                connection,
                [
                    NewInbound(
                        tenant=tenant,
                        source="mail",
                        external_id=hashlib.sha256(mail).hexdigest(),
                        channel="email",
                        content_type=request.headers.get("content-type", ""),
                        raw=mail,
                    )
                ],
            )

    @router.post("/twilio-inbound/{tenant}", response_class=Response)
    async def inbound_text(tenant: str, request: Request) -> Response:
        """A text to the creditor's number, from Twilio."""
        raw = await body_of(request, max_bytes=_MAX_TEXT_BYTES)
        token = twilio_token(tenant)
        if token is None or not is_signed_by_twilio(request, raw, token, public_url=public_url):
            raise unsigned()
        async with db.tenant(tenant) as connection:
            try:
                text = _text(tenant, request, raw)
            except BodyError as error:
                await issues.note(connection, [_unreadable(tenant, "inbound sms", raw, error)])
            else:
                await store.keep(connection, [text])
        return Response(_NO_ANSWER, media_type="text/xml")

    return router


@dataclass(frozen=True, slots=True, kw_only=True)
class _Gate:
    """Whether mail may come in: SendGrid's signature, Standard Webhooks', or the URL's password."""

    parse_key: Callable[[str], str | None]
    inbound_secret: Callable[[str], SecretStr | None]
    max_age_s: float

    def lets_in(self, tenant: str, request: Request, raw: bytes, *, now: float) -> bool:
        key, secret = self.parse_key(tenant), self.inbound_secret(tenant)
        if key is None and secret is None:
            raise ProblemError(
                503,
                "inbound-not-configured",
                "Inbound mail is not set up for this tenant.",
                detail="Set NOTIFIER_SENDGRID_PARSE_KEY or NOTIFIER_INBOUND_SECRET.",
                headers={"retry-after": "3600"},
            )
        if key is not None and SIGNATURE in request.headers:
            return is_signed_by_sendgrid(request, raw, key=key, now=now, max_age_s=self.max_age_s)
        if secret is None:
            return False
        if "webhook-signature" not in request.headers:
            return _knows(request, secret)
        timestamp = request.headers.get("webhook-timestamp", "")
        return is_standard_webhook(
            secret=secret.get_secret_value(),
            message_id=request.headers.get("webhook-id", ""),
            timestamp=timestamp,
            body=raw,
            signatures=request.headers["webhook-signature"],
        ) and is_fresh(timestamp, now=now, max_age_s=_STANDARD_AGE_S)


def _text(tenant: str, request: Request, raw: bytes) -> NewInbound:
    """A text of Twilio's, to be stored.

    Raises:
        BodyError: it has no id.
    """
    fields = twilio_fields(request, raw)
    sid = (fields.get("MessageSid") or fields.get("SmsSid") or [""])[0]
    if not _SID.fullmatch(sid):
        raise BodyError("MessageSid is missing")
    return NewInbound(
        tenant=tenant,
        source="twilio",
        external_id=sid,
        channel="sms",
        content_type=request.headers.get("content-type", ""),
        raw=raw,
    )


def _knows(request: Request, secret: SecretStr) -> bool:
    """Whether the password of HTTP Basic is the secret: SendGrid takes it inside the URL."""
    scheme, _, given = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return False
    try:
        password = base64.b64decode(given, validate=True).partition(b":")[2]
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(password, secret.get_secret_value().encode())


def _unreadable(tenant: str, source: str, raw: bytes, error: BodyError) -> Issue:
    return Issue(
        tenant=tenant,
        kind=IssueKind.UNREADABLE,
        source=source,
        ref=hashlib.sha256(raw).hexdigest(),
        detail=redact(f"{len(raw)} bytes: {error}"),
    )
