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
from dunning_common.events.receivables import ChargeKind, DebtorKind

AnyChannel = Literal["email", "sms", "letter", "registered_letter", "call", "in_app"]
Channel = Literal["email", "sms", "letter", "registered_letter"]
"""The channels of the first version of the events; `AnyChannel` has all."""
HoldKind = Literal[
    "manual",
    "dispute",
    "promise",
    "plan",
    "pending_collection",
    "insolvency",
    "breathing_space",
]
HoldEnd = Literal["released", "ended", "kept", "partly_kept", "broken"]
FinalAction = Literal["agency", "court_file", "write_off"]
CloseReason = Literal["paid", "cancelled", "written_off", "handed_over"]


class NoticeItem(Contract):
    """One invoice inside a notice, as it was when the notice was decided.

    `version` is the ledger's version of the invoice: the send permit refuses when it moved.
    `level` is the policy's own code of the level, `level_no` its place (1 = first).
    `interest_minor`, `compensation_minor` and `fee_minor` are charged by this notice;
    `charges_open_minor` was charged before and is still owed. `interest_percent` is the yearly rate
    of the last day charged. `disputed_minor` is the part of `open_minor` that is not asked for.
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
    interest_percent: Decimal | None = None
    compensation_minor: int = 0
    fee_minor: int = 0
    disputed_minor: int = 0
    version: int


class ChargeBasis(Contract):
    """What allows a charge of a notice: the law, as a claim cites it, or the policy's level."""

    kind: ChargeKind
    basis: str


class NoticeItemV2(NoticeItem):
    """One invoice inside a notice, as it was when the notice was decided.

    Beside what `NoticeItem` says: `charge_basis` of each charge that this notice adds.
    """

    charge_basis: tuple[ChargeBasis, ...] = ()


class AnnouncedCharge(Contract):
    """A charge that is not owed yet: what will be, when the debtor does not pay in time.

    `amount_minor` is in minor units of the invoice's currency; `basis` is as in `ChargeBasis`.
    """

    kind: ChargeKind
    amount_minor: int
    basis: str


class NoticeItemV3(NoticeItemV2):
    """One invoice inside a notice, as it was when the notice was decided.

    Beside what `NoticeItemV2` says: the charges `announced`, of which nothing is owed yet.
    """

    announced: tuple[AnnouncedCharge, ...] = ()


class NoticeMessageV2(Contract):
    """One message of a notice, at most one per channel; it covers `invoice_ids` of its items.

    `template` is the name of the template family of the highest level in it.
    """

    channel: AnyChannel
    template: str
    level: str
    level_no: int
    invoice_ids: tuple[str, ...]


class NoticeMessage(NoticeMessageV2):
    """One message of a notice, as the first version tells it."""

    channel: Channel


class UnallocatedMoney(Contract):
    """Money received from the debtor that no invoice is paid with yet, in minor units."""

    currency: str
    amount_minor: int


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


class NoticeRequestedV2(Payload):
    """Remind the debtor: one notice, at most one message per channel.

    `notice_id` is name-based (tenant, debtor, items with level and attempt), so that asking twice
    is asking once. `pay_by` is the day the debtor is asked to pay by, where the policy says one.
    `debtor_kind` and `debtor_country` (ISO 3166-1 alpha-2) are those that the decision went by;
    they are absent in what was asked for in the first version. `unallocated` is what the debtor
    has paid and no invoice shows yet.
    """

    topic: ClassVar[str] = "dunning.v1"
    notice_id: UUID
    debtor_id: str
    debtor_kind: DebtorKind | None = None
    debtor_country: str | None = None
    decided_at: AwareDatetime
    zone: str
    policy_id: str
    policy_version: int
    decision_id: UUID
    pay_by: date | None = None
    items: tuple[NoticeItemV2, ...]
    messages: tuple[NoticeMessageV2, ...]
    unallocated: tuple[UnallocatedMoney, ...] = ()


class NoticeRequestedV3(NoticeRequestedV2):
    """Remind the debtor: one notice, at most one message per channel, that announces a charge.

    Like the second version, which everything else is still told in; its items are `NoticeItemV3`.
    """

    items: tuple[NoticeItemV3, ...]


NoticeRequested = NoticeRequestedV1 | NoticeRequestedV2 | NoticeRequestedV3


def as_requested_v2(notice: NoticeRequested) -> NoticeRequestedV2:
    """The notice in the second version, of which the first is a part: consumers read that alone."""
    if isinstance(notice, NoticeRequestedV2):
        return notice
    return NoticeRequestedV2.model_validate(notice.model_dump())


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


class LevelUndeliveredV1(Payload):
    """A level that counted as done does not any more: no message of its notice arrived.

    `reason` is that of the last message that failed. The level is tried again by its fallback, or
    waits for a person; its charges stay as they are.
    """

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    level: str
    level_no: int
    notice_id: UUID
    reason: str
    effective_at: AwareDatetime


class HoldInstalment(Contract):
    """A part of a promise or a plan: so many minor units, at the latest on that day."""

    on: date
    amount_minor: int


class HoldPlacedV1(Payload):
    """Reminders stop for the debtor, or only for the invoices named.

    A promise or a plan carries its `instalments`, a dispute of a part its `disputed_minor`, both in
    minor units of `currency`. `reason_code` sorts disputes.
    """

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    hold_id: UUID
    invoice_ids: tuple[str, ...] = ()
    kind: HoldKind
    reason: str
    reason_code: str | None = None
    until: AwareDatetime | None
    currency: str | None = None
    disputed_minor: int | None = None
    instalments: tuple[HoldInstalment, ...] = ()
    effective_at: AwareDatetime


class HoldReleasedV1(Payload):
    """A hold ended: by a person, by its end date, or because a promise or plan was kept or broken.

    `paid_minor` is what was paid while a promise or a plan ran, in minor units.
    """

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    hold_id: UUID
    kind: HoldKind
    invoice_ids: tuple[str, ...] = ()
    outcome: HoldEnd
    paid_minor: int | None = None
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


class ChargeWithdrawnV1(Payload):
    """A charge is not asked for any more; the ledger gives up what is still owed of it.

    `reason` says why the law does not allow it, `basis` names the law on which it had been charged.
    """

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    charge_id: UUID
    kind: ChargeKind
    currency: str
    basis: str
    reason: str
    effective_at: AwareDatetime


class CaseHandedOverV1(Payload):
    """The ladder is exhausted: to a collector, to a court file, or proposed for writing off."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    level: str
    action: FinalAction
    effective_at: AwareDatetime


class CaseClosedV1(Payload):
    """No more reminders for the invoice."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    reason: CloseReason
    effective_at: AwareDatetime


class CaseMigratedV1(Payload):
    """An open case follows another version of its policy, or another policy, from now on."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    invoice_id: str
    from_policy_id: str
    from_policy_version: int
    policy_id: str
    policy_version: int
    effective_at: AwareDatetime


class CreditBlockChangedV1(Payload):
    """Deliveries on credit to the debtor should stop (`blocked`), or may go on."""

    topic: ClassVar[str] = "dunning.v1"
    debtor_id: str
    blocked: bool
    effective_at: AwareDatetime


DunningEvent = (
    NoticeRequestedV1
    | NoticeRequestedV2
    | NoticeRequestedV3
    | NoticeRevokedV1
    | CaseOpenedV1
    | LevelServedV1
    | LevelUndeliveredV1
    | HoldPlacedV1
    | HoldReleasedV1
    | ChargeAssessedV1
    | ChargeWithdrawnV1
    | CaseHandedOverV1
    | CaseClosedV1
    | CaseMigratedV1
    | CreditBlockChangedV1
)
