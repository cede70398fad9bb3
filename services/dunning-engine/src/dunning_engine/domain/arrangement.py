"""Promises to pay and instalment plans: on track, kept or broken, from what is owed now. Pure.

What was paid is what the covered invoices owe less than when the arrangement was made: a payment, a
credit note and a cancellation count alike, and a reversed payment counts back.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Literal

from dunning_common.values import Value
from dunning_engine.domain.account import Hold
from dunning_engine.domain.case import Case
from dunning_engine.domain.schedule import add_days

ArrangementOutcome = Literal["kept", "partly_kept", "broken"]


class Progress(Value, frozen=True, kw_only=True):
    """Where an arrangement stands: minor units paid since it was made, and how it ended, if so.

    `next_check_on` is the first day on which silence would break it (None once it ended).
    """

    paid_minor: int
    outcome: ArrangementOutcome | None
    next_check_on: date | None


def progress_of(hold: Hold, cases: Sequence[Case], today: date) -> Progress:
    """How a promise or a plan stands on `today`.

    Args:
        hold: A promise or plan, with its instalments.
        cases: The debtor's open cases; those that are missing owe nothing any more.
        today: The date where the debtor lives.

    Raises:
        ValueError: the hold carries no instalments: it is no arrangement.
    """
    if not hold.instalments:
        raise ValueError(f"hold {hold.hold_id} is no promise and no plan")
    covered = [case for case in cases if hold.covers(case.invoice_id)]
    open_minor = sum(
        case.open_minor
        for case in covered
        if case.settled is None and (hold.currency is None or case.currency == hold.currency)
    )
    paid = max(0, hold.baseline_minor - open_minor)
    promised = sum(part.amount_minor for part in hold.instalments)
    if paid + hold.tolerance_minor >= min(promised, hold.baseline_minor):
        return Progress(paid_minor=paid, outcome="kept", next_check_on=None)
    due = 0
    for part in sorted(hold.instalments, key=lambda part: part.on):
        due += part.amount_minor
        if paid + hold.tolerance_minor >= due:
            continue
        last_day = add_days(part.on, hold.grace_days)
        if today > last_day:
            outcome: ArrangementOutcome = "partly_kept" if paid > 0 else "broken"
            return Progress(paid_minor=paid, outcome=outcome, next_check_on=None)
        return Progress(paid_minor=paid, outcome=None, next_check_on=add_days(last_day, 1))
    raise AssertionError("the instalments add up to what was promised")
