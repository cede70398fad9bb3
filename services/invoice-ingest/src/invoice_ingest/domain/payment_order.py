"""In which order money covers what an invoice owes: the sequences, the law, the tenant's choice.

Pure rules; `allocation` does the arithmetic. The law's own order protects the creditor, who may
give way, so that covering the principal first is lawful everywhere; see docs/ledger.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, Literal

Component = Literal["principal", "interest", "compensation", "fee"]
SequenceName = Literal[
    "principal_first",
    "costs_interest_principal",
    "interest_costs_principal",
    "interest_principal_costs",
]
OrderChoice = Literal[
    "principal_first",
    "by_law",
    "costs_interest_principal",
    "interest_costs_principal",
    "interest_principal_costs",
]

SEQUENCES: Final[Mapping[SequenceName, tuple[Component, ...]]] = MappingProxyType(
    {
        # What stays open last is what is given up most easily: a fee, not what a statute grants.
        "principal_first": ("principal", "interest", "compensation", "fee"),
        "costs_interest_principal": ("fee", "compensation", "interest", "principal"),
        "interest_costs_principal": ("interest", "compensation", "fee", "principal"),
        "interest_principal_costs": ("interest", "principal", "compensation", "fee"),
    }
)
"""Costs are fees and the fixed compensation for recovery costs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LawOfOrder:
    """What a country's law says where neither debtor nor creditor said otherwise."""

    country: str
    order: SequenceName
    source: str


LAWS: Final = (
    LawOfOrder(
        country="AT", order="interest_principal_costs", source="ABGB § 1416 (names interest only)"
    ),
    LawOfOrder(
        country="BE",
        order="interest_principal_costs",
        source="C. civ. art. 1254 as it stood until 2022 (names interest only); a default rule",
    ),
    LawOfOrder(country="CH", order="interest_costs_principal", source="OR Art. 85 (1)"),
    LawOfOrder(country="DE", order="costs_interest_principal", source="BGB § 367 (1)"),
    LawOfOrder(
        country="ES", order="interest_principal_costs", source="C. civil art. 1173 (interest only)"
    ),
    LawOfOrder(
        country="FR",
        order="interest_costs_principal",
        source="C. civ. art. 1343-1; recovery costs likewise: Cass. 1re civ., 7 Feb 1995, "
        "92-14.216",
    ),
    LawOfOrder(
        country="GB",
        order="principal_first",
        source="No statute: the debtor appropriates, else the creditor; Cory Bros v The Mecca "
        "[1897] AC 286",
    ),
    LawOfOrder(
        country="IE",
        order="principal_first",
        source="No statute: the debtor appropriates, else the creditor",
    ),
    LawOfOrder(country="IT", order="interest_costs_principal", source="C.c. art. 1194"),
    LawOfOrder(
        country="LU", order="interest_principal_costs", source="C. civ. art. 1254 (interest only)"
    ),
    LawOfOrder(country="NL", order="costs_interest_principal", source="BW 6:44 (1)"),
    LawOfOrder(
        country="PL", order="interest_costs_principal", source="KC art. 451 § 1 (creditor's right)"
    ),
    LawOfOrder(country="PT", order="costs_interest_principal", source="C. civil art. 785"),
)
_BY_COUNTRY: Final = MappingProxyType({law.country: law.order for law in LAWS})


def order_by_law(country: str) -> SequenceName:
    """The order of a country's law; principal first where it is not known here."""
    return _BY_COUNTRY.get(country, "principal_first")


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentOrder:
    """A tenant's choice. A change counts for what is allocated from then on.

    `automatic` is for money that nobody allocated; `allocated` is for what the ERP allocated to an
    invoice: there it has cleared the invoice in its own books, so both sides should agree.
    """

    automatic: OrderChoice = "principal_first"
    allocated: OrderChoice = "principal_first"

    def of_automatic(self, country: str) -> SequenceName:
        """For money that nobody allocated, of a debtor in `country` (ISO 3166-1 alpha-2)."""
        return _resolved(self.automatic, country)

    def of_allocated(self, country: str) -> SequenceName:
        """For what the ERP allocated to an invoice of a debtor in `country`."""
        return _resolved(self.allocated, country)


def _resolved(choice: OrderChoice, country: str) -> SequenceName:
    return order_by_law(country) if choice == "by_law" else choice
