"""The catalogue of key figures: what each is called, means, and how it is built from a snapshot.

Adding a figure is adding one entry to `INDICATORS`. Builds are pure; gathering a `Snapshot` is an
adapter's business.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from kpi.domain import formulas
from kpi.domain.snapshot import BUCKETS, LevelCount, NoticeCounts, Snapshot


class Unit(StrEnum):
    """What a figure's value counts."""

    MONEY = "money"
    DAYS = "days"
    PERCENT = "percent"
    COUNT = "count"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeingRow:
    """One bucket of the ageing table."""

    bucket: str
    label: str
    amount_minor: int
    invoices: int
    share_percent: Decimal | None


Row = AgeingRow | NoticeCounts | LevelCount


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """A figure's value in its unit (money in minor units), or None and `why_none`.

    `rows` breaks it down; `beside` holds further numbers by name, each with its own unit.
    """

    value: int | Decimal | None
    why_none: str = ""
    rows: tuple[Row, ...] = ()
    beside: tuple[tuple[str, Unit, int | Decimal | None], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Indicator:
    """A key figure. `definition` is one sentence for people, `formula` one line for checking."""

    slug: str
    title: str
    unit: Unit
    definition: str
    formula: str
    build: Callable[[Snapshot], Answer]


_NO_SALES = "There were no credit sales in the period."
_NOTHING_OPEN = "Nothing is open."


def dso(at: Snapshot) -> Decimal | None:
    """Days sales outstanding of a snapshot."""
    return formulas.dso_days(
        receivables_minor=at.open_minor,
        credit_sales_minor=at.credit_sales_minor,
        period_days=at.period_days,
    )


def best_possible_dso(at: Snapshot) -> Decimal | None:
    """DSO if everybody paid on the due date."""
    return formulas.dso_days(
        receivables_minor=at.current_minor,
        credit_sales_minor=at.credit_sales_minor,
        period_days=at.period_days,
    )


def ageing_rows(at: Snapshot) -> tuple[AgeingRow, ...]:
    """The open balance by days past due."""
    return tuple(
        AgeingRow(
            bucket=bucket.code,
            label=bucket.label,
            amount_minor=aged.open_minor,
            invoices=aged.invoices,
            share_percent=formulas.percent(aged.open_minor, at.open_minor),
        )
        for bucket, aged in zip(BUCKETS, at.ageing, strict=True)
    )


def _open_balance(at: Snapshot) -> Answer:
    return Answer(
        value=at.open_minor,
        beside=(
            ("invoices", Unit.COUNT, sum(aged.invoices for aged in at.ageing)),
            ("opening_balance", Unit.MONEY, at.opening_minor),
        ),
    )


def _overdue_balance(at: Snapshot) -> Answer:
    return Answer(
        value=at.overdue_minor,
        beside=(
            ("invoices", Unit.COUNT, sum(aged.invoices for aged in at.ageing[1:])),
            ("opening_overdue_balance", Unit.MONEY, at.opening_overdue_minor),
        ),
    )


def _ageing(at: Snapshot) -> Answer:
    return Answer(value=at.open_minor, rows=ageing_rows(at))


def _charges(at: Snapshot) -> Answer:
    return Answer(value=at.charges_open_minor)


def _unallocated(at: Snapshot) -> Answer:
    return Answer(value=at.unallocated_minor)


def _sales(at: Snapshot) -> Answer:
    return Answer(value=at.credit_sales_minor)


def _collections(at: Snapshot) -> Answer:
    return Answer(
        value=at.collected_minor,
        beside=(("charges", Unit.MONEY, at.collected_charges_minor),),
    )


def _dso(at: Snapshot) -> Answer:
    return Answer(value=dso(at), why_none=_NO_SALES)


def _best_possible(at: Snapshot) -> Answer:
    return Answer(value=best_possible_dso(at), why_none=_NO_SALES)


def _delinquent_days(at: Snapshot) -> Answer:
    value = formulas.average_days_delinquent(dso=dso(at), best_possible=best_possible_dso(at))
    return Answer(value=value, why_none=_NO_SALES)


def _effectiveness(at: Snapshot) -> Answer:
    return Answer(
        value=formulas.collection_effectiveness_percent(
            opening_minor=at.opening_minor,
            credit_sales_minor=at.credit_sales_minor,
            closing_minor=at.open_minor,
            closing_current_minor=at.current_minor,
        ),
        why_none="Nothing was there to be collected in the period.",
    )


def _delinquency(at: Snapshot) -> Answer:
    return Answer(value=formulas.percent(at.overdue_minor, at.open_minor), why_none=_NOTHING_OPEN)


def _recovery(at: Snapshot) -> Answer:
    cohort = at.placement
    return Answer(
        value=formulas.percent(cohort.recovered_minor, cohort.placed_minor),
        why_none="Nothing fell overdue in the period.",
        beside=(
            ("placed", Unit.MONEY, cohort.placed_minor),
            ("recovered", Unit.MONEY, cohort.recovered_minor),
        ),
    )


def _bad_debt(at: Snapshot) -> Answer:
    return Answer(
        value=formulas.percent(at.written_off_minor, at.credit_sales_minor), why_none=_NO_SALES
    )


def _days_late(at: Snapshot) -> Answer:
    paid = at.settled
    return Answer(
        value=formulas.ratio(paid.amount_days_late, paid.amount_minor),
        why_none="No invoice was fully paid in the period.",
        beside=(
            ("simple_mean_days", Unit.DAYS, formulas.ratio(paid.days_late, paid.invoices)),
            ("paid_invoices", Unit.COUNT, paid.invoices),
            ("paid_late_invoices", Unit.COUNT, paid.late_invoices),
        ),
    )


def _notices(at: Snapshot) -> Answer:
    return Answer(value=sum(row.sent for row in at.notices), rows=at.notices)


def _levels(at: Snapshot) -> Answer:
    return Answer(value=sum(row.invoices for row in at.levels), rows=at.levels)


def _after_payment(at: Snapshot) -> Answer:
    counts = at.contacts
    return Answer(
        value=counts.after_payment,
        beside=(
            ("contacts", Unit.COUNT, counts.contacts),
            ("rate", Unit.PERCENT, formulas.percent(counts.after_payment, counts.contacts)),
        ),
    )


INDICATORS: Final = (
    Indicator(
        slug="open_balance",
        title="Open balance",
        unit=Unit.MONEY,
        definition="Principal of all invoices that is still owed at the end of the day, "
        "charges not included.",
        formula="sum of open principal",
        build=_open_balance,
    ),
    Indicator(
        slug="overdue_balance",
        title="Overdue balance",
        unit=Unit.MONEY,
        definition="The part of the open balance whose due date has passed.",
        formula="sum of open principal where day > due date",
        build=_overdue_balance,
    ),
    Indicator(
        slug="ageing",
        title="Ageing",
        unit=Unit.MONEY,
        definition="The open balance by days past the due date (not by invoice date); "
        "unallocated cash is not subtracted.",
        formula="open principal by day - due date: not due, 1-30, 31-60, 61-90, >90",
        build=_ageing,
    ),
    Indicator(
        slug="open_charges",
        title="Open charges",
        unit=Unit.MONEY,
        definition="Interest, compensation and fees that were posted beside the principal and "
        "are not paid.",
        formula="sum of open charges",
        build=_charges,
    ),
    Indicator(
        slug="unallocated_cash",
        title="Unallocated cash",
        unit=Unit.MONEY,
        definition="Money of debtors that covers no invoice yet.",
        formula="sum of unallocated cash",
        build=_unallocated,
    ),
    Indicator(
        slug="credit_sales",
        title="Credit sales",
        unit=Unit.MONEY,
        definition="Invoiced in the period, tax included, after amendments, cancellations and "
        "credit notes of the period.",
        formula="issued + amended - cancelled - credited",
        build=_sales,
    ),
    Indicator(
        slug="collections",
        title="Collections",
        unit=Unit.MONEY,
        definition="Cash booked against invoices and their charges in the period, less reversals; "
        "dated by value date, at the earliest the day of the invoice.",
        formula="payments - reversals",
        build=_collections,
    ),
    Indicator(
        slug="dso",
        title="DSO",
        unit=Unit.DAYS,
        definition="Days sales outstanding by the balance method: how many days of the period's "
        "credit sales are still unpaid.",
        formula="open balance / credit sales of the period x days of the period",
        build=_dso,
    ),
    Indicator(
        slug="best_possible_dso",
        title="Best possible DSO",
        unit=Unit.DAYS,
        definition="The DSO if every debtor paid on the due date.",
        formula="balance not yet due / credit sales of the period x days of the period",
        build=_best_possible,
    ),
    Indicator(
        slug="average_days_delinquent",
        title="Average days delinquent",
        unit=Unit.DAYS,
        definition="The days of the DSO that come from late payment.",
        formula="DSO - best possible DSO",
        build=_delinquent_days,
    ),
    Indicator(
        slug="collection_effectiveness",
        title="Collection effectiveness (CEI)",
        unit=Unit.PERCENT,
        definition="What left the receivables in the period, of all that could have left them "
        "because it was due.",
        formula="(opening + sales - closing) / (opening + sales - closing not yet due) x 100",
        build=_effectiveness,
    ),
    Indicator(
        slug="delinquency_rate",
        title="Delinquency rate",
        unit=Unit.PERCENT,
        definition="The overdue share of the open balance.",
        formula="overdue balance / open balance x 100",
        build=_delinquency,
    ),
    Indicator(
        slug="recovery_rate",
        title="Recovery rate",
        unit=Unit.PERCENT,
        definition="Of the amounts that fell overdue in the period, the share that was paid after "
        "the due date and until the day asked.",
        formula="cash collected after the due date / amount placed (open when the due date had "
        "passed, less later amendments, cancellations and credit notes) x 100, same invoices",
        build=_recovery,
    ),
    Indicator(
        slug="bad_debt_rate",
        title="Bad-debt rate",
        unit=Unit.PERCENT,
        definition="Written off in the period, of its credit sales.",
        formula="written off / credit sales x 100",
        build=_bad_debt,
    ),
    Indicator(
        slug="average_days_late",
        title="Average days late",
        unit=Unit.DAYS,
        definition="How late invoices that were fully paid in the period were, weighted by "
        "amount; early payment counts as zero.",
        formula="sum(amount x max(0, settled - due)) / sum(amount)",
        build=_days_late,
    ),
    Indicator(
        slug="notices",
        title="Notices sent",
        unit=Unit.COUNT,
        definition="Messages decided in the period by level and channel; sent includes those "
        "delivered or bounced later.",
        formula="count of messages by final outcome",
        build=_notices,
    ),
    Indicator(
        slug="levels_served",
        title="Levels served",
        unit=Unit.COUNT,
        definition="Invoices for which a level of the ladder was completed in the period.",
        formula="count of levels served",
        build=_levels,
    ),
    Indicator(
        slug="contacts_after_payment",
        title="Contacts after payment",
        unit=Unit.COUNT,
        definition="Reminders of invoices that had been fully paid on an earlier business day "
        "(harm: it should be zero).",
        formula="count of (message sent, invoice) with settlement date < day of sending",
        build=_after_payment,
    ),
)
BY_SLUG: Final = {indicator.slug: indicator for indicator in INDICATORS}
