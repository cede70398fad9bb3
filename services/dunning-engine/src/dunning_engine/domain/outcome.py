"""What a decision brings about: values that the shell applies and announces. No rules here."""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal
from uuid import UUID

from dunning_common.values import Value
from dunning_engine.domain.case import CloseReason
from dunning_engine.domain.notice import NoticeItem, NoticePlan
from dunning_engine.domain.verdict import Verdict


class LevelDone(Value, frozen=True, kw_only=True):
    """A level that ends in this decision without a message: lapsed, or handed over.

    `reason` is that of `case.Served` for a lapse and the policy's final action for a hand-over.
    """

    invoice_id: str
    level_no: int
    level: str
    on: date
    reason: str


class Closing(Value, frozen=True, kw_only=True):
    """The case gets no more reminders."""

    invoice_id: str
    reason: CloseReason


class Revocation(Value, frozen=True, kw_only=True):
    """A notice in flight must not speak of the invoice any more."""

    notice_id: UUID
    invoice_id: str
    reason: str


class Withdrawal(Value, frozen=True, kw_only=True):
    """A charge that is not asked for any more: the law does not let this debtor owe it."""

    charge_id: str
    invoice_id: str
    kind: Literal["interest", "compensation"]
    currency: str
    basis: str


class HoldEnded(Value, frozen=True, kw_only=True):
    """A hold is over: its end has come, or its promise or plan was kept or broken.

    `paid_minor` is what was paid while a promise or plan ran (minor units).
    """

    hold_id: str
    outcome: Literal["ended", "kept", "partly_kept", "broken"]
    paid_minor: int | None = None


class Resumption(Value, frozen=True, kw_only=True):
    """After a hold ended, nothing goes out about the invoice before that day."""

    invoice_id: str
    not_before: date


class Ruling(Value, frozen=True, kw_only=True):
    """The verdict about one case with everything it causes."""

    verdict: Verdict
    item: NoticeItem | None = None
    lapses: tuple[LevelDone, ...] = ()
    hand_over: LevelDone | None = None
    closing: Closing | None = None
    reopened: bool = False
    revocation: Revocation | None = None
    withdrawals: tuple[Withdrawal, ...] = ()

    @property
    def has_effects(self) -> bool:
        """Does it change anything but the time of the next look?"""
        return bool(
            self.item
            or self.lapses
            or self.hand_over
            or self.closing
            or self.reopened
            or self.revocation
            or self.withdrawals
        )


class Decision(Value, frozen=True, kw_only=True):
    """Everything decided about one debtor at one instant.

    Apply in this order: `reopened` (set `closed` to None), `closings` (set `closed`), `revocations`
    (set `in_flight.revoked`), `lapses` and `hand_overs` (append to `served`; a hand-over closes
    the case as `handed_over`), `notices` (set `in_flight`, add one to `tries` of each item's case),
    `holds_ended` (mark released), `resumes` (set `not_before`), `withdrawals` (tell the ledger,
    forget that they were charged: the notices are made without them), `credit_block` (a change, or
    None), then store `next_action_at`.
    `next_action_at` is the earliest moment at which anything can happen: later than `now`, or None
    when only a new fact can change something.
    """

    decision_id: UUID
    decided_at: datetime
    decided_on: date
    notices: tuple[NoticePlan, ...] = ()
    lapses: tuple[LevelDone, ...] = ()
    hand_overs: tuple[LevelDone, ...] = ()
    closings: tuple[Closing, ...] = ()
    reopened: tuple[str, ...] = ()
    revocations: tuple[Revocation, ...] = ()
    holds_ended: tuple[HoldEnded, ...] = ()
    resumes: tuple[Resumption, ...] = ()
    credit_block: bool | None = None
    verdicts: tuple[Verdict, ...]
    next_action_at: datetime | None = None
    withdrawals: tuple[Withdrawal, ...] = ()

    @property
    def items(self) -> tuple[NoticeItem, ...]:
        """Everything that the notices speak of."""
        return tuple(item for notice in self.notices for item in notice.items)

    @property
    def has_effects(self) -> bool:
        """Does it change anything but the time of the next look? Only then is it recorded."""
        return bool(
            self.notices
            or self.lapses
            or self.hand_overs
            or self.closings
            or self.reopened
            or self.revocations
            or self.holds_ended
            or self.withdrawals
            or self.credit_block is not None
        )
