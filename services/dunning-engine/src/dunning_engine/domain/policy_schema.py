"""The JSON Schema of a policy document, for editors and other tools.

It says what a schema can say; order and spacing of the levels are checked when a policy is read.
"""

from __future__ import annotations

from typing import Any

from dunning_engine.domain import policy_document as known
from dunning_engine.domain.document import NAMES_MAX, TEXT_MAX
from dunning_engine.domain.policy import (
    ANCHORS,
    BUDGET_DAYS_MAX,
    CHANNELS,
    CHARGES,
    CONSOLIDATIONS,
    COUNTINGS,
    DELIVERY_DAYS,
    FINAL_ACTIONS,
    SERVED_WHEN,
    TEMPLATES,
    UNMATCHED_RULES,
)


def policy_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a policy document."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Dunning policy",
        "description": "A ladder of reminders and the hours in which it may speak.",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "levels"],
        "properties": {
            "name": {"type": "string", "maxLength": TEXT_MAX},
            "country": {
                "enum": [*known.COUNTRIES, None],
                "description": "The law that charges follow.",
            },
            "calendar": _calendar(),
            "grace_days": {
                **_whole(0, 365),
                "default": 0,
                "description": "Nothing after the due date goes out before so many days.",
            },
            "max_attempts": {
                **_whole(1, 20),
                "default": 3,
                "description": "So many failed tries block a level until contacts change or a "
                "person retries it; tries that failed for a cause of ours do not count.",
            },
            "resume_days": {
                **_whole(0, 365),
                "default": 0,
                "description": "After a hold ended nothing goes out for so many days.",
            },
            "quiet_after_payment_days": {
                **_whole(0, 365),
                "default": 0,
                "description": "After a part payment nothing goes out for so many days.",
            },
            "contact_budget": _budget(),
            "consolidation": {
                "enum": list(CONSOLIDATIONS),
                "default": "debtor",
                "description": "One notice per debtor, or one per invoice.",
            },
            "separate_tags": _names("Invoices with one of these tags get a notice of their own."),
            "payment_feed_hours": {
                **_whole(1, 24 * 90),
                "description": "Nothing goes out when the payments known are older than this.",
            },
            "unmatched_receipts": {
                "enum": list(UNMATCHED_RULES),
                "default": "ignore",
                "description": "Whether money that covers no invoice yet holds one it would cover.",
            },
            "served_when": {
                "enum": list(SERVED_WHEN),
                "default": "sent",
                "description": "When the ladder goes on: once sent, or once delivery was reported.",
            },
            "delivery_days": {
                **_whole(1, known.DELIVERY_DAYS_MAX),
                "default": DELIVERY_DAYS,
                "description": "So long a report of delivery is waited for.",
            },
            "levels": {
                "type": "array",
                "minItems": 1,
                "maxItems": known.LEVELS_MAX,
                "items": {"oneOf": [_sending_level(), _final_level()]},
            },
        },
    }


def _calendar() -> dict[str, Any]:
    clock = {"type": "string", "pattern": r"^([01]\d|2[0-3]):[0-5]\d$"}
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "weekdays": _set_of(known.WEEKDAYS),
            "opens": {**clock, "default": "08:00", "description": "Wall time at the debtor's."},
            "closes": {**clock, "default": "20:00"},
            "holidays": {"enum": list(known.HOLIDAYS), "default": "observe"},
        },
    }


def _budget() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["max_contacts", "days"],
        "description": "How often a debtor may be written to, over all its invoices and channels.",
        "properties": {
            "max_contacts": _whole(1, 1000),
            "days": _whole(1, BUDGET_DAYS_MAX),
            "quiet_days": {**_whole(0, 365), "default": 0},
        },
    }


def _conditions() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "minProperties": 1,
        "description": "All must hold when the level is due.",
        "properties": {
            **{key: _amounts() for key in known.AMOUNT_CONDITIONS},
            **{key: _whole(0, 100_000) for key in known.COUNT_CONDITIONS},
            "kinds": _set_of(known.KINDS),
            "countries": {
                "type": "array",
                "minItems": 1,
                "maxItems": NAMES_MAX,
                "items": {"type": "string", "pattern": "^[A-Z]{2}$"},
            },
            **{key: _names("") for key in known.NAME_CONDITIONS},
        },
    }


def _fee() -> dict[str, Any]:
    tier = {
        "type": "object",
        "additionalProperties": False,
        "required": ["amount"],
        "properties": {"up_to": _amount(), "amount": _amount()},
    }
    return {
        "type": "object",
        "additionalProperties": False,
        "description": "The policy's own fee: the sum of its parts, by currency.",
        "anyOf": [{"required": [part]} for part in ("fixed", "percent", "tiers")],
        "properties": {
            "fixed": _amounts(),
            "percent": {"type": "string", "pattern": r"^\d{1,3}(\.\d{1,4})?$"},
            "tiers": {
                "type": "object",
                "additionalProperties": {"type": "array", "minItems": 1, "items": tier},
            },
            "maximum": _amounts(),
            "per": {"enum": list(known.FEE_PER), "default": "invoice"},
            "consumers": {"type": "boolean", "default": False},
        },
    }


def _amount() -> dict[str, Any]:
    return {"type": "string", "pattern": r"^\d{1,18}(\.\d{1,6})?$"}


def _amounts() -> dict[str, Any]:
    return {
        "type": "object",
        "propertyNames": {"pattern": "^[A-Z]{3}$"},
        "additionalProperties": _amount(),
    }


def _names(description: str) -> dict[str, Any]:
    names = {"type": "string", "minLength": 1, "maxLength": TEXT_MAX}
    found: dict[str, Any] = {
        "type": "array",
        "minItems": 1,
        "maxItems": NAMES_MAX,
        "items": names,
    }
    return found | {"description": description} if description else found


def _sending_level() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["code", "threshold_days", "channels", "template"],
        "properties": {
            **_place(),
            "channels": _set_of(CHANNELS),
            "fallback": {
                **_set_of(CHANNELS),
                "description": "How the next try goes when one failed.",
            },
            "must_arrive": {
                **_set_of(CHANNELS),
                "minItems": 0,
                "description": "Channels without which the level is not served; [] asks for any. "
                "Left out: the registered letter, where there is one.",
            },
            "template": {"enum": list(TEMPLATES)},
            "charges": _set_of(CHARGES),
            "pay_within_days": _whole(1, 365),
            "fee": _fee(),
            "minimum": {
                **_amounts(),
                "description": "Least principal worth this level, by currency: below it it waits.",
            },
            "credit_block": {
                "type": "boolean",
                "default": False,
                "description": "Once served, deliveries should stop until the invoice is settled.",
            },
            "beyond_budget": {
                "type": "boolean",
                "default": False,
                "description": "It goes out although the contact budget is used up.",
            },
        },
    }


def _final_level() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["code", "threshold_days", "final"],
        "properties": {**_place(), "final": {"enum": list(FINAL_ACTIONS)}},
    }


def _place() -> dict[str, Any]:
    return {
        "code": {"type": "string", "pattern": "^[a-z][a-z0-9_]{0,39}$"},
        "threshold_days": {
            **_whole(-365, known.DAYS_MAX),
            "description": "Days after the anchor; negative: before the due date.",
        },
        "anchor": {"enum": list(ANCHORS), "default": "due_date"},
        "counting": {
            "enum": list(COUNTINGS),
            "default": "calendar_days",
            "description": "Business days are those on which the policy may speak.",
        },
        "when": _conditions(),
        "otherwise": {"enum": list(known.OTHERWISE), "default": "skip"},
        "approval": {
            "type": "boolean",
            "default": False,
            "description": "A person must let it go out.",
        },
        "gap_days": {
            **_whole(0, known.DAYS_MAX),
            "description": "Days after the level before it was served.",
        },
    }


def _set_of(names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "type": "array",
        "minItems": 1,
        "uniqueItems": True,
        "items": {"enum": list(names)},
    }


def _whole(least: int, most: int) -> dict[str, Any]:
    return {"type": "integer", "minimum": least, "maximum": most}
