"""What debtors answer becomes holds within the tenant's rules; what does not fit is for a person.

An answer is taken once, whatever comes twice or out of order; what it needs to know and is not
known yet is waited for. Nothing that a debtor said is dropped: an answer ends as applied, as not
needed any more, or on the work list. Answers are few, each is handled as the desk would handle it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Protocol
from uuid import UUID

from dunning_common.consumer import Consumed
from dunning_common.events.contacts import ContactsEvent
from dunning_common.events.receivables import DebtorTermsChangedV1, InvoiceEvent
from dunning_common.events.registry import EVENT_TYPES
from dunning_common.events.responses import (
    ChannelOptedInV1,
    ChannelOptedOutV1,
    ContactCorrectedV1,
    DebtorDisputedV1,
    DebtorPromisedV1,
    PaymentClaimedV1,
    PlanRequestedV1,
    ReplyReceivedV1,
    Response,
)
from dunning_common.ids import name_id
from dunning_common.money import to_decimal_string
from dunning_common.values import replace
from dunning_engine.domain.claim import reminders_rest_until
from dunning_engine.domain.schedule import Calendar, add_days, local_midnight
from dunning_engine.handlers.agree_plan import PlanAsk, PlanRefusedError, agree_plan
from dunning_engine.handlers.keep_hold import (
    EndsBeforeItBeginsError,
    HoldError,
    HoldStore,
    NothingOwedError,
    UnknownDebtorError,
    UnknownInvoiceError,
    WrongFieldError,
    lock_account,
    today_of,
)
from dunning_engine.handlers.place_hold import place_hold
from dunning_engine.handlers.settle_dispute import REASON_CODES, ReasonCode, open_dispute
from dunning_engine.handlers.take_promise import (
    PromiseSource,
    RuleStore,
    debt_of,
    take_promise,
)
from dunning_engine.records import AccountKey, Resend
from dunning_engine.response_records import ResponseKind, ResponseRow

KINDS: dict[str, ResponseKind] = {
    DebtorPromisedV1.__name__: "promise",
    DebtorDisputedV1.__name__: "dispute",
    PlanRequestedV1.__name__: "plan",
    PaymentClaimedV1.__name__: "claim",
    ContactCorrectedV1.__name__: "contact",
    ChannelOptedOutV1.__name__: "opt_out",
    ChannelOptedInV1.__name__: "opt_in",
    ReplyReceivedV1.__name__: "reply",
}
_ASKING = frozenset({"promise", "dispute", "plan", "claim"})
"""Kinds of answers that ask for something which the tenant's rules decide about."""
_SEALED = frozenset({"key_id", "ciphertext", "recipient_hash"})
_SOURCES: dict[str, PromiseSource] = {"portal": "portal", "email": "email", "person": "phone"}


class ResponseStore(Protocol):
    """Where answers are kept."""

    async def add(self, answers: Sequence[ResponseRow]) -> list[ResponseRow]:
        """Keep answers; returns those that were not known, with the time of their tenants."""
        ...

    async def waiting(self, accounts: Sequence[AccountKey]) -> list[ResponseRow]:
        """Answers of these debtors that wait for facts."""
        ...

    async def settle(self, answers: Sequence[ResponseRow]) -> None:
        """Write what was made of answers."""
        ...

    async def claimed(self, tenant: str, debtor_id: str) -> frozenset[str]:
        """Invoices that the debtor said it paid before, and reminders rested for it."""
        ...


class Calendars(Protocol):
    """Public holidays."""

    def calendar(self, country: str, region: str | None, zone: str, now: datetime) -> Calendar:
        """Those of the years around `now`."""
        ...


class TakeResponses:
    """Takes answers, in the transaction of the batch that brought them or what they waited for."""

    def __init__(
        self, answers: ResponseStore, holds: HoldStore, rules: RuleStore, law: Calendars
    ) -> None:
        self._answers = answers
        self._holds = holds
        self._rules = rules
        self._law = law

    async def __call__(self, events: Sequence[Consumed]) -> None:
        """Take the answers among the events, and those that waited for what the others say.

        The accounts are locked already, by whoever recorded the batch's facts.
        """
        said = [
            _row(e.envelope.tenant, e.payload) for e in events if isinstance(e.payload, Response)
        ]
        fresh = await self._answers.add(said) if said else []
        corrected = [row for row in said if row.kind == "contact"]
        known = sorted(_accounts(events))
        waiting = await self._answers.waiting(known) if known else []
        taken = {_key(row): row for row in (*waiting, *fresh)}
        ordered = sorted(taken.values(), key=lambda row: (row.account_key, row.effective_at))
        # A proposal of other contacts came as something to read. Told as a correction under the
        # same id, it was accepted by a person: nobody has to read it any more.
        settled = [await self._take(row) for row in ordered] + [_applied(row) for row in corrected]
        if settled:
            await self._answers.settle(list({_key(row): row for row in settled}.values()))

    async def _take(self, row: ResponseRow) -> ResponseRow:
        try:
            return await self._made_of(row)
        except HoldError as error:
            return _not_made(row, error)

    async def _made_of(self, row: ResponseRow) -> ResponseRow:
        if row.kind not in _ASKING:
            return _open(row, "reply") if row.kind == "reply" else _applied(row)
        today_of(await lock_account(self._holds, row.tenant, row.debtor_id))
        kind = EVENT_TYPES[row.body["type"]]
        match kind.model_validate(row.body["data"], extra="ignore"):
            case DebtorPromisedV1() as said:
                return await self._promise(row, said)
            case DebtorDisputedV1() as said:
                return await self._dispute(row, said)
            case PlanRequestedV1() as said:
                return await self._plan(row, said)
            case PaymentClaimedV1() as said:
                return await self._claim(row, said)
            case other:
                raise TypeError(f"{type(other).__name__} asks for nothing")

    async def _promise(self, row: ResponseRow, said: DebtorPromisedV1) -> ResponseRow:
        debt = await debt_of(
            self._holds, row.tenant, row.debtor_id, said.invoice_ids, due_by=said.on
        )
        _check_currency(said.currency, debt.currency)
        for hold in await self._holds.live(row.tenant, row.debtor_id):
            if hold.kind in ("promise", "plan") and set(hold.invoice_ids) & set(debt.invoice_ids):
                if hold.hold_id == _hold_id(row):
                    return _applied(row, hold.hold_id)
                return _open(row, "promised_before")
        promise, _ = await take_promise(
            self._holds,
            self._rules,
            tenant=row.tenant,
            debtor_id=row.debtor_id,
            invoice_ids=debt.invoice_ids,
            # What was paid since then is not promised any more.
            amount=to_decimal_string(min(said.amount_minor, debt.due_minor), debt.currency),
            pay_on=said.on,
            source=_SOURCES.get(row.source, "other"),
            taken_by=_by(row),
            resend=_resend(row),
        )
        return _applied(row, promise.hold_id)

    async def _dispute(self, row: ResponseRow, said: DebtorDisputedV1) -> ResponseRow:
        if said.disputed_minor is not None and len(said.invoice_ids) != 1:
            return _open(row, "not_as_asked", "a part can be disputed of one invoice only")
        if said.disputed_minor is not None:
            for owed in await self._holds.owed(row.tenant, row.debtor_id, said.invoice_ids):
                _check_currency(said.currency or "no currency", owed.currency)
        invoice_ids = said.invoice_ids or await self._open_invoices(row)
        live = await self._holds.live(row.tenant, row.debtor_id)
        whole = {
            invoice_id
            for hold in live
            if hold.kind == "dispute" and hold.disputed_minor is None
            for invoice_id in hold.invoice_ids
        }
        made, owing, missing = [], False, None
        for invoice_id in invoice_ids:
            if invoice_id in whole:
                owing = True
                continue
            try:
                hold, _ = await open_dispute(
                    self._holds,
                    tenant=row.tenant,
                    debtor_id=row.debtor_id,
                    invoice_id=invoice_id,
                    amount=None
                    if said.disputed_minor is None
                    else to_decimal_string(said.disputed_minor, said.currency or "EUR"),
                    reason_code=_reason_code(said.reason_code),
                    reason=f"disputed by the debtor ({row.source})",
                    opened_by=_by(row),
                    resend=_resend(row, invoice_id),
                )
                made.append(hold.hold_id)
            except NothingOwedError:
                continue
            except UnknownInvoiceError as error:
                missing = str(error)
        row = replace(row, hold_ids=tuple(made))
        if missing:
            return replace(row, state="waiting", reason="unknown", detail=missing)
        if not made and not owing:
            raise NothingOwedError("/invoice_ids", "nothing of it is owed any more")
        return replace(row, state="applied", reason="disputed", detail=None)

    async def _plan(self, row: ResponseRow, said: PlanRequestedV1) -> ResponseRow:
        starts_on = min((part.on for part in said.instalments), default=None)
        if starts_on is None:
            return _open(row, "not_as_asked", "instalments: none was named")
        debt = await debt_of(
            self._holds, row.tenant, row.debtor_id, said.invoice_ids, due_by=starts_on
        )
        _check_currency(said.currency, debt.currency)
        plan, _ = await agree_plan(
            self._holds,
            self._rules,
            tenant=row.tenant,
            ask=PlanAsk(
                debtor_id=row.debtor_id,
                invoice_ids=debt.invoice_ids,
                instalments=tuple(
                    (part.on, to_decimal_string(part.amount_minor, said.currency))
                    for part in said.instalments
                ),
            ),
            agreed_by=_by(row),
            resend=_resend(row),
        )
        return _applied(row, plan.hold_id)

    async def _claim(self, row: ResponseRow, said: PaymentClaimedV1) -> ResponseRow:
        account = await lock_account(self._holds, row.tenant, row.debtor_id)
        today = today_of(account)
        rules = await self._rules.rules(row.tenant)
        last = add_days(today, rules.promise_days_max)
        if said.paid_on > last:
            return _open(row, "not_as_asked", f"paid_on {said.paid_on} is after {last}")
        debt = await debt_of(self._holds, row.tenant, row.debtor_id, said.invoice_ids, due_by=today)
        _check_currency(said.currency, debt.currency)
        before = await self._answers.claimed(row.tenant, row.debtor_id)
        invoice_ids = [each for each in debt.invoice_ids if each not in before]
        if not invoice_ids:
            return _open(row, "claimed_before")
        calendar = self._law.calendar(
            account.country or "", account.region, account.zone or "UTC", account.now
        )
        on = reminders_rest_until(said.paid_on, rules.claim_days, calendar)
        try:
            hold, _ = await place_hold(
                self._holds,
                tenant=row.tenant,
                debtor_id=row.debtor_id,
                invoice_ids=invoice_ids,
                kind="pending_collection",
                reason=f"says it paid on {said.paid_on} ({row.source})",
                until=local_midnight(on, account.zone or "UTC"),
                placed_by=_by(row),
                resend=_resend(row),
            )
        except EndsBeforeItBeginsError:
            return _open(row, "claim_without_payment", f"said to be paid on {said.paid_on}")
        return _applied(row, hold.hold_id)

    async def _open_invoices(self, row: ResponseRow) -> tuple[str, ...]:
        owed = await self._holds.owed(row.tenant, row.debtor_id, None)
        return tuple(invoice.invoice_id for invoice in owed if not invoice.handed_over)


def _key(row: ResponseRow) -> tuple[str, UUID]:
    return row.tenant, row.response_id


def _accounts(events: Iterable[Consumed]) -> set[AccountKey]:
    """Debtors about whom something became known that an answer may have waited for."""
    found = set()
    for event in events:
        payload = event.payload
        if isinstance(payload, InvoiceEvent):
            found.add(AccountKey(event.envelope.tenant, payload.invoice.debtor_id))
        elif isinstance(payload, DebtorTermsChangedV1 | ContactsEvent):
            found.add(AccountKey(event.envelope.tenant, payload.debtor_id))
    return found


def _row(tenant: str, payload: Response) -> ResponseRow:
    kind = type(payload).__name__
    return ResponseRow(
        tenant=tenant,
        response_id=payload.response_id,
        debtor_id=payload.debtor_id,
        kind=KINDS[kind],
        source=payload.source,
        notice_id=payload.notice_id,
        invoice_ids=payload.invoice_ids,
        body={"type": kind, "data": payload.model_dump(mode="json", exclude=set(_SEALED))},
        effective_at=payload.effective_at,
    )


def _check_currency(said: str, owed: str) -> None:
    if said != owed:
        raise WrongFieldError("/currency", f"{said} was said, and {owed} is owed")


def _reason_code(said: str) -> ReasonCode:
    return next((code for code in REASON_CODES if code == said), "other")


def _by(row: ResponseRow) -> str:
    return f"debtor ({row.source})"


def _hold_id(row: ResponseRow, *parts: str) -> UUID:
    return name_id("response", row.tenant, str(row.response_id), *parts)


def _resend(row: ResponseRow, *parts: str) -> Resend:
    """The same answer, however often it is taken, makes the same hold."""
    return Resend(_hold_id(row, *parts), f"response {row.response_id}")


def _not_made(row: ResponseRow, error: HoldError) -> ResponseRow:
    """What becomes of an answer that cannot be followed as it is."""
    if isinstance(error, UnknownDebtorError | UnknownInvoiceError):
        return replace(row, state="waiting", reason="unknown", detail=str(error))
    if isinstance(error, NothingOwedError):
        return replace(row, state="not_needed", reason="nothing_owed", detail=None)
    if isinstance(error, PlanRefusedError):
        missed = [answer.rule for answer in error.scored.score.answers if answer.answer != "met"]
        wanting = error.scored.score.rating == "needs_approval"
        reason = "plan_needs_approval" if wanting else "plan_refused"
        return _open(row, reason, ", ".join(missed))
    return _open(row, "not_as_asked", f"{error.field.strip('/')} {error}".strip())


def _applied(row: ResponseRow, *holds: UUID) -> ResponseRow:
    return replace(row, state="applied", reason=None, detail=None, hold_ids=holds)


def _open(row: ResponseRow, reason: str, detail: str | None = None) -> ResponseRow:
    return replace(row, state="open", reason=reason, detail=detail)
