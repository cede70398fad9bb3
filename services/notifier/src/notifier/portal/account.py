"""What a debtor owes right now, as the ledger tells it, cut down to what a link opens. Pure.

Amounts are minor units. Nothing is computed here that the ledger owns: only sums.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from dunning_common.events.contacts import Contacts
from notifier.portal.link import Link


@dataclass(frozen=True, slots=True, kw_only=True)
class Owed:
    """An invoice on which something is owed: principal `open_minor`, and charges."""

    invoice_id: str
    number: str
    issued_on: date
    due_on: date
    currency: str
    amount_minor: int
    open_minor: int
    charges_minor: int = 0

    @property
    def total_minor(self) -> int:
        """Principal and charges."""
        return self.open_minor + self.charges_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A debtor with everything that is owed. `unallocated` is money that covers no invoice yet."""

    contacts: Contacts
    owed: tuple[Owed, ...] = ()
    unallocated: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """What is owed in one currency, `charges_minor` of it charges."""

    currency: str
    minor: int
    charges_minor: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """What a link shows: what is owed, earliest due first, and the numbers of what is settled."""

    owed: tuple[Owed, ...]
    settled: tuple[str, ...]
    totals: tuple[Total, ...]
    unallocated: tuple[tuple[str, int], ...]

    @property
    def is_settled(self) -> bool:
        """Nothing of it is owed any more."""
        return not self.owed

    def total_of(self, currency: str) -> int:
        """What is owed in a currency; 0 in one that does not occur."""
        return next((total.minor for total in self.totals if total.currency == currency), 0)

    def ids_in(self, currency: str) -> tuple[str, ...]:
        """The invoices owed in a currency."""
        return tuple(item.invoice_id for item in self.owed if item.currency == currency)

    def invoice(self, invoice_id: str) -> Owed | None:
        """An invoice on which something is owed."""
        return next((item for item in self.owed if item.invoice_id == invoice_id), None)


def statement_of(account: Account, link: Link, numbers: Mapping[str, str]) -> Statement:
    """What a link shows of an account.

    Args:
        account: the debtor's, with all that is owed.
        link: what it opens.
        numbers: of the link's invoices by id, as its notice named them.
    """
    owed = tuple(
        sorted(
            (item for item in account.owed if link.covers(item.invoice_id) and item.total_minor),
            key=lambda item: (item.due_on, item.number, item.invoice_id),
        )
    )
    open_ids = {item.invoice_id for item in owed}
    settled = tuple(
        numbers.get(invoice_id, invoice_id)
        for invoice_id in link.invoice_ids or ()
        if invoice_id not in open_ids
    )
    currencies = sorted({item.currency for item in owed})
    return Statement(
        owed=owed,
        settled=settled,
        totals=tuple(_total(currency, owed) for currency in currencies),
        unallocated=tuple(
            (currency, minor)
            for currency, minor in account.unallocated
            if minor and currency in currencies
        ),
    )


def _total(currency: str, owed: tuple[Owed, ...]) -> Total:
    items = [item for item in owed if item.currency == currency]
    return Total(
        currency=currency,
        minor=sum(item.total_minor for item in items),
        charges_minor=sum(item.charges_minor for item in items),
    )
