"""Money, dates, counts and lists as a language writes them, through Babel.

Pure functions of their arguments; the answers are cached because a portfolio repeats itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import format_currency, format_decimal, parse_pattern

DATE_STYLES = ("short", "medium", "long", "full")
"""Styles of the `date` filter; `short` is safe in a table, `long` in a sentence."""

_SHORT_PATTERNS = {"fr": "dd/MM/yyyy", "de": "dd.MM.yyyy"}
"""Babel's own short dates drop the century; languages not named here use the medium style."""


@dataclass(frozen=True, slots=True)
class Formats:
    """The habits of one locale such as `fr_FR`."""

    locale: Locale

    def money(self, amount: Decimal, currency: str) -> str:
        """`1 234,50 €`, with the currency's own number of decimals."""
        return _money(amount, currency, str(self.locale))

    def percent(self, rate: Decimal) -> str:
        """A rate in percent with two decimals or more: `12,40 %`."""
        return _percent(rate, str(self.locale))

    def day(self, day: date, style: str = "long") -> str:
        """A date in one of `DATE_STYLES`."""
        return _day(day, style, str(self.locale))

    def count(self, number: int) -> str:
        """A whole number with the locale's grouping."""
        return str(format_decimal(number, locale=self.locale))

    def plural_form(self, number: int) -> str:
        """CLDR category of a count: `one`, `few`, `many`, `other` and so on."""
        return str(self.locale.plural_form(number))

    def plural_forms(self) -> tuple[str, ...]:
        """The categories the locale distinguishes, in CLDR order; the last is always `other`."""
        return (*sorted(self.locale.plural_form.tags, key=_CLDR_ORDER.index), "other")

    def sentence(self, parts: Sequence[str]) -> str:
        """`A, B et C`."""
        return format_list(list(parts), locale=self.locale) if parts else ""


_CLDR_ORDER = ("zero", "one", "two", "few", "many", "other")


@lru_cache(maxsize=256)
def formats_for(tag: str) -> Formats:
    """The formats of a locale tag such as `fr_FR`.

    Raises:
        ValueError: Babel does not know the tag.
    """
    try:
        return Formats(Locale.parse(tag, sep="_"))
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError(f"{tag!r} is not a locale such as fr_FR") from error


@lru_cache(maxsize=8192)
def _money(amount: Decimal, currency: str, tag: str) -> str:
    return str(format_currency(amount, currency, locale=tag))


@lru_cache(maxsize=1024)
def _percent(rate: Decimal, tag: str) -> str:
    pattern = parse_pattern(Locale.parse(tag).percent_formats[None].pattern)
    number = format_decimal(rate, "#,##0.00##", locale=tag)
    # The pattern says where the sign stands; its own arithmetic would drop decimals.
    return f"{pattern.prefix[0]}{number}{pattern.suffix[0]}"


@lru_cache(maxsize=8192)
def _day(day: date, style: str, tag: str) -> str:
    if style not in DATE_STYLES:
        raise ValueError(f"{style!r} is not a date style; use one of {', '.join(DATE_STYLES)}")
    pattern = style
    if style == "short":
        pattern = _SHORT_PATTERNS.get(tag.split("_", maxsplit=1)[0], "medium")
    # A date must not break across lines.
    return str(format_date(day, pattern, locale=tag)).replace(" ", "\u00a0")
