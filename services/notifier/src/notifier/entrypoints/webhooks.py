"""Where providers report: checked, stored, acknowledged, and only later understood.

Unsigned is 401 and leaves nothing behind. What is signed is always acknowledged once it is stored,
also when it cannot be read: sending the same bytes again would not make them readable, and SendGrid
would do so for a day. It is listed for an operator instead. The URL that Twilio signs is made from
the configured public one, never from the request's headers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from notifier.adapters.provider_events import (
    MalformedEventError,
    Unreadable,
    sendgrid_events,
    twilio_event,
    unreadable,
)
from notifier.adapters.webhook_bodies import BodyError, form_fields, inflated, json_fields
from notifier.adapters.webhook_signatures import is_fresh, is_from_sendgrid, is_from_twilio
from notifier.domain.issues import Issue, IssueKind
from notifier.domain.redaction import redact
from notifier.ports.issues import Issues
from notifier.ports.messages import Feedback, ProviderEvent

_MAX_BYTES = 5 * 1024 * 1024
_MAX_UNPACKED_BYTES = 25 * 1024 * 1024
SIGNATURE = "x-twilio-email-event-webhook-signature"
TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


def webhook_routes(
    *,
    db: Database,
    feedback: Feedback,
    issues: Issues,
    sendgrid_key: Callable[[str], str | None],
    twilio_token: Callable[[str], SecretStr | None],
    public_url: str,
    max_age_s: float,
    clock: Clock,
) -> APIRouter:
    """The routes under `/webhooks` for what became of messages.

    Args:
        db: the service's database.
        feedback: keeps events.
        issues: lists what cannot be read.
        sendgrid_key: the public key of a tenant's SendGrid account.
        twilio_token: the auth token of a tenant's Twilio account.
        public_url: how providers reach this service.
        max_age_s: oldest signed timestamp that is taken.
        clock: to compare it with.
    """
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    async def keep(
        tenant: str, provider: str, raw: bytes, read: Callable[[], Sequence[_Event]]
    ) -> None:
        try:
            found = read()
        except (MalformedEventError, BodyError, ValueError) as error:
            why = "" if isinstance(error, UnicodeError) else str(error)
            found = [unreadable(why or type(error).__name__, raw)]
        if found:
            async with db.tenant(tenant) as connection:
                events = [event for event in found if isinstance(event, ProviderEvent)]
                await feedback.keep(connection, events)
                await issues.note(
                    connection,
                    [_issue(tenant, provider, u) for u in found if isinstance(u, Unreadable)],
                )

    @router.post("/sendgrid/{tenant}", status_code=204, response_class=Response)
    async def sendgrid(tenant: str, request: Request) -> None:
        """SendGrid's event webhook."""
        raw = await body_of(request, max_bytes=_MAX_BYTES)
        key = sendgrid_key(tenant)
        if key is None or not is_signed_by_sendgrid(
            request, raw, key=key, now=clock.now().timestamp(), max_age_s=max_age_s
        ):
            raise unsigned()

        def read() -> Sequence[_Event]:
            encoding = request.headers.get("content-encoding", "")
            return sendgrid_events(tenant, inflated(raw, encoding, max_bytes=_MAX_UNPACKED_BYTES))

        await keep(tenant, "sendgrid", raw, read)

    @router.post("/twilio/{tenant}/{message_id}", status_code=204, response_class=Response)
    async def twilio(tenant: str, message_id: str, request: Request) -> None:
        """Twilio's status callback of one message."""
        raw = await body_of(request, max_bytes=_MAX_BYTES)
        token = twilio_token(tenant)
        if token is None or not is_signed_by_twilio(request, raw, token, public_url=public_url):
            raise unsigned()
        await keep(
            tenant,
            "twilio",
            raw,
            lambda: [twilio_event(tenant, UUID(message_id), twilio_fields(request, raw))],
        )

    return router


_Event = ProviderEvent | Unreadable


def is_signed_by_sendgrid(
    request: Request, raw: bytes, *, key: str, now: float, max_age_s: float
) -> bool:
    """Whether SendGrid signed this request, not too long ago."""
    timestamp = request.headers.get(TIMESTAMP, "")
    return is_from_sendgrid(
        public_key=key,
        timestamp=timestamp,
        body=raw,
        signature=request.headers.get(SIGNATURE, ""),
    ) and is_fresh(timestamp, now=now, max_age_s=max_age_s)


def is_signed_by_twilio(request: Request, raw: bytes, token: SecretStr, *, public_url: str) -> bool:
    """Whether Twilio signed this request: a form by its fields, JSON by its digest in the URL."""
    is_json = _is_json(request)
    return is_from_twilio(
        auth_token=token.get_secret_value(),
        url=_public(public_url, request),
        signature=request.headers.get("x-twilio-signature", ""),
        params=None if is_json else form_fields(raw, _kind(request)),
        body=raw if is_json else None,
    )


def twilio_fields(request: Request, raw: bytes) -> dict[str, list[str]]:
    """The fields of a request of Twilio's.

    Raises:
        BodyError: neither a form nor a JSON object.
    """
    return json_fields(raw) if _is_json(request) else form_fields(raw, _kind(request))


async def body_of(request: Request, *, max_bytes: int) -> bytes:
    """The raw body.

    Raises:
        ProblemError: 413, it is too large.
    """
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > max_bytes:
            raise ProblemError(413, "body-too-large", f"At most {max_bytes} bytes.")
    return bytes(raw)


def unsigned() -> ProblemError:
    """The answer to whoever is not the provider."""
    return ProblemError(401, "bad-signature", "The signature is missing, wrong or too old.")


def _issue(tenant: str, provider: str, found: Unreadable) -> Issue:
    return Issue(
        tenant=tenant,
        kind=IssueKind.UNREADABLE,
        source=provider,
        ref=found.digest,
        detail=redact(found.reason),
        excerpt=found.excerpt,
    )


def _kind(request: Request) -> str:
    return request.headers.get("content-type", "")


def _is_json(request: Request) -> bool:
    return _kind(request).partition(";")[0].strip().lower() == "application/json"


def _public(public_url: str, request: Request) -> str:
    """The URL as the provider called it: our public address with the raw path and query."""
    raw_path: bytes = request.scope.get("raw_path", b"")
    raw_query: bytes = request.scope.get("query_string", b"")
    path = raw_path.partition(b"?")[0].decode("latin-1")
    query = raw_query.decode("latin-1")
    return public_url.rstrip("/") + path + (f"?{query}" if query else "")
