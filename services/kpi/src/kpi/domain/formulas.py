"""The formulas, as the trade defines them; None means "not defined", never zero.

Amounts are whole minor units of one currency, tax included; results are exact decimals, rounded
only where they are shown.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal


def dso_days(
    *, receivables_minor: int, credit_sales_minor: int, period_days: int
) -> Decimal | None:
    """Days sales outstanding, balance method: receivables / credit sales x days of the period.

    With the amount not yet due as `receivables_minor` this is the best possible DSO.
    """
    if credit_sales_minor <= 0:
        return None
    return Decimal(receivables_minor) * period_days / Decimal(credit_sales_minor)


def average_days_delinquent(
    *, dso: Decimal | None, best_possible: Decimal | None
) -> Decimal | None:
    """How many of the DSO's days come from paying late: DSO - best possible DSO."""
    if dso is None or best_possible is None:
        return None
    return dso - best_possible


def percent(part: int, whole: int) -> Decimal | None:
    """Part of a whole in percent."""
    if whole <= 0:
        return None
    return Decimal(part) * 100 / Decimal(whole)


def collection_effectiveness_percent(
    *, opening_minor: int, credit_sales_minor: int, closing_minor: int, closing_current_minor: int
) -> Decimal | None:
    """CEI: what left the receivables, of what could have left them, in the whole period.

    (opening + sales - closing total) / (opening + sales - closing not yet due) x 100; sales are
    those of the whole period, not a monthly mean.
    """
    placed = opening_minor + credit_sales_minor
    return percent(placed - closing_minor, placed - closing_current_minor)


def collected_minor(
    *,
    opening_minor: int,
    credit_sales_minor: int,
    closing_minor: int,
    written_off_minor: int = 0,
) -> int:
    """Cash of a period from its balances: opening + credit sales - written off - closing."""
    return opening_minor + credit_sales_minor - written_off_minor - closing_minor


def weighted_days_late(paid: Iterable[tuple[int, int]]) -> Decimal | None:
    """Average days late of paid invoices, weighted by amount; early payment counts as zero.

    Args:
        paid: amount in minor units and days from due date to settlement (negative when early).
    """
    amounts = [(amount_minor, max(0, days)) for amount_minor, days in paid]
    return ratio(
        sum(amount_minor * days for amount_minor, days in amounts),
        sum(amount_minor for amount_minor, _ in amounts),
    )


def ratio(part: int, whole: int) -> Decimal | None:
    """Part / whole."""
    if whole <= 0:
        return None
    return Decimal(part) / Decimal(whole)
