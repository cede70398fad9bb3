"""Money, dates, counts and lists as a language writes them, through Babel.

Pure functions of their arguments; the answers are cached because a portfolio repeats itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache

from babel import Locale, UnknownLocaleError
from babel.dates import format_date
from babel.lists import format_list
from babel.numbers import (
    format_currency,
    format_decimal,
    get_currency_precision,
    parse_pattern,
)

from dunning_common.money import to_decimal

DATE_STYLES = ("short", "medium", "long", "full")
"""Styles of the `date` filter; `short` is safe in a table, `long` in a sentence."""

_SHORT_PATTERNS = {
    **dict.fromkeys(("fr", "es", "it", "pt"), "dd/MM/yyyy"),
    **dict.fromkeys(("de", "pl"), "dd.MM.yyyy"),
    "nl": "dd-MM-yyyy",
}
"""Babel's own short dates drop the century; languages not named here use the medium style."""


@dataclass(frozen=True, slots=True)
class Formats:
    """The habits of one locale such as `fr_FR`."""

    locale: Locale
    tag: str

    def money(self, amount: Decimal, currency: str) -> str:
        """`1 234,50 €`, with the currency's own number of decimals."""
        return _money_pattern(currency, self.tag)(amount)

    def minor(self, minor: int, currency: str) -> str:
        """The same of an amount in the currency's minor units."""
        return _minor(minor, currency, self.tag)

    def percent(self, rate: Decimal) -> str:
        """A rate in percent with two decimals or more: `12,40 %`."""
        return _percent(rate, self.tag)

    def day(self, day: date, style: str = "long") -> str:
        """A date in one of `DATE_STYLES`."""
        return _day(day, style, self.tag)

    def count(self, number: int) -> str:
        """A whole number with the locale's grouping."""
        return _count(number, self.tag)

    def plural_form(self, number: int) -> str:
        """CLDR category of a count: `one`, `few`, `many`, `other` and so on."""
        return _plural_form(number, self.tag)

    def plural_forms(self) -> tuple[str, ...]:
        """The categories the locale distinguishes, in CLDR order; the last is always `other`."""
        return _plural_forms(self.tag)

    def sentence(self, parts: Sequence[str]) -> str:
        """`A, B et C`."""
        if len(parts) == 1:
            return parts[0]
        return format_list(list(parts), locale=self.locale) if parts else ""


_CLDR_ORDER = ("zero", "one", "two", "few", "many", "other")


@lru_cache(maxsize=256)
def formats_for(tag: str) -> Formats:
    """The formats of a locale tag such as `fr_FR`.

    Raises:
        ValueError: Babel does not know the tag.
    """
    try:
        locale = Locale.parse(tag, sep="_")
    except (UnknownLocaleError, ValueError) as error:
        raise ValueError(f"{tag!r} is not a locale such as fr_FR") from error
    return Formats(locale, str(locale))


@lru_cache(maxsize=1024)
def _money_pattern(currency: str, tag: str) -> Callable[[Decimal], str]:
    """Writes amounts of a currency as Babel does, with what it does learnt once.

    Babel works the pattern out anew for each amount, which took a quarter of an e-mail's time.
    """
    sample = str(format_currency(_SAMPLE, currency, locale=tag))
    places = get_currency_precision(currency)
    found = _SAMPLE_WRITTEN.fullmatch(sample)
    if found is None:
        return lambda amount: str(format_currency(amount, currency, locale=tag))
    before, group, point, after = found["before"], found["group"], found["point"], found["after"]
    signs = str.maketrans({",": group, ".": point or "."})

    def written(amount: Decimal) -> str:
        if not 0 <= amount < _HIGHEST:
            return str(format_currency(amount, currency, locale=tag))
        return f"{before}{f'{amount:,.{places}f}'.translate(signs)}{after}"

    if any(written(a) != format_currency(a, currency, locale=tag) for a in _PROBES):
        return lambda amount: str(format_currency(amount, currency, locale=tag))
    return written


_SAMPLE = Decimal("1234567.125")
_SAMPLE_WRITTEN = re.compile(
    r"(?P<before>\D*)1(?P<group>\D*)234(?P=group)567(?:(?P<point>\D)1[23]5?0*)?(?P<after>\D*)"
)
_HIGHEST = Decimal(10) ** 18
_PROBES = tuple(
    map(Decimal, ("0", "0.07", "7.5", "12", "999.99", "1000", "12345.678", "98765432.1"))
)


@lru_cache(maxsize=4096)
def _minor(minor: int, currency: str, tag: str) -> str:
    return _money_pattern(currency, tag)(to_decimal(minor, currency))


@lru_cache(maxsize=4096)
def _plural_form(number: int, tag: str) -> str:
    return str(Locale.parse(tag).plural_form(number))


@lru_cache(maxsize=4096)
def _count(number: int, tag: str) -> str:
    return str(format_decimal(number, locale=tag))


@lru_cache(maxsize=256)
def _plural_forms(tag: str) -> tuple[str, ...]:
    return (*sorted(Locale.parse(tag).plural_form.tags, key=_CLDR_ORDER.index), "other")


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
