"""SMS over Twilio's `Messages.json`.

Twilio has no idempotency key on create: a lost answer stays unknown until its signed status
callback, whose URL carries our message id, tells.
"""

from __future__ import annotations

import re

import httpx
from pydantic import SecretStr

from dunning_common.events.contacts import Contacts
from notifier.channels.addresses import phone_recipient
from notifier.channels.base import (
    Deadline,
    Draft,
    Frozen,
    Outcome,
    Parcel,
    Recipient,
    Refused,
    Sent,
)
from notifier.channels.http import post_once, refusal
from notifier.domain.redaction import plain
from notifier.domain.segments import segment_count

_SERVICE_ID = re.compile(r"MG[0-9a-fA-F]{32}")


class TwilioChannel:
    """SMS through Twilio. `cost_minor` is per segment."""

    def __init__(
        self,
        client: httpx.AsyncClient,
        *,
        base_url: str,
        account_sid: str,
        auth_token: SecretStr,
        callback_url: str,
        default_from: str = "",
        cost_minor: int = 0,
    ) -> None:
        """Args: callback_url is `https://…/webhooks/twilio`, as Twilio reaches it."""
        self.provider = "twilio"
        self._client = client
        self._url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._auth = httpx.BasicAuth(account_sid, auth_token.get_secret_value())
        self._callback_url = callback_url.rstrip("/")
        self._default_from = default_from
        self._cost_minor = cost_minor

    def addressee(self, contacts: Contacts, *, tenant: str, country: str) -> Recipient | None:
        """The first mobile number, else the first number."""
        return phone_recipient(contacts, tenant=tenant, country=country)

    def freeze(self, draft: Draft) -> Frozen:
        """The text."""
        text = (draft.rendered.text or "").strip()
        return Frozen(media_type="text/plain; charset=utf-8", body=text.encode())

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Hand the text to Twilio; 201 means taken."""
        origin = parcel.sender.phone or self._default_from
        if not origin:
            return Refused(reason="no_sms_sender: set sms_from of the tenant", retry=False)
        text = parcel.body.decode()
        message = parcel.message
        form = {
            "To": parcel.recipient.address,
            "MessagingServiceSid" if _SERVICE_ID.fullmatch(origin) else "From": origin,
            "Body": text,
            "StatusCallback": f"{self._callback_url}/{message.tenant}/{message.message_id}",
        }
        answer = await post_once(self._client, self._url, deadline, data=form, auth=self._auth)
        if not isinstance(answer, httpx.Response):
            return answer
        if answer.is_success:
            cost = segment_count(text) * self._cost_minor
            return Sent(provider_ref=plain(_field(answer, "sid")), cost_minor=cost)
        return refusal(answer, f"{_field(answer, 'code')} {_field(answer, 'message')}")

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _field(answer: httpx.Response, name: str) -> str:
    try:
        return str(answer.json()[name])
    except (ValueError, KeyError, TypeError):
        return ""
