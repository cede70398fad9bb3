"""Policies written as documents in one canonical form: equal content, equal document. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dunning_common.money import to_decimal_string
from dunning_engine.domain.conditions import Amounts, Conditions
from dunning_engine.domain.fees import Fee, FeeTier
from dunning_engine.domain.policy import CHARGES, DELIVERY_DAYS, Level, Policy
from dunning_engine.domain.policy_document import (
    AMOUNT_CONDITIONS,
    COUNT_CONDITIONS,
    NAME_CONDITIONS,
    WEEKDAYS,
)


def to_document(policy: Policy) -> dict[str, Any]:
    """The canonical document of a policy, without id and version: equal content, equal document.

    What holds its default is left out, except for the keys that every policy has.
    """
    document: dict[str, Any] = {
        "name": policy.name,
        "country": policy.country,
        "calendar": {
            "weekdays": [WEEKDAYS[day] for day in sorted(policy.weekdays)],
            "opens": policy.opens.strftime("%H:%M"),
            "closes": policy.closes.strftime("%H:%M"),
            "holidays": "observe" if policy.observe_holidays else "ignore",
        },
        "grace_days": policy.grace_days,
        "max_attempts": policy.max_attempts,
    }
    if policy.budget:
        budget = policy.budget
        document["contact_budget"] = {
            "max_contacts": budget.max_contacts,
            "days": budget.days,
            "quiet_days": budget.quiet_days,
        }
    document |= _unusual(
        {
            "resume_days": (policy.resume_days, 0),
            "quiet_after_payment_days": (policy.quiet_after_payment_days, 0),
            "consolidation": (policy.consolidation, "debtor"),
            "separate_tags": (sorted(policy.separate_tags), []),
            "payment_feed_hours": (policy.payment_feed_hours, None),
            "unmatched_receipts": (policy.unmatched_receipts, "ignore"),
            "served_when": (policy.served_when, "sent"),
            "delivery_days": (policy.delivery_days, DELIVERY_DAYS),
        }
    )
    return document | {"levels": [_level_document(level) for level in policy.levels]}


def _unusual(values: Mapping[str, tuple[Any, Any]]) -> dict[str, Any]:
    """What differs from its default, by key."""
    return {key: value for key, (value, default) in values.items() if value != default}


def _level_document(level: Level) -> dict[str, Any]:
    document: dict[str, Any] = {
        "code": level.code,
        "threshold_days": level.threshold_days,
        "gap_days": level.gap_days,
    }
    document |= _unusual(
        {
            "anchor": (level.anchor, "due_date"),
            "counting": (level.counting, "calendar_days"),
            "when": (_conditions_document(level.when), {}),
            "otherwise": (level.otherwise, "skip"),
            "approval": (level.needs_approval, False),
        }
    )
    if level.final:
        return document | {"final": level.final}
    document |= {"channels": list(level.channels), "template": level.template}
    return document | _unusual(
        {
            "fallback": (list(level.fallback), []),
            "charges": ([charge for charge in CHARGES if charge in level.charges], []),
            "fee": (_fee_document(level.fee), {}),
            "pay_within_days": (level.pay_within_days, None),
            "minimum": (_amounts_document(level.minimum_minor), {}),
            "credit_block": (level.credit_block, False),
            "beyond_budget": (level.beyond_budget, False),
            "must_arrive": (None if level.must_arrive is None else list(level.must_arrive), None),
        }
    )


def _amounts_document(amounts: Amounts) -> dict[str, str]:
    return {currency: to_decimal_string(minor, currency) for currency, minor in amounts}


def _conditions_document(when: Conditions | None) -> dict[str, Any]:
    if when is None:
        return {}
    names = ("kinds", "countries", *NAME_CONDITIONS)
    return {
        key: value
        for key, value in (
            *((key, _amounts_document(getattr(when, f"{key}_minor"))) for key in AMOUNT_CONDITIONS),
            *((key, getattr(when, key)) for key in COUNT_CONDITIONS),
            *((key, sorted(getattr(when, key))) for key in names),
        )
        if value not in ({}, [], None)
    }


def _fee_document(fee: Fee | None) -> dict[str, Any]:
    if fee is None:
        return {}
    return _unusual(
        {
            "fixed": (_amounts_document(fee.fixed_minor), {}),
            "percent": (None if fee.percent is None else str(fee.percent), None),
            "tiers": (
                {currency: _tiers_document(tiers, currency) for currency, tiers in fee.tiers},
                {},
            ),
            "maximum": (_amounts_document(fee.maximum_minor), {}),
            "per": (fee.per, "invoice"),
            "consumers": (fee.consumers, False),
        }
    )


def _tiers_document(tiers: Sequence[FeeTier], currency: str) -> list[dict[str, str]]:
    return [
        (
            {}
            if tier.up_to_minor is None
            else {"up_to": to_decimal_string(tier.up_to_minor, currency)}
        )
        | {"amount": to_decimal_string(tier.amount_minor, currency)}
        for tier in tiers
    ]
