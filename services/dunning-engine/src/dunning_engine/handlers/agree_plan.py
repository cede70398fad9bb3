"""Payment plans: score what a debtor proposes, agree to it, show how far it is paid.

A plan is a hold with instalments. What the tenant allows is `domain.plan_rules`' business, and
whether a plan is kept `domain.arrangement`'s.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, Protocol
from uuid import UUID

from dunning_common.ids import new_id
from dunning_common.money import to_decimal_string
from dunning_engine.domain.account import Hold, Instalment
from dunning_engine.domain.arrangement import progress_of
from dunning_engine.domain.plan_rules import (
    InstalmentStanding,
    Interval,
    PlanError,
    PlanRules,
    Proposal,
    RuleAnswer,
    Score,
    check_schedule,
    counter_proposal,
    make_schedule,
    score,
    standing_of,
    step_from,
)
from dunning_engine.domain.schedule import local_date
from dunning_engine.handlers.keep_hold import (
    HoldError,
    HoldStore,
    UnknownHoldError,
    WrongFieldError,
    keep_hold,
    lock_account,
    sent_before,
    today_of,
)
from dunning_engine.handlers.take_promise import Debt, RuleStore, debt_of, part_of
from dunning_engine.records import AccountAt, Dossier, HoldRow, Resend

ArrangementKind = Literal["promise", "plan"]


class PlanRefusedError(HoldError):
    """The tenant's rules refuse the plan, or want somebody to approve it."""

    def __init__(self, scored: ScoredPlan) -> None:
        wanting = scored.score.rating == "needs_approval"
        super().__init__(
            "/instalments",
            "the plan needs approval; propose another, or have it approved"
            if wanting
            else "the rules refuse the plan; propose another",
        )
        self.scored = scored


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAsk:
    """A plan that a debtor proposes; amounts are decimal strings of its invoices' currency.

    `instalments` is how many, or each with its day and amount. `starts_on` is the day of the first:
    unless given, today with a `first_payment`, else one interval from today. No `amount`: all that
    the invoices owe.
    """

    debtor_id: str
    invoice_ids: tuple[str, ...] = ()
    amount: str | None = None
    first_payment: str | None = None
    instalments: int | tuple[tuple[date, str], ...]
    interval: Interval = "monthly"
    starts_on: date | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredPlan:
    """A proposal as a schedule, with every rule's answer and a schedule that would be accepted."""

    debt: Debt
    instalments: tuple[Instalment, ...]
    rules: PlanRules
    score: Score
    counter: tuple[Instalment, ...] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanStanding:
    """How far an arrangement is paid. `next_check_on`: the day on which silence breaks it."""

    hold: HoldRow
    paid_minor: int
    instalments: tuple[InstalmentStanding, ...]
    next_check_on: date | None


class Dossiers(Protocol):
    """Reads what deciding about a debtor takes."""

    async def read(self, tenant: str, debtor_id: str) -> Dossier | None:
        """One debtor's account and cases."""
        ...


async def score_plan(
    store: HoldStore, rules: RuleStore, *, tenant: str, ask: PlanAsk
) -> ScoredPlan:
    """Make a schedule of a proposal and ask the tenant's rules about it. Changes nothing.

    Raises:
        HoldError: unknown debtor or invoice, nothing owed, or no schedule can be made of it.
    """
    account = await lock_account(store, tenant, ask.debtor_id)
    return await _score(store, rules, tenant, ask, account)


async def agree_plan(
    store: HoldStore,
    rules: RuleStore,
    *,
    tenant: str,
    ask: PlanAsk,
    note: str | None = None,
    agreed_by: str,
    approved: bool = False,
    resend: Resend | None = None,
) -> tuple[HoldRow, bool]:
    """Let reminders rest while a debtor pays in parts.

    Args:
        store: bound to one transaction.
        rules: the tenant's.
        tenant: whose debtor.
        ask: what was agreed.
        note: what was said.
        agreed_by: who agrees.
        approved: `agreed_by` may and does agree to what the rules do not accept as it is.
        resend: makes asking twice asking once.

    Returns:
        The plan, and whether it was this call that agreed to it.

    Raises:
        PlanRefusedError: the rules refuse it, or it needs approval.
        HoldError: as `score_plan`.
    """
    account = await lock_account(store, tenant, ask.debtor_id)
    if known := await sent_before(store, tenant, resend):
        return known, False
    scored = await _score(store, rules, tenant, ask, account)
    rating = scored.score.rating
    if rating == "refused" or (rating == "needs_approval" and not approved):
        raise PlanRefusedError(scored)
    debt, parts = scored.debt, scored.instalments
    plan = HoldRow(
        tenant=tenant,
        hold_id=resend.hold_id if resend else new_id(),
        debtor_id=ask.debtor_id,
        invoice_ids=debt.invoice_ids,
        kind="plan",
        reason=note or "payment plan",
        placed_at=account.now,
        placed_by=agreed_by,
        currency=debt.currency,
        instalments=parts,
        baseline_minor=debt.owed_minor,
        grace_days=scored.rules.grace_days,
        # Nothing paid must never count as an instalment paid.
        tolerance_minor=min(
            scored.rules.tolerance_of(debt.currency), min(p.amount_minor for p in parts) - 1
        ),
        assessment=assessment_of(scored.score, debt.currency),
        approved_by=agreed_by if rating == "needs_approval" else None,
        fingerprint=resend.fingerprint if resend else None,
    )
    return await keep_hold(store, plan, account)


async def follow_plan(
    store: HoldStore, dossiers: Dossiers, *, tenant: str, hold_id: UUID, kind: ArrangementKind
) -> PlanStanding:
    """How far a plan or a promise is paid, by what the ledger said so far.

    Raises:
        UnknownHoldError: there is no such plan or promise.
    """
    hold = await store.read(tenant, hold_id)
    if hold is None or hold.kind != kind:
        raise UnknownHoldError("", "there is no such plan")
    dossier = await dossiers.read(tenant, hold.debtor_id)
    if dossier is None:
        raise UnknownHoldError("", "nothing is known of the plan's debtor any more")
    today = local_date(hold.released_at or dossier.now, dossier.account.zone)
    paid_minor, next_check_on = hold.paid_minor or 0, None
    if hold.released_at is None:
        cases = [stored.case for stored in dossier.cases]
        progress = progress_of(_arrangement(hold), cases, today)
        paid_minor, next_check_on = progress.paid_minor, progress.next_check_on
    return PlanStanding(
        hold=hold,
        paid_minor=paid_minor,
        instalments=standing_of(
            hold.instalments, paid_minor=paid_minor, today=today, grace_days=hold.grace_days
        ),
        next_check_on=next_check_on,
    )


def assessment_of(found: Score, currency: str) -> dict[str, Any]:
    """A score as plain values, amounts as decimals: for the file and for answers."""
    return {
        "rating": found.rating,
        "rules": [_answer(answer, currency) for answer in found.answers],
    }


async def _score(
    store: HoldStore, rules: RuleStore, tenant: str, ask: PlanAsk, account: AccountAt
) -> ScoredPlan:
    today, allowed = today_of(account), await rules.rules(tenant)
    starts_on = _start(ask, today)
    debt = await debt_of(store, tenant, ask.debtor_id, ask.invoice_ids, due_by=starts_on)
    live = await store.live(tenant, ask.debtor_id)
    _check_overlap(debt.invoice_ids, live)
    try:
        parts = _schedule(ask, debt, starts_on, today)
    except PlanError as error:
        raise WrongFieldError(f"/{error.field}", str(error)) from error
    proposal = Proposal(
        instalments=parts,
        currency=debt.currency,
        asked_on=today,
        debtor_kind=account.kind or "business",
        risk=account.risk,
        open_plans=sum(hold.kind == "plan" for hold in live),
    )
    found = score(allowed, proposal)
    accepted = found.rating == "accepted"
    return ScoredPlan(
        debt=debt,
        instalments=parts,
        rules=allowed,
        score=found,
        counter=None if accepted else counter_proposal(allowed, proposal, ask.interval),
    )


def _start(ask: PlanAsk, today: date) -> date:
    if not isinstance(ask.instalments, int):
        if ask.starts_on or ask.first_payment:
            field = "/starts_on" if ask.starts_on else "/first_payment"
            raise WrongFieldError(field, "is the first of the instalments listed; leave it out")
        return max([today, *(day for day, _ in ask.instalments[:1])])
    if ask.starts_on is None:
        return today if ask.first_payment else step_from(today, ask.interval, 1)
    if ask.starts_on < today:
        raise WrongFieldError("/starts_on", f"lies in the past; today is {today}")
    return ask.starts_on


def _schedule(ask: PlanAsk, debt: Debt, starts_on: date, today: date) -> tuple[Instalment, ...]:
    total_minor = debt.due_minor if ask.amount is None else part_of(debt, ask.amount, "/amount")
    if isinstance(ask.instalments, int):
        first = ask.first_payment
        return make_schedule(
            total_minor,
            count=ask.instalments,
            starts_on=starts_on,
            interval=ask.interval,
            first_minor=None if first is None else part_of(debt, first, "/first_payment"),
        )
    parts = tuple(
        Instalment(on=day, amount_minor=part_of(debt, amount, f"/instalments/{number}/amount"))
        for number, (day, amount) in enumerate(ask.instalments)
    )
    check_schedule(parts, total_minor, currency=debt.currency, not_before=today)
    return parts


def _check_overlap(invoice_ids: Sequence[str], live: Sequence[HoldRow]) -> None:
    """One payment must not count for two plans."""
    taken = {i: hold for hold in live if hold.kind == "plan" for i in hold.invoice_ids}
    for invoice_id in invoice_ids:
        if plan := taken.get(invoice_id):
            raise WrongFieldError(
                "/invoice_ids",
                f"invoice {invoice_id!r} is part of plan {plan.hold_id}; release that one first",
            )


def _arrangement(hold: HoldRow) -> Hold:
    return Hold(
        hold_id=str(hold.hold_id),
        invoice_ids=hold.invoice_ids,
        kind=hold.kind,
        placed_at=hold.placed_at,
        currency=hold.currency,
        instalments=hold.instalments,
        baseline_minor=hold.baseline_minor,
        grace_days=hold.grace_days,
        tolerance_minor=hold.tolerance_minor,
    )


def _answer(answer: RuleAnswer, currency: str) -> Mapping[str, Any]:
    def plain(value: object) -> str | int | None:
        if isinstance(value, int) and answer.rule == "min_instalment":
            return to_decimal_string(value, currency)
        return value if value is None or isinstance(value, int) else str(value)

    return {
        "rule": answer.rule,
        "answer": answer.answer,
        "found": plain(answer.found),
        "limit": plain(answer.limit),
    }
