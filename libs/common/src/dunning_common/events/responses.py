"""`responses.v1`, written by notifier: what debtors answered, by portal, mail or telephone.

Holds no free text, no address and no name: those stay with the notifier, sealed with the debtor's
key, and are found by `response_id`. An answer is told once; the same `response_id` again is the
same answer. `effective_at` is the tenant's clock; the envelope's `time` is real time.
"""

from __future__ import annotations

from datetime import date
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from dunning_common.events.dunning import AnyChannel, HoldInstalment
from dunning_common.events.envelope import Payload

ResponseSource = Literal["portal", "email", "sms", "person"]


class Response(Payload):
    """What every answer says: whose, about which invoices (none: about all), on which notice."""

    topic: ClassVar[str] = "responses.v1"
    response_id: UUID
    debtor_id: str
    invoice_ids: tuple[str, ...]
    notice_id: UUID | None = None
    source: ResponseSource
    effective_at: AwareDatetime


class DebtorPromisedV1(Response):
    """The debtor promised to pay so many minor units, at the latest on that day."""

    currency: str
    amount_minor: int
    on: date


class DebtorDisputedV1(Response):
    """The debtor does not accept the invoices, or only `disputed_minor` of one of them."""

    reason_code: str
    currency: str | None = None
    disputed_minor: int | None = None


class PlanRequestedV1(Response):
    """The debtor asks to pay by instalments, in minor units of `currency`."""

    currency: str
    instalments: tuple[HoldInstalment, ...]


class PaymentClaimedV1(Response):
    """The debtor says that so many minor units were paid on that day; nothing was received yet."""

    currency: str
    amount_minor: int
    paid_on: date


class ContactCorrectedV1(Response):
    """The debtor corrected a name or an address, and where a check was needed it was made.

    `ciphertext` is base64 of AES-256-GCM with the debtor's key `key_id`, as in `ContactsChangedV1`,
    over a JSON object with any of `name`, `emails`, `phones` and `address`; what is absent stays.
    """

    key_id: str
    ciphertext: str


class ChannelOptedOutV1(Response):
    """The recipient wants no more messages by this channel."""

    channel: AnyChannel
    recipient_hash: str


class ChannelOptedInV1(Response):
    """The recipient accepts messages by this channel again."""

    channel: AnyChannel
    recipient_hash: str


class ReplyReceivedV1(Response):
    """A person has to read what came in; its words are with the notifier."""

    channel: AnyChannel


ResponsesEvent = (
    DebtorPromisedV1
    | DebtorDisputedV1
    | PlanRequestedV1
    | PaymentClaimedV1
    | ContactCorrectedV1
    | ChannelOptedOutV1
    | ChannelOptedInV1
    | ReplyReceivedV1
)
