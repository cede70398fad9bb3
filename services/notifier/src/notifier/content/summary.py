"""What a message says in numbers: its invoices in sections, with totals per currency.

Pure arithmetic on integer minor units; no rates, no rounding, no clock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from operator import attrgetter

from dunning_common.events.dunning import NoticeItemV2, NoticeMessageV2, NoticeRequestedV2


@dataclass(frozen=True, slots=True, kw_only=True)
class Total:
    """Sums over invoices of one currency, in minor units.

    `open_minor` is principal without its disputed part, which is not asked for: `disputed_minor`.
    `amount_minor` is what was invoiced, `paid_minor` what was paid on it or credited since.
    `earlier_minor` was charged by earlier notices and is still owed. `compensation_each_minor` is
    the fixed sum per invoice where it is the same for all `compensation_count` invoices that carry
    one, else None. `interest_percents` are the yearly rates of the invoices that interest is
    charged on, each once.
    """

    currency: str
    count: int
    amount_minor: int
    paid_minor: int
    open_minor: int
    disputed_minor: int
    earlier_minor: int
    interest_minor: int
    interest_percents: tuple[Decimal, ...]
    fee_minor: int
    compensation_minor: int
    compensation_count: int
    compensation_each_minor: int | None

    @property
    def charges_minor(self) -> int:
        """Interest, compensation and fees, charged now or before."""
        now_minor = self.interest_minor + self.compensation_minor + self.fee_minor
        return self.earlier_minor + now_minor

    @property
    def due_minor(self) -> int:
        """Everything asked for: what is open and undisputed on the invoices, and the charges."""
        return self.open_minor + self.charges_minor


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """Invoices that belong together, oldest due date first, with totals per currency."""

    items: tuple[NoticeItemV2, ...]
    totals: tuple[Total, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """The content of one message: what is overdue, what is coming due, and both together.

    `demanded` is what the message asks for now: the overdue section's totals, or, when nothing is
    overdue, those of what is coming due.
    """

    overdue: Section
    coming_due: Section
    everything: Section

    @property
    def demanded(self) -> Section:
        """The section whose totals the debtor is asked to pay."""
        return self.overdue if self.overdue.items else self.coming_due


class UnknownInvoiceError(ValueError):
    """The message covers an invoice that its notice does not hold."""


def summarise(notice: NoticeRequestedV2, message: NoticeMessageV2) -> Summary:
    """Sections and totals of the invoices that the message covers, each counted once.

    An invoice is overdue from the day after its due date (`days_late` >= 1).

    Raises:
        UnknownInvoiceError: `message.invoice_ids` names an invoice that is not in `notice.items`,
            or names none.
    """
    items = _covered(notice.items, message.invoice_ids)
    overdue = tuple([item for item in items if item.days_late > 0])
    coming_due = tuple([item for item in items if item.days_late <= 0])
    late, early = _section(overdue), _section(coming_due)
    both = _section(items) if overdue and coming_due else late if overdue else early
    return Summary(overdue=late, coming_due=early, everything=both)


def totals_of(items: Iterable[NoticeItemV2]) -> tuple[Total, ...]:
    """Totals per currency, in the order of the currency codes."""
    by_currency: dict[str, list[NoticeItemV2]] = {}
    for item in items:
        if item.currency in by_currency:
            by_currency[item.currency].append(item)
        else:
            by_currency[item.currency] = [item]
    return tuple([_total(currency, by_currency[currency]) for currency in sorted(by_currency)])


def total_of(item: NoticeItemV2) -> Total:
    """What one invoice comes to."""
    return _total(item.currency, (item,))


def asked_minor(item: NoticeItemV2) -> int:
    """The principal of an invoice that is asked for: what is open of it and not disputed."""
    return item.open_minor - item.disputed_minor


def paid_minor(item: NoticeItemV2) -> int:
    """What was paid on an invoice or credited since."""
    return max(0, item.amount_minor - item.open_minor)


def charged_minor(item: NoticeItemV2) -> int:
    """Interest, compensation and fees of an invoice, charged now or before."""
    now_minor = item.interest_minor + item.compensation_minor + item.fee_minor
    return item.charges_open_minor + now_minor


def _covered(items: Iterable[NoticeItemV2], wanted: Iterable[str]) -> tuple[NoticeItemV2, ...]:
    by_id: Mapping[str, NoticeItemV2] = {item.invoice_id: item for item in items}
    ids = dict.fromkeys(wanted)
    unknown = [invoice_id for invoice_id in ids if invoice_id not in by_id]
    if unknown or not ids:
        named = ", ".join(unknown) or "no invoice at all"
        raise UnknownInvoiceError(f"the message covers {named}, which its notice does not hold")
    return tuple(sorted([by_id[invoice_id] for invoice_id in ids], key=_BY_DUE_DATE))


_BY_DUE_DATE = attrgetter("due_on", "number", "invoice_id")
_NOTHING = Section(items=(), totals=())


def _section(items: tuple[NoticeItemV2, ...]) -> Section:
    return Section(items=items, totals=totals_of(items)) if items else _NOTHING


def _total(currency: str, items: Sequence[NoticeItemV2]) -> Total:
    amount = paid = asked = disputed = earlier = interest = fee = compensation = charged = 0
    fixed: set[int] = set()
    percents: set[Decimal] = set()
    for item in items:
        amount += item.amount_minor
        paid += paid_minor(item)
        asked += asked_minor(item)
        disputed += item.disputed_minor
        earlier += item.charges_open_minor
        interest += item.interest_minor
        fee += item.fee_minor
        if item.compensation_minor:
            compensation += item.compensation_minor
            charged += 1
            fixed.add(item.compensation_minor)
        if item.interest_minor and item.interest_percent is not None:
            percents.add(item.interest_percent)
    return Total(
        currency=currency,
        count=len(items),
        amount_minor=amount,
        paid_minor=paid,
        open_minor=asked,
        disputed_minor=disputed,
        earlier_minor=earlier,
        interest_minor=interest,
        interest_percents=tuple(sorted(percents)),
        fee_minor=fee,
        compensation_minor=compensation,
        compensation_count=charged,
        compensation_each_minor=fixed.pop() if len(fixed) == 1 else None,
    )
