"""Turns the rows of a historic invoice file into the days on which its facts would have arrived.

Pure: invoices arrive on the day they were issued, payments on their value date. What each debtor is
reached by is replaced: a rehearsal writes to nobody.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from dunning_common.money import parse_minor
from invoice_ingest.domain.csv_file import Row, RowError
from standalone.rehearsal import fictional
from standalone.timeline import Day, Kind

AFTERMATH_DAYS = 120
"""How long to play on when some invoices of the file were never paid."""


class EmptyFileError(ValueError):
    """The file has no row that can be played."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to play. `settled_on` holds the invoices that the file says were paid in full."""

    days: tuple[Day, ...]
    starts_on: date
    ends_on: date
    country: str
    currency: str
    invoices: int
    debtors: int
    totals_minor: Mapping[str, int]
    settled_on: Mapping[str, date]
    settled_late: int
    bad_rows: tuple[RowError, ...]


def plan_of(rows: Iterable[Row | RowError]) -> Plan:
    """The plan of a file.

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
    invoices = [row.invoice for row in good if row.invoice]
    if not invoices:
        raise EmptyFileError("no row of the file holds an invoice that can be played")
    payments = [row.payment for row in good if row.payment]
    issued = {invoice["invoice_id"]: _day(invoice["issued_on"]) for invoice in invoices}
    due = {invoice["invoice_id"]: _day(invoice["due_on"]) for invoice in invoices}
    settled = _settlements(payments)
    debtors = _debtors(good)
    days = _days(debtors, invoices, payments, issued)
    still_open = len(settled) < len(invoices)
    return Plan(
        days=days,
        starts_on=days[0].on,
        ends_on=days[-1].on + timedelta(days=1 + (AFTERMATH_DAYS if still_open else 0)),
        country=_commonest(debtor["country"] for debtor in debtors.values()) or "FR",
        currency=_commonest(invoice["currency"] for invoice in invoices) or "EUR",
        invoices=len(invoices),
        debtors=len(debtors),
        totals_minor=_totals(invoices),
        settled_on=settled,
        settled_late=sum(on > due[invoice_id] for invoice_id, on in settled.items()),
        bad_rows=tuple(bad),
    )


def _days(
    debtors: Mapping[str, dict[str, Any]],
    invoices: list[dict[str, Any]],
    payments: list[dict[str, Any]],
    issued: Mapping[str, date],
) -> tuple[Day, ...]:
    arrivals: dict[date, dict[Kind, list[dict[str, Any]]]] = {}

    def arrive(on: date, kind: Kind, item: dict[str, Any]) -> None:
        arrivals.setdefault(on, {}).setdefault(kind, []).append(item)

    for invoice in invoices:
        arrive(_day(invoice["issued_on"]), "invoices", invoice)
    for payment in payments:
        # A file may date a payment before its invoice; the ledger hears of the invoice first.
        on = max([_day(payment["value_date"]), *_issue_days(payment, issued)])
        arrive(on, "payments", payment)
    for debtor in debtors.values():
        arrive(min(arrivals), "debtors", debtor)
    return tuple(Day(on=on, items=arrivals[on]) for on in sorted(arrivals))


def _issue_days(payment: dict[str, Any], issued: Mapping[str, date]) -> list[date]:
    covered = [allocation["invoice_id"] for allocation in payment.get("allocations", [])]
    return [issued[invoice_id] for invoice_id in covered if invoice_id in issued]


def _debtors(rows: list[Row]) -> dict[str, dict[str, Any]]:
    """Each debtor once, as the first row has it, reached by fictional addresses only."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row.debtor and row.debtor["debtor_id"] not in found:
            debtor_id = row.debtor["debtor_id"]
            contacts = fictional.contacts(
                debtor_id, number=len(found), country=row.debtor["country"]
            )
            found[debtor_id] = row.debtor | {"contacts": contacts}
    return found


def _settlements(payments: list[dict[str, Any]]) -> dict[str, date]:
    return {
        allocation["invoice_id"]: _day(payment["value_date"])
        for payment in payments
        for allocation in payment.get("allocations", [])
    }


def _totals(invoices: list[dict[str, Any]]) -> dict[str, int]:
    totals: Counter[str] = Counter()
    for invoice in invoices:
        totals[invoice["currency"]] += parse_minor(invoice["amount"], invoice["currency"])
    return dict(totals)


def _commonest(values: Iterable[str]) -> str | None:
    ranking = Counter(values).most_common(1)
    return ranking[0][0] if ranking else None


def _day(text: str) -> date:
    return date.fromisoformat(text)
