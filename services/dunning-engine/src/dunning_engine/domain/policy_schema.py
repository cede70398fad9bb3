"""The JSON Schema of a policy document, for editors and other tools.

It says what a schema can say; order and spacing of the levels are checked when a policy is read.
"""

from __future__ import annotations

from typing import Any

from dunning_engine.domain import policy_document as known
from dunning_engine.domain.policy import CHANNELS, CHARGES, FINAL_ACTIONS, TEMPLATES


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
            "name": {"type": "string", "maxLength": known.TEXT_MAX},
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
                "description": "So many failed tries block a level until contacts change.",
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


def _sending_level() -> dict[str, Any]:
    amount = {"type": "string", "pattern": r"^\d{1,18}(\.\d{1,6})?$"}
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["code", "threshold_days", "channels", "template"],
        "properties": {
            **_place(),
            "channels": _set_of(CHANNELS),
            "template": {"enum": list(TEMPLATES)},
            "charges": _set_of(CHARGES),
            "pay_within_days": _whole(1, 365),
            "minimum": {
                "type": "object",
                "propertyNames": {"pattern": "^[A-Z]{3}$"},
                "additionalProperties": amount,
                "description": "Least principal worth this level, by currency.",
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
            "description": "Days after the due date; negative: before it.",
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
