"""Many facts by what they are about, and what they add to the aggregates together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar
from uuid import UUID

from kpi.domain.facts import (
    CashFact,
    ContactFact,
    InvoiceFact,
    LevelFact,
    MessageFact,
    NoticeFact,
    Tenant,
)
from kpi.domain.invoice_history import InvoiceHistory, tally_invoice
from kpi.domain.notice_history import CashHistory, NoticeHistory, tally_cash, tally_notice
from kpi.domain.tally import Tally

InvoiceRef = tuple[str, str]
NoticeRef = tuple[str, UUID]
CashRef = tuple[str, str, str]
_T = TypeVar("_T")
_K = TypeVar("_K")


@dataclass(slots=True, kw_only=True)
class FactSet:
    """Facts by kind, in any order; the same fact may be in it twice."""

    invoices: list[InvoiceFact] = field(default_factory=list)
    contacts: list[ContactFact] = field(default_factory=list)
    levels: list[LevelFact] = field(default_factory=list)
    notices: list[NoticeFact] = field(default_factory=list)
    messages: list[MessageFact] = field(default_factory=list)
    cash: list[CashFact] = field(default_factory=list)


@dataclass(slots=True, kw_only=True)
class Histories:
    """Facts by what they are about: an invoice, a notice, a debtor's cash in a currency."""

    invoices: dict[InvoiceRef, InvoiceHistory] = field(default_factory=dict)
    notices: dict[NoticeRef, NoticeHistory] = field(default_factory=dict)
    cash: dict[CashRef, CashHistory] = field(default_factory=dict)

    def plus(self, other: Histories) -> Histories:
        """The histories of all that is in `other`, with what is known here."""
        no_invoice, no_notice, no_cash = InvoiceHistory(), NoticeHistory(), CashHistory()
        return Histories(
            invoices={
                ref: self.invoices.get(ref, no_invoice).plus(history)
                for ref, history in other.invoices.items()
            },
            notices={
                ref: self.notices.get(ref, no_notice).plus(history)
                for ref, history in other.notices.items()
            },
            cash={
                ref: self.cash.get(ref, no_cash).plus(history)
                for ref, history in other.cash.items()
            },
        )

    def tally(self, into: Tally, tenants: Mapping[str, Tenant], *, sign: int = 1) -> None:
        """Add what all of them contribute, or take it away with sign -1."""
        for (tenant, _), invoice in self.invoices.items():
            if tenant in tenants:
                tally_invoice(into, invoice, tenants[tenant], sign=sign)
        for (tenant, _), notice in self.notices.items():
            if tenant in tenants:
                tally_notice(into, notice, tenants[tenant], sign=sign)
        for (tenant, _, _), cash in self.cash.items():
            if tenant in tenants:
                tally_cash(into, cash, tenants[tenant], sign=sign)


def histories_of(facts: FactSet) -> Histories:
    """Facts by what they are about."""
    found = Histories()
    none = InvoiceHistory()
    for ref, versions in _grouped(facts.invoices, lambda f: (f.tenant, f.invoice_id)).items():
        found.invoices[ref] = InvoiceHistory(facts=versions)
    for ref, contacts in _grouped(facts.contacts, lambda c: (c.tenant, c.invoice_id)).items():
        found.invoices[ref] = replace(found.invoices.get(ref, none), contacts=contacts)
    for ref, levels in _grouped(facts.levels, lambda e: (e.tenant, e.invoice_id)).items():
        found.invoices[ref] = replace(found.invoices.get(ref, none), levels=levels)
    for notice_ref, messages in _grouped(facts.messages, lambda m: (m.tenant, m.notice_id)).items():
        found.notices[notice_ref] = NoticeHistory(messages=messages)
    for notice in facts.notices:
        history = found.notices.get((notice.tenant, notice.notice_id), NoticeHistory())
        found.notices[notice.tenant, notice.notice_id] = replace(history, notice=notice)
    for cash_ref, cash in _grouped(
        facts.cash, lambda c: (c.tenant, c.debtor_id, c.currency)
    ).items():
        found.cash[cash_ref] = CashHistory(facts=cash)
    return found


def _grouped(items: Sequence[_T], key: Callable[[_T], _K]) -> dict[_K, tuple[_T, ...]]:
    groups: dict[_K, list[_T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return {name: tuple(group) for name, group in groups.items()}
