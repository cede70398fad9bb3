"""The law of interest for late payment, country by country, as dated data with its sources.

Each change of a law is a row of its own; what was in force stays. Rates are in the rate files.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any

from dunning_engine.domain.law import COMMON_KNOWLEDGE, NOT_CONSUMERS, InterestRule

COUNTRY_NAMES = MappingProxyType(
    {
        "FR": "France",
        "DE": "Germany",
        "GB": "United Kingdom",
        "AT": "Austria",
        "BE": "Belgium",
        "NL": "Netherlands",
        "LU": "Luxembourg",
        "IT": "Italy",
        "ES": "Spain",
        "PT": "Portugal",
        "IE": "Ireland",
        "CH": "Switzerland",
        "PL": "Poland",
    }
)
"""The countries whose law of late payment is known here."""

FR_PUBLIC_FROM = date(2013, 3, 16)
DE_REFORM = date(2014, 7, 29)
DIRECTIVE_2011_7 = date(2013, 3, 16)
"""The last day to bring Directive 2011/7/EU into national law."""
_DIRECTIVE_2000_35 = date(2002, 8, 8)
PUBLIC_HEALTH_TAG = "public_health"
PERISHABLE_FOOD_TAG = "perishable_food"

_FRANCE = (
    InterestRule(
        country="FR",
        kinds=("business",),
        valid_from=date(2009, 1, 1),
        valid_to=date(2019, 4, 25),
        series="ecb",
        points=Decimal(10),
        basis="C. com. L441-6 I",
        source="Légifrance, C. com. L441-6 (repealed), L441-10",
        note="The default where nothing was agreed. A contract's rate may not be below three times "
        "the legal rate (column `fr_legal_other`).",
    ),
    InterestRule(
        country="FR",
        kinds=("business",),
        valid_from=date(2019, 4, 26),
        valid_to=date(2026, 12, 31),
        series="ecb",
        points=Decimal(10),
        basis="C. com. L441-10 II",
        source="Légifrance, C. com. L441-10",
    ),
    InterestRule(
        country="FR",
        kinds=("business",),
        valid_from=date(2027, 1, 1),
        series="ecb",
        points=Decimal(10),
        basis="C. com. L441-10 II",
        source="Légifrance, C. com. L441-10, version of 1 January 2027 (ord. 2025-1247, 2026-671)",
        note="Compared word for word: rate, floor and anchors are the same.",
    ),
    InterestRule(
        country="FR",
        kinds=("public",),
        valid_from=FR_PUBLIC_FROM,
        series="ecb",
        points=Decimal(8),
        anchor="start",
        basis="CCP L2192-13, R2192-31",
        source="Légifrance, CCP R2192-31 to R2192-36; décret 2013-269",
        confidence="unverified",
    ),
    InterestRule(
        country="FR",
        kinds=("consumer",),
        valid_from=date(2009, 1, 1),
        series="fr_legal_other",
        from_notice=True,
        basis="C. civ. 1231-6",
        source="Légifrance, C. civ. 1231-6, 1344-1; half-yearly arrêtés under CMF L313-2",
        note="The column of the legal rate follows the creditor, a business.",
    ),
)
_GERMANY = (
    InterestRule(
        country="DE",
        kinds=NOT_CONSUMERS,
        valid_from=date(2002, 1, 1),
        valid_to=DE_REFORM - timedelta(days=1),
        series="de_base",
        points=Decimal(8),
        basis="BGB §288 Abs. 2 a.F.",
        source="BGB §288 in the version before 29 July 2014; EGBGB Art. 229 §34",
    ),
    InterestRule(
        country="DE",
        kinds=NOT_CONSUMERS,
        valid_from=DE_REFORM,
        series="de_base",
        points=Decimal(9),
        basis="BGB §288 Abs. 2",
        source="gesetze-im-internet.de, BGB §§247, 288; Deutsche Bundesbank",
    ),
    InterestRule(
        country="DE",
        kinds=("consumer",),
        valid_from=date(2002, 1, 1),
        series="de_base",
        points=Decimal(5),
        basis="BGB §288 Abs. 1",
        source="gesetze-im-internet.de, BGB §§247, 288; Deutsche Bundesbank",
    ),
)
_AUSTRIA = (
    InterestRule(
        country="AT",
        kinds=NOT_CONSUMERS,
        valid_from=DIRECTIVE_2011_7,
        series="at_base",
        points=Decimal("9.2"),
        basis="§456 UGB",
        source="RIS, §456 UGB; Oesterreichische Nationalbank, Basiszinssatz",
        note="The base rate of the last day of the half-year before. The delay must be the "
        "debtor's fault; otherwise 4 % (§1000 ABGB).",
    ),
    InterestRule(
        country="AT",
        kinds=("consumer",),
        valid_from=date(2002, 8, 1),
        points=Decimal(4),
        basis="§1000 Abs. 1 ABGB",
        source="RIS, §§1000, 1333 ABGB",
    ),
)
_BELGIUM = (
    InterestRule(
        country="BE",
        kinds=NOT_CONSUMERS,
        valid_from=DIRECTIVE_2011_7,
        series="be_commercial",
        basis="Loi du 2 août 2002, art. 5",
        source="SPF Finances, Moniteur belge: taux d'intérêt de retard, transactions commerciales",
        note="ECB rate + 8 points, rounded up to the next half point; published half-yearly.",
    ),
    InterestRule(
        country="BE",
        kinds=("consumer",),
        valid_from=date(2023, 9, 1),
        series="be_legal",
        from_notice=True,
        basis="C. civ. 5.240; CDE XIX.4",
        source="SPF Finances, taux d'intérêt légal en matière civile; CDE, livre XIX",
        note="Without a clause: the civil legal rate. The first reminder is free, then 14 days. A "
        "clause may go up to the rate between merchants.",
    ),
)
_NETHERLANDS = (
    InterestRule(
        country="NL",
        kinds=("consumer",),
        valid_from=date(1992, 1, 1),
        series="nl_legal",
        compounds_yearly=True,
        basis="art. 6:119 BW",
        source="Rijksoverheid, wettelijke rente; art. 6:119, 6:120 BW",
        note="Lid 2; nobody has verified that each year's interest bears interest.",
    ),
)
_LUXEMBOURG = (
    InterestRule(
        country="LU",
        kinds=("consumer",),
        valid_from=date(2004, 4, 18),
        refusal="only_if_agreed",
        basis="Loi du 18 avril 2004, art. 12 et suiv.",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
        note="The yearly legal rate, only if the invoice says so: not claimed.",
    ),
)
_ITALY = (
    InterestRule(
        country="IT",
        kinds=NOT_CONSUMERS,
        valid_from=date(2013, 1, 1),
        series="ecb",
        points=Decimal(12),
        tag=PERISHABLE_FOOD_TAG,
        basis="D.lgs. 198/2021, art. 4",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
        note=f"Farm and food products: debtors or invoices tagged `{PERISHABLE_FOOD_TAG}`.",
    ),
    InterestRule(
        country="IT",
        kinds=("consumer",),
        valid_from=date(2000, 1, 1),
        series="it_legal",
        basis="art. 1284 c.c.",
        source="Yearly decrees of the Ministry of Economy and Finance",
        confidence="unverified",
    ),
)
_SPAIN = (
    InterestRule(
        country="ES",
        kinds=("consumer",),
        valid_from=date(2000, 1, 1),
        series="es_legal",
        from_notice=True,
        basis="C. civil art. 1100, 1108",
        source="Interés legal del dinero, yearly budget acts",
        confidence="unverified",
    ),
)
_PORTUGAL = (
    InterestRule(
        country="PT",
        kinds=("consumer",),
        valid_from=date(2003, 5, 1),
        points=Decimal(4),
        basis="C. civil art. 559; Portaria 291/2003",
        source=COMMON_KNOWLEDGE,
        confidence="unverified",
        note="The civil rate; the higher supplementary commercial rate is not claimed.",
    ),
)
_BRITAIN = (
    InterestRule(
        country="GB",
        kinds=NOT_CONSUMERS,
        valid_from=date(2002, 8, 7),
        series="boe",
        points=Decimal(8),
        anchor="start",
        basis="Late Payment of Commercial Debts (Interest) Act 1998, s.1 and s.6",
        source="legislation.gov.uk, 1998 c. 20; SI 2002/1675; gov.uk, late commercial payments",
        note="Bank Rate of the last day before the half-year. Not where the contract gives a "
        "substantial remedy. Consumers: contract only.",
    ),
)
_SWITZERLAND = (
    InterestRule(
        country="CH",
        kinds=("business", "consumer", "public"),
        valid_from=date(1912, 1, 1),
        points=Decimal(5),
        basis="OR Art. 104 Abs. 1",
        source="Fedlex, SR 220, Art. 102, 104",
        confidence="unverified",
        note="Higher if agreed. In default by a reminder or a fixed due date.",
    ),
)
_POLAND = (
    InterestRule(
        country="PL",
        kinds=NOT_CONSUMERS,
        valid_from=date(2016, 1, 1),
        valid_to=date(2019, 12, 31),
        series="nbp",
        points=Decimal(8),
        basis="Ustawa z 8 marca 2013, art. 4 pkt 3, art. 7, 8",
        source="Obwieszczenia half-yearly, Monitor Polski",
        confidence="unverified",
    ),
    InterestRule(
        country="PL",
        kinds=NOT_CONSUMERS,
        valid_from=date(2020, 1, 1),
        series="nbp",
        points=Decimal(10),
        basis="Ustawa z 8 marca 2013, art. 4 pkt 3 lit. b, art. 7, 8",
        source="ISAP, ustawa z 8 marca 2013; obwieszczenia in Monitor Polski",
        confidence="unverified",
    ),
    InterestRule(
        country="PL",
        kinds=("public",),
        valid_from=date(2020, 1, 1),
        series="nbp",
        points=Decimal(8),
        tag=PUBLIC_HEALTH_TAG,
        basis="Ustawa z 8 marca 2013, art. 4 pkt 3 lit. a, art. 8",
        source="ISAP, ustawa z 8 marca 2013; obwieszczenia in Monitor Polski",
        confidence="unverified",
        note=f"Public health bodies: debtors tagged `{PUBLIC_HEALTH_TAG}`.",
    ),
    InterestRule(
        country="PL",
        kinds=("consumer",),
        valid_from=date(2016, 1, 1),
        refusal="rate_not_kept",
        basis="KC art. 481 §2",
        source="ISAP, Kodeks cywilny art. 481",
        confidence="unverified",
        note="NBP reference rate + 5.5 points, moving on the day NBP moves: no rate by half-year, "
        "so nothing is claimed.",
    ),
)


def _ecb_plus_eight() -> Iterator[InterestRule]:
    """The countries that took the directive's own figures: ECB rate + 8 points, before it + 7."""
    laws: tuple[tuple[str, date, str, str, dict[str, Any]], ...] = (
        ("NL", DIRECTIVE_2011_7, "art. 6:119a, 6:119b BW", "Rijksoverheid, wettelijke handelsrente",
         {"compounds_yearly": True,
          "note": "Nobody has verified that each year's interest bears interest."}),
        ("LU", date(2013, 4, 15), "Loi du 18 avril 2004, art. 3 et 5", COMMON_KNOWLEDGE,
         {"confidence": "unverified"}),
        ("IT", date(2013, 1, 1), "D.lgs. 231/2002, art. 5",
         "Gazzetta Ufficiale, half-yearly notices of the Ministry of Economy and Finance", {}),
        ("ES", date(2013, 2, 24), "Ley 3/2004, art. 7",
         "BOE, half-yearly resolutions of the Tesoro, such as BOE-A-2025-27201",
         {"note": "The rate of the last main refinancing operation before the half-year."}),
        ("PT", date(2013, 7, 1), "DL 62/2013; C. com. art. 102 §5", COMMON_KNOWLEDGE,
         {"confidence": "unverified"}),
        ("IE", DIRECTIVE_2011_7, "S.I. No. 580 of 2012, reg. 5",
         "Department of Enterprise, late payment interest rates",
         {"anchor": "payment"}),
    )  # fmt: skip
    for country, since, basis, source, more in laws:
        common: dict[str, Any] = {"country": country, "kinds": NOT_CONSUMERS, "series": "ecb"}
        yield InterestRule(
            **common,
            **more,
            valid_from=since,
            points=Decimal(8),
            basis=basis,
            source=source,
        )
        yield InterestRule(
            **common,
            **more | {"confidence": "unverified"},
            valid_from=_DIRECTIVE_2000_35,
            valid_to=since - timedelta(days=1),
            points=Decimal(7),
            basis="National law under Directive 2000/35/EC, art. 3",
            source=COMMON_KNOWLEDGE,
        )


_BY_COUNTRY = {
    "FR": _FRANCE,
    "DE": _GERMANY,
    "GB": _BRITAIN,
    "AT": _AUSTRIA,
    "BE": _BELGIUM,
    "NL": _NETHERLANDS,
    "LU": _LUXEMBOURG,
    "IT": _ITALY,
    "ES": _SPAIN,
    "PT": _PORTUGAL,
    "IE": (),
    "CH": _SWITZERLAND,
    "PL": _POLAND,
}
_SHARED = tuple(_ecb_plus_eight())
INTEREST_RULES = tuple(
    rule
    for country in COUNTRY_NAMES
    for rule in (*(r for r in _SHARED if r.country == country), *_BY_COUNTRY[country])
)
"""Every rule, country by country, first the rule that is in force between merchants."""
