"""Turns the rows of a historic invoice file into the stories of its debtors. Pure.

Nothing is sent and nothing stored, so nothing has to be replaced: contacts are not even looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dunning_common.money import parse_minor
from dunning_common.values import replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import PolicyKey
from dunning_engine.domain.story import PastInvoice, Receipt, Story, story_of
from invoice_ingest.adapters.territory import default_zone
from invoice_ingest.domain.csv_file import Row, RowError

AFTERMATH_DAYS = 120
"""How long to play on when some invoices of the file were never paid."""
_TENANT = "file"

PolicyOf = Callable[[str], PolicyKey]
"""The policy of a debtor's country (ISO 3166-1 alpha-2)."""


class EmptyFileError(ValueError):
    """The file has no row that can be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A file's invoices as stories, one a debtor. `ends_on` is exclusive.

    `strays` are payments for invoices that the file does not hold (minor units by currency).
    """

    stories: tuple[Story, ...]
    invoices: int
    starts_on: date
    ends_on: date
    totals_minor: Mapping[str, int]
    taken: frozenset[str]
    bad_rows: tuple[RowError, ...]
    strays: int
    strays_minor: Mapping[str, int]


def past_of(
    rows: Iterable[Row | RowError], *, policy_of: PolicyOf, known_after_days: int = 0
) -> Past:
    """The past that a file tells.

    Raises:
        EmptyFileError: no good row holds an invoice.
    """
    good: list[Row] = []
    bad: list[RowError] = []
    for row in rows:
        if isinstance(row, RowError):
            bad.append(row)
        else:
            good.append(row)
    accounts = _accounts(good)
    invoices = {row.invoice["invoice_id"]: _invoice(row.invoice) for row in good if row.invoice}
    owners = {row.invoice["invoice_id"]: row.invoice["debtor_id"] for row in good if row.invoice}
    if not invoices:
        raise EmptyFileError("no row of the file holds an invoice that can be played")
    money = _Money()
    for row in good:
        if row.payment:
            money.take(row.payment, invoices.keys())
    of_debtor: defaultdict[str, list[PastInvoice]] = defaultdict(list)
    for invoice_id, invoice in invoices.items():
        account = accounts.get(owners[invoice_id]) or _account({"debtor_id": owners[invoice_id]})
        accounts[owners[invoice_id]] = account
        of_debtor[owners[invoice_id]].append(
            replace(
                invoice,
                payments=tuple(sorted(money.of_invoice.get(invoice_id, ()))),
                policy=policy_of(account.country),
            )
        )
    return Past(
        stories=tuple(
            story_of(
                accounts[debtor_id],
                found,
                receipts=money.receipts.get(debtor_id, ()),
                known_after_days=known_after_days,
            )
            for debtor_id, found in sorted(of_debtor.items())
        ),
        invoices=len(invoices),
        starts_on=min(invoice.issued_on for invoice in invoices.values()),
        ends_on=_ends_on(invoices.values(), money),
        totals_minor=dict(_totals(invoices.values())),
        taken=frozenset(invoices),
        bad_rows=tuple(bad),
        strays=money.strays,
        strays_minor=dict(money.strays_minor),
    )


def _ends_on(invoices: Collection[PastInvoice], money: _Money) -> date:
    """The day after the last fact, or a while later when something was never paid."""
    paid = [on for parts in money.of_invoice.values() for on, _ in parts]
    last = max([*(invoice.due_on for invoice in invoices), *paid])
    open_left = any(
        sum(minor for _, minor in money.of_invoice.get(invoice.invoice_id, ()))
        < invoice.amount_minor
        for invoice in invoices
    )
    return last + timedelta(days=1 + (AFTERMATH_DAYS if open_left else 0))


class _Money:
    """Payments sorted out: those of invoices, those of a debtor at large, and strays."""

    def __init__(self) -> None:
        self.of_invoice: defaultdict[str, list[tuple[date, int]]] = defaultdict(list)
        self.receipts: defaultdict[str, list[Receipt]] = defaultdict(list)
        self.strays = 0
        self.strays_minor: Counter[str] = Counter()

    def take(self, payment: Mapping[str, Any], known: Iterable[str]) -> None:
        on, currency = date.fromisoformat(payment["value_date"]), payment["currency"]
        if "allocations" not in payment:
            minor = parse_minor(payment["amount"], currency)
            self.receipts[payment["debtor_id"]].append(
                Receipt(on=on, currency=currency, amount_minor=minor)
            )
        for part in payment.get("allocations", ()):
            minor = parse_minor(part["amount"], currency)
            if part["invoice_id"] in known:
                self.of_invoice[part["invoice_id"]].append((on, minor))
            else:
                self.strays += 1
                self.strays_minor[currency] += minor


def _accounts(rows: Iterable[Row]) -> dict[str, Account]:
    """Each debtor once, as the first row has it."""
    found: dict[str, Account] = {}
    for row in rows:
        if row.debtor and row.debtor["debtor_id"] not in found:
            found[row.debtor["debtor_id"]] = _account(row.debtor)
    return found


def _account(record: Mapping[str, Any]) -> Account:
    country = record.get("country", "FR")
    return Account(
        tenant=_TENANT,
        debtor_id=record["debtor_id"],
        kind=record.get("kind", "business"),
        country=country,
        region=record.get("region"),
        zone=record.get("zone") or default_zone(country),
        language=record.get("language", "en"),
        segment=record.get("segment"),
        risk=record.get("risk"),
        tags=tuple(record.get("tags", ())),
    )


def _invoice(record: Mapping[str, Any]) -> PastInvoice:
    return PastInvoice(
        invoice_id=record["invoice_id"],
        number=record.get("number") or record["invoice_id"],
        issued_on=date.fromisoformat(record["issued_on"]),
        due_on=date.fromisoformat(record["due_on"]),
        currency=record["currency"],
        amount_minor=parse_minor(record["amount"], record["currency"]),
        tags=tuple(record.get("tags", ())),
    )


def _totals(invoices: Iterable[PastInvoice]) -> Counter[str]:
    totals: Counter[str] = Counter()
    for invoice in invoices:
        totals[invoice.currency] += invoice.amount_minor
    return totals
