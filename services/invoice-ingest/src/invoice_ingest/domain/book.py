"""The worksheet of one transaction: the rows that were gathered, and what becomes of them.

The one mutable object of the core; it lives between loading and saving. Orders are posted to it one
after the other (`posting`), so that a second order in the same batch sees what the first one did.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from invoice_ingest.domain.charge import Charge, ChargeCover
from invoice_ingest.domain.credit import Cover, Credit, CreditDraft, CreditKey
from invoice_ingest.domain.fact import CashChanged, Fact
from invoice_ingest.domain.invoice import Invoice
from invoice_ingest.domain.payment_order import PaymentOrder, SequenceName

CoverKey = tuple[CreditKey, str]
ChargeCoverKey = tuple[CreditKey, str]
CashKey = tuple[str, str]
_ABSENT: Any = object()


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a batch of orders must find on its worksheet; ids of one tenant.

    An invoice that is asked for by a document's id comes as the document's instalments.

    `accounts` are debtors whose account is locked; `owners_of` are invoices whose debtors are, too.
    `open_of` are debtors whose owing invoices are wanted. What credits may cover comes with its
    charges; `charges_of` are invoices whose charges are wanted with all that covers them.
    `shrinking` maps invoices to the least amount they may get, so that what covers more than that
    can be taken back (0 for a cancellation). `reversals` are payments with all that they cover;
    `cash_of` are debtors whose credits that cover nothing yet are wanted. `documents` are invoices
    that were sent with instalments, each with the most that may be added to it.
    """

    accounts: frozenset[str] = frozenset()
    owners_of: frozenset[str] = frozenset()
    invoices: frozenset[str] = frozenset()
    open_of: frozenset[str] = frozenset()
    charges_of: frozenset[str] = frozenset()
    shrinking: Mapping[str, int] = field(default_factory=dict)
    credits: frozenset[CreditKey] = frozenset()
    cash_of: frozenset[str] = frozenset()
    reversals: frozenset[str] = frozenset()
    documents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class TenantSetup:
    """What every transaction needs to know of its tenant: `zone` is an IANA time zone."""

    zone: str
    order: PaymentOrder


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """What posting needs to know about a debtor."""

    country: str
    is_erased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """What was found, by id."""

    debtors: Mapping[str, Party] = field(default_factory=dict)
    invoices: Mapping[str, Invoice] = field(default_factory=dict)
    credits: Mapping[CreditKey, Credit] = field(default_factory=dict)
    covers: Mapping[CoverKey, Cover] = field(default_factory=dict)
    charges: Mapping[str, Charge] = field(default_factory=dict)
    charge_covers: Mapping[ChargeCoverKey, ChargeCover] = field(default_factory=dict)
    cash: Mapping[CashKey, int] = field(default_factory=dict)


class Book:
    """Invoices, charges, credits, covers and cash of the debtors at hand, with the facts so far.

    `today` is the day in the tenant's zone, for orders that name none; `order` is the tenant's
    choice of what money covers first.
    """

    def __init__(
        self, *, tenant: str, today: date, loaded: Loaded, order: PaymentOrder | None = None
    ) -> None:
        self.tenant = tenant
        self.today = today
        self.order = order or PaymentOrder()
        self.loaded = loaded
        self.debtors = dict(loaded.debtors)
        self.invoices = dict(loaded.invoices)
        self.credits = dict(loaded.credits)
        self.covers = dict(loaded.covers)
        self.charges = dict(loaded.charges)
        self.charge_covers = dict(loaded.charge_covers)
        self.cash = dict(loaded.cash)
        self.facts: list[Fact] = []
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._of_debtor: dict[str, set[str]] = defaultdict(set)
        self._of_document: dict[str, set[str]] = defaultdict(set)
        self._covering: dict[str, set[CreditKey]] = defaultdict(set)
        self._charged: dict[str, set[str]] = defaultdict(set)
        self._paying: dict[str, set[CreditKey]] = defaultdict(set)
        for invoice in self.invoices.values():
            self._of_debtor[invoice.debtor_id].add(invoice.invoice_id)
            if invoice.document_id is not None:
                self._of_document[invoice.document_id].add(invoice.invoice_id)
        for key, invoice_id in self.covers:
            self._covering[invoice_id].add(key)
        for charge in self.charges.values():
            self._charged[charge.invoice_id].add(charge.charge_id)
        for key, charge_id in self.charge_covers:
            self._paying[charge_id].add(key)

    def order_of(self, draft: CreditDraft) -> SequenceName | None:
        """The order by which a payment is allocated now; a credit note covers principal alone."""
        if draft.kind == "credit_note":
            return None
        party = self.debtors.get(draft.debtor_id)
        country = party.country if party else ""
        if draft.wanted is None:
            return self.order.of_automatic(country)
        return self.order.of_allocated(country)

    def owing_invoices(self, debtor_id: str, currency: str) -> list[Invoice]:
        """The debtor's invoices in a currency of which anything is owed, in no order."""
        found = (self.invoices.get(invoice_id) for invoice_id in self._of_debtor[debtor_id])
        return [
            i
            for i in found
            if i and i.currency == currency and (i.open_minor or i.charges_open_minor)
        ]

    def instalments_of(self, document_id: str) -> list[Invoice]:
        """All instalments that a document has or had, by id; none when it is a plain invoice."""
        if document_id not in self._of_document:
            return []
        found = (self.invoices.get(invoice_id) for invoice_id in self._of_document[document_id])
        return _ordered(i for i in found if i)

    def named(self, invoice_id: str) -> list[Invoice]:
        """What an id stands for: an invoice, or the instalments of a document."""
        plain = self.invoices.get(invoice_id)
        return self.instalments_of(invoice_id) if plain is None else [plain]

    def charges_of(self, invoice_id: str) -> list[Charge]:
        """The charges at hand of an invoice, in the order in which they were assessed."""
        found = (self.charges.get(charge_id) for charge_id in self._charged[invoice_id])
        return sorted((c for c in found if c), key=lambda c: (c.assessed_on, c.charge_id))

    def covers_of_charge(self, charge_id: str) -> list[ChargeCover]:
        """What payments cover of a charge now, by payment."""
        found = (self.charge_covers.get((key, charge_id)) for key in self._paying[charge_id])
        return sorted((c for c in found if c and c.amount_minor), key=lambda cover: cover.key)

    def charge_covers_by(self, key: CreditKey) -> list[ChargeCover]:
        """What a payment covers of charges now, by invoice and charge."""
        found = (c for c in self.charge_covers.values() if c.key == key and c.amount_minor)
        return sorted(found, key=lambda cover: (cover.invoice_id, cover.charge_id))

    def covers_of(self, invoice_id: str) -> list[Cover]:
        """What covers an invoice now, the latest first; payments give way before credit notes."""
        found = (self.covers.get((key, invoice_id)) for key in self._covering[invoice_id])
        return sorted(
            (cover for cover in found if cover and cover.amount_minor),
            key=lambda cover: (cover.key.kind, cover.effective_on, cover.key.credit_id),
            reverse=True,
        )

    def unallocated_credits(self, debtor_id: str) -> list[Credit]:
        """The debtor's credits that have something left, the oldest first."""
        found = (c for c in self.credits.values() if c.draft.debtor_id == debtor_id)
        return sorted(
            (credit for credit in found if credit.unallocated_minor),
            key=lambda credit: (credit.draft.dated_on, credit.draft.key),
        )

    def covers_by(self, key: CreditKey) -> list[Cover]:
        """What a credit covers now, by invoice id."""
        found = (cover for cover in self.covers.values() if cover.key == key and cover.amount_minor)
        return sorted(found, key=lambda cover: cover.invoice_id)

    def put_debtor(self, debtor_id: str, *, country: str) -> None:
        """A debtor that is being taken in the same transaction."""
        self._set(self.debtors, debtor_id, Party(country=country))

    def put_invoice(self, invoice: Invoice) -> None:
        """Write an invoice onto the sheet."""
        self._set(self.invoices, invoice.invoice_id, invoice)
        self._of_debtor[invoice.debtor_id].add(invoice.invoice_id)
        if invoice.document_id is not None:
            self._of_document[invoice.document_id].add(invoice.invoice_id)

    def put_credit(self, credit: Credit) -> None:
        """Write a credit onto the sheet."""
        self._set(self.credits, credit.draft.key, credit)

    def put_cover(self, cover: Cover) -> None:
        """Write what a credit covers of an invoice onto the sheet."""
        self._set(self.covers, (cover.key, cover.invoice_id), cover)
        self._covering[cover.invoice_id].add(cover.key)

    def put_charge(self, charge: Charge) -> None:
        """Write a charge onto the sheet."""
        self._set(self.charges, charge.charge_id, charge)
        self._charged[charge.invoice_id].add(charge.charge_id)

    def put_charge_cover(self, cover: ChargeCover) -> None:
        """Write what a payment covers of a charge onto the sheet."""
        self._set(self.charge_covers, (cover.key, cover.charge_id), cover)
        self._paying[cover.charge_id].add(cover.key)

    def add_cash(self, debtor_id: str, currency: str, change_minor: int, *, on: date) -> None:
        """Change the debtor's unallocated cash and note the fact; nothing when nothing changes."""
        if change_minor == 0:
            return
        now_minor = self.cash.get((debtor_id, currency), 0) + change_minor
        if now_minor < 0:
            raise ValueError("unallocated cash cannot be negative")
        self._set(self.cash, (debtor_id, currency), now_minor)
        self.facts.append(
            CashChanged(
                tenant=self.tenant,
                debtor_id=debtor_id,
                currency=currency,
                unallocated_minor=now_minor,
                effective_on=on,
            )
        )

    def mark(self) -> tuple[int, int]:
        """A place to go back to when a later order of the same group is refused."""
        return len(self._undo), len(self.facts)

    def back_to(self, mark: tuple[int, int]) -> None:
        """Undo everything since `mark`; look-up sets may keep ids that are gone, and skip them."""
        undo, facts = mark
        while len(self._undo) > undo:
            table, key, before = self._undo.pop()
            if before is _ABSENT:
                del table[key]
            else:
                table[key] = before
        del self.facts[facts:]

    def new_invoices(self) -> list[Invoice]:
        """Invoices to insert, by id."""
        return _ordered(v for k, v in self.invoices.items() if k not in self.loaded.invoices)

    def changed_invoices(self) -> list[Invoice]:
        """Invoices to update, by id."""
        before = self.loaded.invoices
        return _ordered(v for k, v in self.invoices.items() if k in before and before[k] is not v)

    def changed_credits(self) -> list[Credit]:
        """Credits to insert or update, by key."""
        before = self.loaded.credits
        changed = [v for k, v in self.credits.items() if before.get(k) is not v]
        return sorted(changed, key=lambda credit: credit.draft.key)

    def changed_covers(self) -> list[Cover]:
        """Covers to insert or update, by key."""
        before = self.loaded.covers
        changed = [v for k, v in self.covers.items() if before.get(k) is not v]
        return sorted(changed, key=lambda cover: (cover.key, cover.invoice_id))

    def new_charges(self) -> list[Charge]:
        """Charges to insert, by id."""
        before = self.loaded.charges
        return sorted(
            (v for k, v in self.charges.items() if k not in before), key=lambda c: c.charge_id
        )

    def changed_charges(self) -> list[Charge]:
        """Charges to update, by id."""
        before = self.loaded.charges
        changed = [v for k, v in self.charges.items() if k in before and before[k] is not v]
        return sorted(changed, key=lambda charge: charge.charge_id)

    def changed_charge_covers(self) -> list[ChargeCover]:
        """What payments cover of charges, to insert or update, by key."""
        before = self.loaded.charge_covers
        changed = [v for k, v in self.charge_covers.items() if before.get(k) is not v]
        return sorted(changed, key=lambda cover: (cover.key, cover.charge_id))

    def changed_cash(self) -> list[tuple[str, str, int]]:
        """(debtor, currency, minor units) to insert or update, in order."""
        before = self.loaded.cash
        return sorted((*k, v) for k, v in self.cash.items() if before.get(k) != v)

    def _set(self, table: dict[Any, Any], key: Any, value: Any) -> None:
        self._undo.append((table, key, table.get(key, _ABSENT)))
        table[key] = value


def _ordered(invoices: Iterable[Invoice]) -> list[Invoice]:
    return sorted(invoices, key=lambda invoice: invoice.invoice_id)
