"""Stops that the law imposes: how long a breathing space lasts, until when claims are declared.

Pure. Where the law leaves the day to a court or an agreement, the answer is None and a person has
to give it.
"""

from __future__ import annotations

from datetime import date, timedelta

from dunning_engine.domain.plan_rules import add_months

BREATHING_SPACE_DAYS = 60
_ENGLAND_AND_WALES = frozenset({None, "ENG", "WLS", "CYM", "EAW"})
_CLAIM_MONTHS = {"FR": (2, 4)}
"""Months after publication, for creditors in the country and for those abroad (R. 622-24)."""


def breathing_space_end(country: str | None, region: str | None, started_on: date) -> date | None:
    """The first day after a breathing space that began on `started_on`; None: not set by law.

    England and Wales: 60 days, the first one included (Debt Respite Scheme Regulations 2020).
    Scotland and Northern Ireland have other procedures.
    """
    if country == "GB" and region in _ENGLAND_AND_WALES:
        return started_on + timedelta(days=BREATHING_SPACE_DAYS)
    return None


def claim_deadline(
    jurisdiction: str, published_on: date, *, creditor_abroad: bool = False
) -> date | None:
    """The last day to declare a claim in an insolvency; None: the court sets it.

    France: two months after the publication of the opening judgment in the BODACC, four for
    creditors abroad. A deadline that falls on a day off is not moved: earlier is safe.
    """
    months = _CLAIM_MONTHS.get(jurisdiction)
    if months is None:
        return None
    return add_months(published_on, months[1] if creditor_abroad else months[0])
