"""SMS over Twilio's `Messages.json`.

Twilio has no idempotency key on create: a lost answer stays unknown until its signed status
callback, whose URL carries our message id, tells.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
from pydantic import SecretStr

from dunning_common.events.contacts import Contacts
from notifier.channels import sms_rules
from notifier.channels.addresses import phone_recipients
from notifier.channels.base import (
    Deadline,
    Deferred,
    Draft,
    Frozen,
    Outcome,
    Parcel,
    Recipient,
    Refused,
    Sender,
    Sent,
    Unreachable,
)
from notifier.channels.http import post_once, refusal
from notifier.channels.sms_rules import SmsReach
from notifier.domain.redaction import plain
from notifier.domain.segments import segment_count
from notifier.ports.allowance import Allowance, AllowanceUnavailableError

_LONGEST_VALIDITY_S = 36_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SmsPolicy:
    """What is sent at all: `reach` for all tenants but those in `reach_of`.

    A text of more than `segments_max` parts is not sent. One that a limit stops is given up when it
    is `give_up_after_s` old.
    """

    reach: SmsReach = field(default_factory=SmsReach)
    reach_of: dict[str, SmsReach] = field(default_factory=dict)
    segments_max: int = 6
    give_up_after_s: float = 3 * 86_400.0


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
        policy: SmsPolicy | None = None,
        allowance: Allowance | None = None,
    ) -> None:
        """Args: callback_url is `https://…/webhooks/twilio`, as Twilio reaches it."""
        self.provider = "twilio"
        self._client = client
        self._url = f"{base_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}/Messages.json"
        self._auth = httpx.BasicAuth(account_sid, auth_token.get_secret_value())
        self._callback_url = callback_url.rstrip("/")
        self._default_from = default_from
        self._cost_minor = cost_minor
        self._policy = policy or SmsPolicy()
        self._allowance = allowance

    def addressee(
        self, contacts: Contacts, *, tenant: str, country: str
    ) -> Recipient | Unreachable | None:
        """The first number that takes texts and may get one; else why the best may not."""
        reach = self._policy.reach_of.get(tenant, self._policy.reach)
        first: Unreachable | None = None
        for recipient in phone_recipients(contacts, tenant=tenant, country=country):
            reason = sms_rules.obstacle(recipient.address, reach=reach, home=country)
            if reason is None:
                return recipient
            first = first or Unreachable(reason=reason)
        return first

    def freeze(self, draft: Draft) -> Frozen:
        """The text, and how to stop texts where nobody can answer them.

        Raises:
            ValueError: it has too many parts.
        """
        text = (draft.rendered.text or "").strip()
        if not sms_rules.takes_replies(self._origin(draft.sender)) and draft.sender.email:
            text = f"{text}\nSTOP: {draft.sender.email}"
        parts = segment_count(text)
        if parts > self._policy.segments_max:
            raise ValueError(
                f"the text has {parts} SMS parts, more than {self._policy.segments_max}: shorten "
                "it, or take accents and signs out that are not in the GSM alphabet"
            )
        return Frozen(media_type="text/plain; charset=utf-8", body=text.encode())

    async def send(self, parcel: Parcel, deadline: Deadline) -> Outcome:
        """Hand the text to Twilio; 201 means taken."""
        origin = self._origin(parcel.sender)
        if reason := sms_rules.sender_obstacle(origin, to=parcel.recipient.address):
            return Refused(reason=reason, retry=False)
        text = parcel.body.decode()
        cost_minor = segment_count(text) * self._cost_minor
        if stopped := await self._stopped(parcel, cost_minor):
            return stopped
        message = parcel.message
        form = {
            "To": parcel.recipient.address,
            "MessagingServiceSid" if sms_rules.is_service(origin) else "From": origin,
            "Body": text,
            "StatusCallback": f"{self._callback_url}/{message.tenant}/{message.message_id}",
            **_validity(parcel.keeps_s),
        }
        answer = await post_once(self._client, self._url, deadline, data=form, auth=self._auth)
        if not isinstance(answer, httpx.Response):
            return answer
        if answer.is_success:
            return Sent(provider_ref=plain(_field(answer, "sid")), cost_minor=cost_minor)
        return refusal(answer, f"{_field(answer, 'code')} {_field(answer, 'message')}")

    def _origin(self, sender: Sender) -> str:
        return sender.phone or self._default_from

    async def _stopped(self, parcel: Parcel, cost_minor: int) -> Outcome | None:
        """The limit that stands in the way, if any; otherwise the text is counted."""
        if self._allowance is None or parcel.sender.sandbox:
            return None
        try:
            exceeded = await self._allowance.take(
                tenant=parcel.message.tenant,
                message_id=parcel.message.message_id,
                number_hash=parcel.recipient.hash,
                cost_minor=cost_minor,
            )
        except AllowanceUnavailableError as error:
            return Refused(reason=f"sms_limits_unavailable: {error}", retry=True)
        if exceeded is None:
            return None
        return Deferred(
            reason=exceeded.reason,
            delay_s=max(60.0, exceeded.wait_s),
            give_up_after_s=self._policy.give_up_after_s,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()


def _validity(keeps_s: float | None) -> dict[str, str]:
    """How long Twilio may let the text wait: 1 to 36,000 seconds (errors 30036, 90007)."""
    if keeps_s is None:
        return {}
    return {"ValidityPeriod": str(min(_LONGEST_VALIDITY_S, max(1, int(keeps_s))))}


def _field(answer: httpx.Response, name: str) -> str:
    try:
        return str(answer.json()[name])
    except (ValueError, KeyError, TypeError):
        return ""
