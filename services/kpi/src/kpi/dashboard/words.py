"""Numbers and names as people read them on a page (English, ISO currencies)."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from typing import Final

from babel.dates import format_date
from babel.numbers import format_compact_currency, format_currency, format_decimal

from dunning_common.money import to_decimal

LOCALE: Final = "en_GB"
NBSP: Final = "\u00a0"
_EXACT_BELOW: Final = 10_000

CHANNELS: Final = {
    "email": "E-mail",
    "sms": "SMS",
    "letter": "Letter",
    "registered_letter": "Registered letter",
}


def money(minor: int, currency: str) -> str:
    """The exact amount, e.g. `€1,234.50`."""
    return format_currency(to_decimal(minor, currency), currency, locale=LOCALE)


def money_round(minor: int, currency: str) -> str:
    """For large type: whole units from ten thousand on."""
    amount = to_decimal(minor, currency)
    if abs(amount) < _EXACT_BELOW:
        return money(minor, currency)
    return format_currency(amount, currency, "¤#,##0", locale=LOCALE, currency_digits=False)


def money_short(minor: int, currency: str) -> str:
    """For an axis, e.g. `€150K`."""
    amount = to_decimal(minor, currency)
    digits = 0 if amount == amount.to_integral_value() and abs(amount) < _EXACT_BELOW else 1
    short = format_compact_currency(amount, currency, locale=LOCALE, fraction_digits=digits)
    return short.replace(".0", "")


def count(value: int) -> str:
    """A whole number with thousands marked."""
    return format_decimal(value, locale=LOCALE)


def tenths(value: Decimal) -> str:
    """A number with one decimal, halves away from zero."""
    rounded = value.quantize(Decimal("0.1"), rounding=ROUND_HALF_UP)
    return format_decimal(rounded, "#,##0.0", locale=LOCALE)


def percent(value: Decimal | None) -> str:
    """A percentage with one decimal; a dash where there is none."""
    return "–" if value is None else f"{tenths(value)}{NBSP}%"


def day(value: date) -> str:
    """`3 Mar 2026`."""
    return format_date(value, "d MMM y", locale=LOCALE)


def day_short(value: date) -> str:
    """`3 Mar`."""
    return format_date(value, "d MMM", locale=LOCALE)


def month_short(value: date) -> str:
    """`Mar`."""
    return format_date(value, "LLL", locale=LOCALE)[:3]


def month(value: date) -> str:
    """`March 2026`."""
    return format_date(value, "LLLL y", locale=LOCALE)


def level(code: str) -> str:
    """A policy's level code as words: `second_reminder` becomes `Second reminder`."""
    words = code.replace("_", " ").replace("-", " ").strip()
    return words[:1].upper() + words[1:]


def channel(code: str) -> str:
    """A channel's code as words."""
    return CHANNELS.get(code, level(code))
