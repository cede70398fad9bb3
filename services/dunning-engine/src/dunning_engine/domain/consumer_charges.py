"""What was charged to a debtor that turned out to be a consumer, and may not be asked of one. Pure.

The fixed sum for recovery costs and the interest between businesses stand on laws that do not hold
against consumers (Directive 2011/7/EU, art. 1 and 2). A charge that was made while the debtor
passed for a business is recognised by the law that it names, and withdrawn.
"""

from __future__ import annotations

from functools import cache

from dunning_common.values import replace
from dunning_engine.domain.account import Account
from dunning_engine.domain.case import Case, Charged
from dunning_engine.domain.law_of_fixed_sums import FIXED_SUM_RULES
from dunning_engine.domain.law_of_interest import INTEREST_RULES
from dunning_engine.domain.outcome import Withdrawal
from dunning_engine.domain.verdict import Step, step


def unlawful(account: Account, case: Case) -> tuple[Charged, ...]:
    """The charges that are still owed and that the law does not let this debtor owe."""
    if account.kind != "consumer" or not case.charged:
        return ()
    lawful = _laws_for_consumers()
    return tuple([charge for charge in case.charged if charge.basis not in lawful])


def speaks_of_them(account: Account, case: Case, charges: tuple[Charged, ...]) -> bool:
    """Does a notice that is on its way ask this debtor for what it may not owe?"""
    if account.kind != "consumer" or case.in_flight is None:
        return False
    lawful = _laws_for_consumers()
    charges_anew = not lawful.issuperset(case.in_flight.laws)
    return charges_anew or not all(charge.withdrawn for charge in charges)


def without(case: Case, charges: tuple[Charged, ...]) -> Case:
    """The case as if these had never been charged: what notices ask for, and charge anew."""
    kinds = {charge.kind for charge in charges if not charge.withdrawn}
    asked_minor = case.charges_open_minor - sum([charge.open_minor for charge in charges])
    return replace(
        case,
        charges_open_minor=max(0, asked_minor),
        compensation_charged=case.compensation_charged and "compensation" not in kinds,
        interest_through=None if "interest" in kinds else case.interest_through,
    )


def withdrawals_of(
    case: Case, charges: tuple[Charged, ...]
) -> tuple[tuple[Withdrawal, ...], tuple[Step, ...]]:
    """What the ledger is told to give up, each charge once, with the step that says so."""
    told = [charge for charge in charges if not charge.withdrawn]
    return (
        tuple(
            [
                Withdrawal(
                    charge_id=charge.charge_id,
                    invoice_id=case.invoice_id,
                    kind=charge.kind,
                    currency=case.currency,
                    basis=charge.basis,
                )
                for charge in told
            ]
        ),
        tuple(
            [
                step(
                    "withdrawn",
                    kind=charge.kind,
                    amount_minor=charge.open_minor,
                    basis=charge.basis,
                )
                for charge in told
            ]
        ),
    )


@cache
def _laws_for_consumers() -> frozenset[str]:
    rules = (*INTEREST_RULES, *FIXED_SUM_RULES)
    return frozenset([rule.basis for rule in rules if "consumer" in rule.kinds])
