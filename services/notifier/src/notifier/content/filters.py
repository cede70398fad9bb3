"""The filters a template may use: each is total, cheap and bounded by the length of its input.

None of them can multiply text (no replace, append, join, times), reach an object's attributes or
read a clock. The locale comes from the variable `locale`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import lru_cache
from typing import Any

from liquid import RenderContext
from liquid.builtin.filters.misc import default
from liquid.builtin.filters.string import escape
from liquid.exceptions import FilterArgumentError
from liquid.filter import with_context
from markupsafe import Markup

from notifier.content.formats import Formats, formats_for

MAX_SHORTEN = 500


@dataclass(frozen=True, slots=True)
class InLocale:
    """A render context that knows nothing but how a locale writes, found once for a whole text."""

    formats: Formats


@lru_cache(maxsize=256)
def in_locale(tag: str) -> InLocale:
    """The render context of a locale tag such as `fr_FR`.

    Raises:
        ValueError: Babel does not know the tag.
    """
    return InLocale(formats_for(tag))


Context = RenderContext | InLocale
"""What the filters that depend on the locale are given."""


@with_context
def money(value: object, *, context: Context) -> str:
    """An amount with its currency; a list of amounts becomes `A and B`.

    A literal such as `{{ 40 | money }}` has no currency and is refused.
    """
    formats = _formats(context)
    if isinstance(value, list):
        return formats.sentence([_one_money(formats, part) for part in value])
    return _one_money(formats, value)


@with_context
def percent(value: object, *, context: Context) -> str:
    """A rate in percent: `12,40 %`; a list of rates becomes `A and B`."""
    formats = _formats(context)
    rates = value if isinstance(value, list) else [value]
    return formats.sentence([_one_percent(formats, rate) for rate in rates])


@with_context
def day(value: object, style: object = "long", *, context: Context) -> str:
    """A date, `long` by default: `12 mars 2026`."""
    if not isinstance(value, date):
        raise FilterArgumentError(f"date: needs a date, not {value!r}", token=None)
    try:
        return _formats(context).day(value, str(style))
    except ValueError as error:
        raise FilterArgumentError(f"date: {error}", token=None) from error


@with_context
def number(value: object, *, context: Context) -> str:
    """A whole number with the language's grouping."""
    return _formats(context).count(_whole(value, "number"))


@with_context
def plural(value: object, *forms: object, context: Context) -> str:
    """The word that goes with a count: `{{ n | plural: "invoice", "invoices" }}`.

    The words stand in CLDR order (one, [two, few, many,] other), as many as wanted; a category
    without a word of its own takes the last.
    """
    if not forms:
        raise FilterArgumentError('plural: needs words, as in plural: "day", "days"', token=None)
    formats = _formats(context)
    categories = formats.plural_forms()
    place = categories.index(formats.plural_form(_whole(value, "plural")))
    if len(forms) < len(categories) and place == len(categories) - 1:
        place = len(forms) - 1
    return str(forms[min(place, len(forms) - 1)])


def upcase(value: object) -> str:
    """Capital letters."""
    return _text(value).upper()


def downcase(value: object) -> str:
    """Small letters."""
    return _text(value).lower()


def capitalize(value: object) -> str:
    """A capital first letter; unlike Liquid's own filter the rest stays as it is."""
    text = _text(value)
    return text[:1].upper() + text[1:]


def strip(value: object) -> str:
    """No white space at either end."""
    return _text(value).strip()


def shorten(value: object, limit: object = 40) -> str:
    """At most `limit` characters; what is cut off becomes `…`."""
    text, size = _text(value), _whole(limit, "shorten")
    if not 1 <= size <= MAX_SHORTEN:
        raise FilterArgumentError(f"shorten: needs 1 to {MAX_SHORTEN}, not {size}", token=None)
    return text if len(text) <= size else text[: size - 1].rstrip() + "…"


def iban(value: object) -> str:
    """An IBAN in groups of four, as people read it."""
    text = "".join(_text(value).split())
    return " ".join([text[start : start + 4] for start in range(0, len(text), 4)])


def size(value: object) -> int:
    """How many characters or entries."""
    return len(value) if isinstance(value, str | list | dict) else 0


FILTERS: Mapping[str, Callable[..., Any]] = {
    "capitalize": capitalize,
    "date": day,
    "default": default,
    "downcase": downcase,
    "escape": escape,
    "iban": iban,
    "money": money,
    "number": number,
    "percent": percent,
    "plural": plural,
    "shorten": shorten,
    "size": size,
    "strip": strip,
    "upcase": upcase,
}
"""Everything a template may write after `|`."""


def _formats(context: Context) -> Formats:
    if isinstance(context, InLocale):
        return context.formats
    return formats_for(str(context.resolve("locale")))


def _one_money(formats: Formats, value: object) -> str:
    if isinstance(value, dict):
        amount, currency = value.get("amount"), value.get("currency")
        if isinstance(amount, Decimal) and isinstance(currency, str):
            return formats.money(amount, currency)
    raise FilterArgumentError(
        f"money: needs an amount such as total.open, not {value!r}", token=None
    )


def _one_percent(formats: Formats, value: object) -> str:
    if isinstance(value, Decimal):
        return formats.percent(value)
    raise FilterArgumentError(
        f"percent: needs a rate such as charges.percents, not {value!r}", token=None
    )


def _text(value: object) -> str:
    """Text as it is; anything that is not text is shown the way Liquid shows it."""
    if isinstance(value, Markup):
        return str(value.unescape())
    return "" if value is None else str(value)


def _whole(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise FilterArgumentError(f"{name}: needs a whole number, not {value!r}", token=None)
