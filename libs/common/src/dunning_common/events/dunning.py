"""`dunning.v1`, written by dunning-engine: every decision about a reminder.

`effective_at` and `decided_at` are the tenant's clock (a sandbox tenant's may lie in the past or
the future); the envelope's `time` is real time. Amounts are minor units.
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import ClassVar, Literal
from uuid import UUID

from pydantic import AwareDatetime

from dunning_common.events.envelope import Contract, Payload
from dunning_common.events.receivables import ChargeKind

Channel = Literal["email", "sms", "letter", "registered_letter"]
HoldKind = Literal["manual"]
CloseReason = Literal["paid", "cancelled", "written_off", "handed_over"]


class NoticeItem(Contract):
    """One invoice inside a notice, as it was when the notice was decided.

    `version` is the ledger's version of the invoice: the send permit refuses when it moved.
    `level` is the policy's own code of the level, `level_no` its place (1 = first).
    `interest_minor` and `compensation_minor` are charged by this notice; `charges_open_minor` was
    charged before and is still owed.
    """

    invoice_id: str
    number: str
    level: str
    level_no: int
    issued_on: date
    due_on: date
    days_late: int
    currency: str
    amount_minor: int
    open_minor: int
    charges_open_minor: int = 0
    interest_minor: int = 0
    compensation_minor: int = 0
    version: int


class NoticeMessage(Contract):
    """One message of a notice, at most one per channel; it covers `invoice_ids` of its items.

    `template` is the name of the template family of the highest level in it.
    """

    channel: Channel
    template: str
    level: str
    level_no: int
    invoice_ids: tuple[str, ...]


class NoticeRequestedV1(Payload):
    """Remind the debtor: one notice, at most one message per channel.

    `notice_id` is name-based (tenant, debtor, items with level and attempt), so that asking twice
    is asking once. `pay_by` is the day the debtor is asked to pay by, where the policy says one.
    """

    topic: ClassVar[str] = "dunning.v1"
    notice_id: UUID
    debtor_id: str
    decided_at: AwareDatetime
    zone: str
    policy_id: str
    policy_version: int
    decision_id: UUID
    pay_by: date | None = None
    items: tuple[NoticeItem, ...]
    messages: tuple[NoticeMessage, ...]


class NoticeRevokedV1(Payload):
    """Do not send these invoices of the notice any more (paid, held, cancelled, changed)."""

    topic: ClassVar[str] = "dunning.v1"
    notice_id: UUID
    debtor_id: str
    invoice_ids: tuple[str, ...]
    reason: str


class CaseOpenedV1(Payload):
    """An invoice came under a policy."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    policy_id: str
    policy_version: int
    effective_at: AwareDatetime


class LevelServedV1(Payload):
    """A level counts as done: its notice went out, or it needed none (hand-over)."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    level: str
    level_no: int
    notice_id: UUID | None
    effective_at: AwareDatetime


class HoldPlacedV1(Payload):
    """Reminders stop for the debtor, or for one invoice when `invoice_id` is given."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    hold_id: UUID
    invoice_id: str | None
    kind: HoldKind
    reason: str
    until: AwareDatetime | None
    effective_at: AwareDatetime


class HoldReleasedV1(Payload):
    """A hold ended, by a person or by its end date."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    hold_id: UUID
    invoice_id: str | None
    effective_at: AwareDatetime


class ChargeSegment(Contract):
    """A stretch of days at one yearly rate in percent; `amount_minor` is that line, rounded."""

    first_day: date
    last_day: date
    days: int
    rate_percent: Decimal
    amount_minor: int


class ChargeAssessedV1(Payload):
    """The engine computed a charge; the ledger books it. `basis` names the law."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    charge_id: UUID
    kind: ChargeKind
    currency: str
    amount_minor: int
    assessed_on: date
    basis: str
    segments: tuple[ChargeSegment, ...] = ()


class CaseHandedOverV1(Payload):
    """The ladder is exhausted: the case goes to a collector or a court file."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    level: str
    effective_at: AwareDatetime


class CaseClosedV1(Payload):
    """No more reminders for the invoice."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    reason: CloseReason
    effective_at: AwareDatetime


DunningEvent = (
    NoticeRequestedV1
    | NoticeRevokedV1
    | CaseOpenedV1
    | LevelServedV1
    | HoldPlacedV1
    | HoldReleasedV1
    | ChargeAssessedV1
    | CaseHandedOverV1
    | CaseClosedV1
)
