"""The law of fixed compensation for recovery costs, country by country, as dated data.

Austria, Germany and the others fix 40 euros; Ireland, Poland and the United Kingdom have tiers, the
Netherlands a scale. Switzerland has none. A consumer owes none, but for Belgium (a contract's
clause, capped) and the Netherlands (after a letter of 14 days).
"""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from dunning_engine.domain.law import COMMON_KNOWLEDGE, NOT_CONSUMERS, Band, FixedSumRule
from dunning_engine.domain.law_of_interest import (
    DE_REFORM,
    DIRECTIVE_2011_7,
    FR_PUBLIC_FROM,
)

PENALTY_CLAUSE = "penalty_clause"
"""The tag of debtors or invoices whose contract has a clause that gives the legal maximum."""
CONSUMER_NOTICE_DAYS = 20
"""From the day on which a notice to a consumer was sent: 14 days, and six for the post.

Belgium counts from the third working day after posting (CDE XIX.2), which Sundays, holidays and a
Saturday at the end put off to the sixth day; the Netherlands from the day after receipt.
"""
_FORTY = (Band(limit=None, base=Decimal(40)),)


def _bands(*steps: tuple[int | None, str, str], is_inclusive: bool = True) -> tuple[Band, ...]:
    """Steps of (limit, base, percent)."""
    return tuple(
        Band(
            limit=None if limit is None else Decimal(limit),
            base=Decimal(base),
            percent=Decimal(percent),
            is_inclusive=is_inclusive,
        )
        for limit, base, percent in steps
    )


_DUTCH_SCALE = _bands(
    (2500, "0", "15"),
    (5000, "375", "10"),
    (10000, "625", "5"),
    (200000, "875", "1"),
    (None, "2775", "0.5"),
)

FIXED_SUM_RULES = (
    FixedSumRule(
        country="FR",
        kinds=("business",),
        valid_from=date(2013, 1, 1),
        by_due_date=True,
        bands=_FORTY,
        basis="C. com. L441-10 II, D441-5",
        source="Légifrance, C. com. L441-10, D441-5; décret 2012-1115",
        note="For each invoice; more on proof. Not while insolvency forbids the payment.",
    ),
    FixedSumRule(
        country="FR",
        kinds=("public",),
        valid_from=FR_PUBLIC_FROM,
        bands=_FORTY,
        basis="CCP L2192-13, D2192-35",
        source="Légifrance, CCP D2192-35; décret 2013-269",
        confidence="unverified",
    ),
    FixedSumRule(
        country="DE",
        kinds=NOT_CONSUMERS,
        valid_from=DE_REFORM,
        bands=_FORTY,
        basis="BGB §288 Abs. 5",
        source="gesetze-im-internet.de, BGB §288; EGBGB Art. 229 §34",
        note="Credited against the cost of pursuing the claim.",
    ),
    FixedSumRule(
        country="GB",
        kinds=NOT_CONSUMERS,
        valid_from=date(2002, 8, 7),
        currency="GBP",
        bands=_bands((1000, "40", "0"), (10000, "70", "0"), (None, "100", "0"), is_inclusive=False),
        basis="Late Payment of Commercial Debts (Interest) Act 1998, s.5A",
        source="legislation.gov.uk, 1998 c. 20, s.5A",
        note="For each debt; reasonable costs above it on proof.",
    ),
    FixedSumRule(
        country="AT",
        kinds=NOT_CONSUMERS,
        valid_from=DIRECTIVE_2011_7,
        bands=_FORTY,
        basis="§458 UGB",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
    ),
    FixedSumRule(
        country="BE",
        kinds=NOT_CONSUMERS,
        valid_from=DIRECTIVE_2011_7,
        bands=_FORTY,
        basis="Loi du 2 août 2002, art. 6",
        source="SPF Economie, retards de paiement",
    ),
    FixedSumRule(
        country="BE",
        kinds=("consumer",),
        valid_from=date(2023, 9, 1),
        tag=PENALTY_CLAUSE,
        bands=_bands((150, "20", "0"), (500, "30", "10"), (None, "65", "5")),
        maximum=Decimal(2000),
        has_consumer_conditions=True,
        notice_days=CONSUMER_NOTICE_DAYS,
        basis="CDE XIX.4",
        source="SPF Economie, CDE, livre XIX (loi du 4 mai 2023)",
        note="The most that a clause of the contract may give, so only debtors or invoices tagged "
        f"`{PENALTY_CLAUSE}`; after a free first reminder and 14 days from the third working day "
        "after posting (the next day if electronic).",
    ),
    FixedSumRule(
        country="NL",
        kinds=NOT_CONSUMERS,
        valid_from=DIRECTIVE_2011_7,
        bands=_DUTCH_SCALE,
        minimum=Decimal(40),
        maximum=Decimal(6775),
        basis="art. 6:96 lid 4 en 5 BW, Besluit BIK",
        source="wetten.overheid.nl, Besluit vergoeding voor buitengerechtelijke incassokosten",
        note="At least 40 euros; a contract between merchants may say otherwise.",
    ),
    FixedSumRule(
        country="NL",
        kinds=("consumer",),
        valid_from=date(2012, 7, 1),
        bands=_DUTCH_SCALE,
        minimum=Decimal(40),
        maximum=Decimal(6775),
        has_consumer_conditions=True,
        notice_days=CONSUMER_NOTICE_DAYS,
        basis="art. 6:96 lid 5 en 6 BW, Besluit BIK",
        source="wetten.overheid.nl, Besluit vergoeding voor buitengerechtelijke incassokosten",
        note="After a free letter that states the exact cost and gives 14 days from the day after "
        "its receipt (HR 25 November 2016, ECLI:NL:HR:2016:2704); one sum for all invoices that "
        "it could name (lid 7).",
    ),
    FixedSumRule(
        country="LU",
        kinds=NOT_CONSUMERS,
        valid_from=date(2013, 4, 15),
        bands=_FORTY,
        basis="Loi du 18 avril 2004, art. 5bis",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
    ),
    FixedSumRule(
        country="IT",
        kinds=NOT_CONSUMERS,
        valid_from=date(2013, 1, 1),
        bands=_FORTY,
        basis="D.lgs. 231/2002, art. 6",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
    ),
    FixedSumRule(
        country="ES",
        kinds=NOT_CONSUMERS,
        valid_from=date(2013, 2, 24),
        bands=_FORTY,
        basis="Ley 3/2004, art. 8",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
    ),
    FixedSumRule(
        country="PT",
        kinds=NOT_CONSUMERS,
        valid_from=date(2013, 7, 1),
        bands=_FORTY,
        basis="DL 62/2013, art. 7",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
    ),
    FixedSumRule(
        country="IE",
        kinds=NOT_CONSUMERS,
        valid_from=DIRECTIVE_2011_7,
        bands=_bands((1000, "40", "0"), (10000, "70", "0"), (None, "100", "0")),
        basis="S.I. No. 580 of 2012, reg. 9",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
    ),
    FixedSumRule(
        country="PL",
        kinds=NOT_CONSUMERS,
        valid_from=date(2020, 1, 1),
        currency="PLN",
        converted_by="nbp_eur",
        bands=(
            Band(limit=Decimal(5000), base=Decimal(40)),
            Band(limit=Decimal(50000), base=Decimal(70), is_inclusive=False),
            Band(limit=None, base=Decimal(100)),
        ),
        basis="Ustawa z 8 marca 2013, art. 10",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
        note="Euros in zlotys at the NBP rate of the last working day of the month before the due "
        "date.",
    ),
)
"""Every rule, country by country."""
