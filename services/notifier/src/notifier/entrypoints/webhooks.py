"""Where providers report: checked, stored, acknowledged, and only later understood.

The URL that Twilio signs is made from the configured public one, never from the request's headers.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from urllib.parse import parse_qsl
from uuid import UUID

from fastapi import APIRouter, Request, Response
from pydantic import SecretStr

from dunning_common.clock import Clock
from dunning_common.db import Database
from dunning_common.problems import ProblemError
from notifier.adapters.provider_events import MalformedEventError, sendgrid_events, twilio_event
from notifier.adapters.webhook_signatures import is_fresh, is_from_sendgrid, is_from_twilio
from notifier.ports.messages import Feedback, ProviderEvent

_MAX_BYTES = 5 * 1024 * 1024
_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"


def webhook_routes(
    *,
    db: Database,
    feedback: Feedback,
    sendgrid_key: Callable[[str], str | None],
    twilio_token: Callable[[str], SecretStr | None],
    public_url: str,
    max_age_s: float,
    clock: Clock,
) -> APIRouter:
    """The routes under `/webhooks`.

    Args:
        db: the service's database.
        feedback: keeps events.
        sendgrid_key: the public key of a tenant's SendGrid account.
        twilio_token: the auth token of a tenant's Twilio account.
        public_url: how providers reach this service.
        max_age_s: oldest signed timestamp that is taken.
        clock: to compare it with.
    """
    router = APIRouter(prefix="/webhooks", tags=["webhooks"])

    @router.post("/sendgrid/{tenant}", status_code=204, response_class=Response)
    async def sendgrid(tenant: str, request: Request) -> None:
        """SendGrid's event webhook."""
        body = await _body(request)
        timestamp = request.headers.get(_TIMESTAMP, "")
        key = sendgrid_key(tenant)
        if key is None or not is_from_sendgrid(
            public_key=key,
            timestamp=timestamp,
            body=body,
            signature=request.headers.get(_SIGNATURE, ""),
        ):
            raise _unsigned()
        if not is_fresh(timestamp, now=clock.now().timestamp(), max_age_s=max_age_s):
            raise _unsigned()
        await _keep(db, feedback, tenant, lambda: sendgrid_events(tenant, body))

    @router.post("/twilio/{tenant}/{message_id}", status_code=204, response_class=Response)
    async def twilio(tenant: str, message_id: str, request: Request) -> None:
        """Twilio's status callback of one message."""
        body = await _body(request)
        params = _form(body)
        token = twilio_token(tenant)
        if token is None or not is_from_twilio(
            auth_token=token.get_secret_value(),
            url=_public(public_url, request),
            signature=request.headers.get("x-twilio-signature", ""),
            params=params,
        ):
            raise _unsigned()
        await _keep(db, feedback, tenant, lambda: [twilio_event(tenant, UUID(message_id), params)])

    return router


async def _keep(
    db: Database,
    feedback: Feedback,
    tenant: str,
    read: Callable[[], Sequence[ProviderEvent]],
) -> None:
    try:
        events = read()
    except (MalformedEventError, ValueError) as error:
        raise ProblemError(400, "malformed-event", "This is not an event.") from error
    if events:
        async with db.tenant(tenant) as connection:
            await feedback.keep(connection, events)


async def _body(request: Request) -> bytes:
    raw = bytearray()
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > _MAX_BYTES:
            raise ProblemError(413, "body-too-large", f"At most {_MAX_BYTES} bytes.")
    return bytes(raw)


def _form(body: bytes) -> dict[str, list[str]]:
    params: defaultdict[str, list[str]] = defaultdict(list)
    for name, value in parse_qsl(
        body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=None
    ):
        params[name].append(value)
    return dict(params)


def _public(public_url: str, request: Request) -> str:
    """The URL as the provider called it: our public address with the raw path and query."""
    raw_path: bytes = request.scope.get("raw_path", b"")
    raw_query: bytes = request.scope.get("query_string", b"")
    path = raw_path.partition(b"?")[0].decode("latin-1")
    query = raw_query.decode("latin-1")
    return public_url.rstrip("/") + path + (f"?{query}" if query else "")


def _unsigned() -> ProblemError:
    return ProblemError(401, "bad-signature", "The signature is missing, wrong or too old.")
